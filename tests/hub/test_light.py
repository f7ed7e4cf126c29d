"""Light sessions in a real hub: from the log-in to one's own images, without a server."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from intruder import session_process
from serving import wait_until

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]


@pytest.fixture(scope="module")
def lea(hub_benchmark: ModuleType, running: SimpleNamespace) -> Any:
    """Return Lea, an annotator of the project with light sessions, who has logged in."""
    person = hub_benchmark.Person(running.hub, "lea")
    person.landed = person.log_in()
    return person


def test_an_annotator_lands_on_their_page_and_has_no_server(running: SimpleNamespace, lea: Any) -> None:
    assert str(lea.landed.url) == f"{running.hub.url}services/mlf-finch/work/annotation"
    assert 'data-mlf-page="' in lea.landed.text
    for path in ("hub/spawn/lea/finch", "hub/spawn/lea"):
        assert lea.client.get(path).status_code == 403
    assert "You work at /services/mlf-finch/work" in lea.client.get("hub/spawn/lea/finch").text
    with pytest.raises(LookupError):
        session_process(running.hub, "lea")
    assert lea.client.get("services/mlf/work/annotation").status_code == 403  # the other project's service


def test_what_is_done_in_a_browser_reaches_the_store(
    annotation_page: None, hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    report = hub_benchmark.annotate_in_browser(running.hub, "lou", 3)
    assert len(report.acknowledged) == 3
    assert hub_benchmark.check_store(running.light, [report]) == []


def test_the_page_ends_with_the_log_in(lea: Any) -> None:
    state = "services/mlf-finch/work/annotation/state"
    assert lea.client.get(state).status_code == 204
    lea.client.get("hub/logout")
    wait_until(lambda: lea.client.get(state).status_code == 401, 60, lambda: "the log-in still counts")
    assert "/hub/login" in str(lea.client.get("services/mlf-finch/work").url)
