"""A browser whose session does not start at once: no page at which it would stay, and no request to elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import urlsplit

import pytest
from hub_fixtures import configure
from intruder import session_process
from lab_server import launch_chromium
from playwright.sync_api import Page, Request, Route, expect, sync_playwright

from pipeline.hub.accounts import Role

pytestmark = [pytest.mark.hub, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("hub")]

#: A kernel must start within that, on a busy machine, too; the page waits a little longer before it starts another.
PATIENCE_S = 20
#: Dies the first time it is started.
DIES_ONCE = 'if [ -e "$HOME/tried" ]; then exec "$0" -m ipykernel_launcher -f "$1"; fi; touch "$HOME/tried"; exit 1'


#: A session that starts once it is let go, however quick the machine.
HELD = """
import asyncio, os
async def hold(spawner):
    while spawner.user.name == "ben" and not os.path.exists({go!r}):
        await asyncio.sleep(0.05)
c.Spawner.pre_spawn_hook = hold
"""


@pytest.fixture(scope="module")
def place(annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    folder = hub_folder / "slow"
    folder.mkdir(mode=0o711)
    project = hub_benchmark.make_project(folder, 4, ["ada", "ben"])
    state = folder / "hub"
    go = folder / "go"
    configure(state, f"c.SessionSpawner.kernel_patience_s = {PATIENCE_S}", HELD.format(go=str(go)))
    with hub_benchmark.running_hub(project, {n: [Role.ANNOTATORS] for n in ("ada", "ben")}, state, proxy) as hub:
        yield SimpleNamespace(hub=hub, state=state, go=go)


@contextmanager
def entering(place: SimpleNamespace, name: str, prepare: Callable[[Page], object]) -> Iterator[Page]:
    """Log in with a browser; `prepare` gets the page before anything is asked for."""
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        prepare(page)
        page.goto(place.hub.url)
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(place.hub.passwords[name])
        page.keyboard.press("Enter")
        yield page
        browser.close()


def test_a_page_that_waits_for_a_session_goes_on_although_the_hub_would_not_say_how_far_it_is(
    place: SimpleNamespace,
) -> None:
    """For instance while a Hub that was killed looks which sessions still run: JupyterHub's own page then stays."""
    refused: list[Route] = []

    def refuse(route: Route) -> None:
        refused.append(route)
        route.fulfill(status=400, body="{}")
        place.go.touch()

    with entering(place, "ben", lambda page: page.route("**/server/progress*", refuse, times=1)) as page:
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
        assert refused
        # A page that is asked for before the Hub has noticed that its server is gone: that one goes on, too.
        session_process(place.hub, "ben").kill()
        page.goto(page.url)
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()


def break_first_kernel(place: SimpleNamespace) -> None:
    """Make everybody's first kernel die; a session takes kernels from the hub's folder, never from its owner's."""
    kernel = place.state / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    python = json.loads((place.state / "private" / "hub.json").read_text())["session_python"]
    spec = {
        "argv": ["/bin/sh", "-c", DIES_ONCE, python, "{connection_file}"],
        "display_name": "dies once",
        "language": "python",
    }
    (kernel / "kernel.json").write_text(json.dumps(spec))
    for path in (kernel, *kernel.parents[:2]):
        path.chmod(0o755)


def test_a_kernel_that_dies_at_the_start_is_told_of_and_another_one_started(
    place: SimpleNamespace,
) -> None:
    break_first_kernel(place)
    asked: list[Request] = []
    # Playwright refuses a list's own method.
    with entering(place, "ada", lambda page: page.on("request", lambda one: asked.append(one))) as page:
        expect(page.locator("#mlf-start")).to_contain_text("longer than usual", timeout=60_000)
        expect(page.get_by_role("button", name="Start again")).to_be_visible()
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
        assert page.evaluate("() => Object.keys(sessionStorage).filter((key) => key.startsWith('mlf-starts'))") == []
        # Chromium reports a request even if the page's own rules keep it from being sent.
        elsewhere = [request for request in asked if urlsplit(request.url).hostname not in {"127.0.0.1", None}]
        assert {request.failure for request in elsewhere} <= {"csp"}
