"""Nobody can take what others need: log-ins, pages, servers, kernels."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from curious import AS_ROOT, MAX_KERNELS, log_of_session
from hub_fixtures import fetch

pytestmark = AS_ROOT


def test_a_strangers_wrong_passwords_lock_nobody_out(place: SimpleNamespace) -> None:
    ben = place.tools.Person(place.hub, "ben")
    assert "/hub/login" not in str(ben.log_in().url)
    with ThreadPoolExecutor(12) as threads:
        guesses = [threads.submit(place.tools.Person(place.hub, "ben").log_in, "wrong") for _ in range(12)]
        assert {guess.result().status_code for guess in guesses} == {403}
    ben.client.get("hub/logout")
    assert "/hub/login" in str(ben.client.get("hub/home").url)
    assert "/hub/login" not in str(ben.log_in().url)


def test_one_person_has_only_so_many_pages_and_one_server(place: SimpleNamespace) -> None:
    dan = place.tools.Person(place.hub, "dan")  # whom no other test uses: each page of his is opened here
    page = place.tools.PAGE.format(name="dan")
    opened = [dan.log_in()]  # leads to the page already if the server starts fast enough
    dan.start_session()
    opened.append(dan.client.get(page))
    with ThreadPoolExecutor(5) as threads:  # at once: those that are starting count as well
        opened += threads.map(lambda _: dan.client.get(page), range(MAX_KERNELS + 2))
    kernels = [found.group(1) for answer in opened if (found := re.search(r'"kernelId": ?"([^"]+)"', answer.text))]
    told = [f"{answer.status_code} from {answer.url}: …{answer.text[-300:]}" for answer in opened]
    assert len(set(kernels)) == MAX_KERNELS, "\n\n".join((*told, log_of_session(place, "dan")[-3000:]))
    stranger = fetch(place.hub.url + page, follow_redirects=True)
    assert "/hub/login" in str(stranger.url), "nobody else is told"
    more = dan.client.get(page)
    assert more.status_code == 429
    assert f"You have {MAX_KERNELS} pages or kernels open" in more.text
    headers = {"X-XSRFToken": dan._token("/hub/"), "Referer": place.hub.url + "hub/home"}
    assert dan.client.post("hub/api/users/dan/servers/second", headers=headers).status_code in {400, 403, 404}


def test_a_researcher_has_only_so_many_kernels(place: SimpleNamespace, people: dict[str, Any]) -> None:
    maria = people["maria"]
    headers = {"X-XSRFToken": maria._token("/user/maria/")}
    answers = [maria.client.post("user/maria/api/kernels", json={}, headers=headers) for _ in range(MAX_KERNELS + 1)]
    for kernel in maria.client.get("user/maria/api/kernels").json():
        maria.client.delete(f"user/maria/api/kernels/{kernel['id']}", headers=headers)
    codes = [answer.status_code for answer in answers]
    assert codes.count(201) <= MAX_KERNELS
    assert codes[-1] == 429
    assert "as many as one person may have" in answers[-1].json()["message"]
