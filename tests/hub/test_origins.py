"""A hub whose sessions have web addresses of their own: a page on a researcher's server cannot reach anybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
from hub_fixtures import whole_lines
from playwright.sync_api import Browser, Page
from serving import free_port, wait_until
from web_servers import caddy, certificate, is_installed, nginx

from pipeline.hub.accounts import Role
from pipeline.hub.launch import PreparedHub, hub_log

pytestmark = [pytest.mark.hub, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("hub")]

#: What a page can read from other addresses: their pages, and whatever its reader may do at the Hub.
READ = """async (urls) => {
  const read = [];
  for (const url of urls)
    for (const how of [{credentials: 'include'}, {credentials: 'include', mode: 'no-cors'}])
      await fetch(url, how).then((answer) => answer.text()).then((text) => { if (text) read.push(url); }, () => {});
  return read;
}"""


@pytest.fixture(scope="module")
def place(annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    """Return a hub at `localhost`, whose sessions browsers find at `NAME.localhost`: behind nginx, if there is one."""
    folder = hub_folder / "origins"
    folder.mkdir(mode=0o711)
    project = hub_benchmark.make_project(folder, 4, ["ada", "ben"])
    project.reports_dir.mkdir(exist_ok=True)
    (project.reports_dir / "findings.html").write_text("<h1>the findings</h1>")
    people = {"ada": [Role.ANNOTATORS, Role.REVIEWERS], "ben": [Role.ANNOTATORS], "maria": [Role.RESEARCHERS]}
    port, hub_port = free_port(), free_port()
    with ExitStack() as stack:
        address = f"http://localhost:{hub_port}"
        if is_installed("nginx"):
            address = f"https://localhost:{port}"
            (folder / "nginx").mkdir()
            certificate(folder / "nginx")
            stack.enter_context(nginx(folder / "nginx", port, hub_port, free_port()))
        hub = stack.enter_context(
            hub_benchmark.running_hub(project, people, folder / "hub", proxy, host=address, port=hub_port)
        )
        yield SimpleNamespace(hub=hub, address=address, path=urlsplit(hub.url).path)


def enter(browser: Browser, place: SimpleNamespace, name: str) -> Page:
    page = browser.new_context(ignore_https_errors=True).new_page()
    page.set_default_timeout(120_000)
    page.goto(place.hub.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(place.hub.passwords[name])
    page.keyboard.press("Enter")
    return page


def test_each_session_is_an_origin_of_its_own_and_a_researchers_page_reads_nothing_of_the_others(
    place: SimpleNamespace, browser: Browser
) -> None:
    def at(name: str) -> str:
        return f"{place.address.replace('localhost', f'{name}.localhost')}{place.path}"

    maria = enter(browser, place, "maria")
    maria.wait_for_url(at("maria") + "user/maria/voila/render/progress.ipynb**")
    ada = enter(browser, place, "ada")
    ada.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
    own = at("ada") + "user/ada/"
    assert ada.url.startswith(own)
    ada.locator("input[type=checkbox][data-class-id]").first.click()
    ada.locator('[data-mlf="annotator"][data-saved="saved"]').wait_for()
    ada.goto(f"{place.hub.url}services/mlf/reports")
    ada.get_by_role("link", name="findings").wait_for()
    # She opens a page on Maria's server, as anybody could be tricked into doing.
    ada.goto(at("maria") + "user/maria/api")
    assert urlsplit(ada.url).hostname == "maria.localhost"
    wanted = [
        f"{place.hub.url}services/mlf/reports",
        f"{place.hub.url}services/mlf/reports/findings.html",
        f"{place.hub.url}hub/home",
        f"{own}api/status",
        f"{own}voila/render/2_annotate.ipynb",
    ]
    assert ada.evaluate(READ, wanted) == []
    assert ada.evaluate("() => document.cookie") == ""
    for page in (maria, ada):
        page.context.close()


def test_two_hubs_on_one_host_keep_one_browser_logged_in_to_both(
    place: SimpleNamespace, running: SimpleNamespace, browser: Browser, tmp_path: Path
) -> None:
    """Cookies know no ports: whoever logs in to the second hub must not be logged out of the first.

    One is behind Caddy and the other behind nginx, each with the recipe of deploy/tls, where they are installed; the
    pages speak to their kernels through websockets.
    """
    path = urlsplit(running.hub.url).path
    with ExitStack() as stack:
        first = f"http://localhost:{running.hub.port}"
        if is_installed("caddy"):
            first = f"https://localhost:{(port := free_port())}"
            certificate(tmp_path)
            stack.enter_context(caddy(tmp_path, port, running.hub.port))
        context = stack.enter_context(closing(browser.new_context(ignore_https_errors=True)))

        def log_in(address: str, hub: PreparedHub, name: str) -> Page:
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.goto(address)  # the bare address leads to the hub's path
            page.get_by_label("Username").fill(name)
            page.get_by_label("Password").fill(hub.passwords[name])
            page.keyboard.press("Enter")
            page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
            return page

        ben = log_in(first, running.hub, "ben")
        ada = log_in(place.address, place.hub, "ada")
        for page, root in ((ben, f"{first}{path}"), (ada, place.hub.url)) * 2:
            page.locator("input[type=checkbox][data-class-id]").first.click()
            page.locator('[data-mlf="annotator"][data-saved="saved"]').wait_for()
            there = page.url
            page.goto(f"{root}hub/home")
            page.locator("#logout").wait_for()
            page.goto(there)
            page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
        assert {cookie["path"].startswith((path, place.path)) for cookie in context.cookies()} == {True}


def test_behind_a_web_server_wrong_passwords_are_counted_by_where_they_come_from(
    place: SimpleNamespace, hub_benchmark: ModuleType
) -> None:
    if not place.address.startswith("https:"):
        pytest.skip("no nginx")
    stranger = hub_benchmark.Person(place.hub, "ben")
    somewhere = httpx.HTTPTransport(verify=False, local_address="127.0.0.2")
    stranger.client = httpx.Client(base_url=place.hub.url, follow_redirects=True, timeout=60, transport=somewhere)
    stranger.client.headers["X-Forwarded-For"] = "203.0.113.7"  # what a browser says of itself does not count
    for _ in range(6):
        assert stranger.log_in("wrong").status_code == 403

    def slowed() -> list[str]:
        return [line for line in whole_lines(hub_log(place.hub.state)) if " slowed " in line]

    wait_until(lambda: any("'ben' from 127.0.0.2 slowed" in line for line in slowed()), 60, lambda: str(slowed()))
    assert not any("203.0.113.7" in line for line in slowed())
