"""A hub whose sessions have web addresses of their own: a page on a researcher's server cannot reach anybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from serving import free_port

from pipeline.hub.accounts import Role

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
    """Return a hub at `localhost`, whose sessions browsers find at `NAME.localhost`, which is this machine."""
    folder = hub_folder / "origins"
    folder.mkdir(mode=0o711)
    project = hub_benchmark.make_project(folder, 4, ["ada", "ben"])
    project.reports_dir.mkdir(exist_ok=True)
    (project.reports_dir / "findings.html").write_text("<h1>the findings</h1>")
    people = {"ada": [Role.ANNOTATORS, Role.REVIEWERS], "ben": [Role.ANNOTATORS], "maria": [Role.RESEARCHERS]}
    port = free_port()
    options = {"host": f"http://localhost:{port}", "port": port}
    with hub_benchmark.running_hub(project, people, folder / "hub", proxy, **options) as hub:
        yield SimpleNamespace(hub=hub, port=port)


def enter(browser: Browser, place: SimpleNamespace, name: str) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(90_000)
    page.goto(place.hub.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(place.hub.passwords[name])
    page.keyboard.press("Enter")
    return page


def test_each_session_is_an_origin_of_its_own_and_a_researchers_page_reads_nothing_of_the_others(
    place: SimpleNamespace, browser: Browser
) -> None:
    maria = enter(browser, place, "maria")
    maria.wait_for_url(f"http://maria.localhost:{place.port}/user/maria/lab**")
    ada = enter(browser, place, "ada")
    ada.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
    own = f"http://ada.localhost:{place.port}/user/ada/"
    assert ada.url.startswith(own)
    ada.locator("input[type=checkbox][data-class-id]").first.click()
    ada.locator('[data-mlf="annotator"][data-saved="saved"]').wait_for()
    ada.goto(f"{place.hub.url}services/mlf/reports")
    ada.get_by_role("link", name="findings").wait_for()
    # She opens a page on Maria's server, as anybody could be tricked into doing.
    ada.goto(f"http://maria.localhost:{place.port}/user/maria/api")
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
