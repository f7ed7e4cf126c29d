"""A browser whose kernel dies while starting: the page says so, starts another, and sends no request elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import urlsplit

import pytest
from hub_fixtures import SOURCE_ROOT
from playwright.sync_api import Request, expect, sync_playwright

from pipeline.hub.accounts import Role

pytestmark = [pytest.mark.hub, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("hub")]

PATIENCE_S = 12
#: Dies the first time it is started.
DIES_ONCE = 'if [ -e "$HOME/tried" ]; then exec "$0" -m ipykernel_launcher -f "$1"; fi; touch "$HOME/tried"; exit 1'


@pytest.fixture(scope="module")
def place(annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    folder = hub_folder / "slow"
    folder.mkdir(mode=0o711)
    project = hub_benchmark.make_project(folder, 4, ["ada", "ben"])
    state = folder / "hub"
    state.mkdir()
    config = state / "jupyterhub_config.py"
    shutil.copyfile(SOURCE_ROOT / "deploy" / "jupyterhub" / config.name, config)
    with config.open("a") as file:
        file.write(f"\nc.SessionSpawner.kernel_patience_s = {PATIENCE_S}\n")
    with hub_benchmark.running_hub(project, {n: [Role.ANNOTATORS] for n in ("ada", "ben")}, state, proxy) as hub:
        yield SimpleNamespace(hub=hub, state=state)


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
    place: SimpleNamespace, hub_benchmark: ModuleType
) -> None:
    break_first_kernel(place)
    asked: list[Request] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=hub_benchmark._chromium(), args=hub_benchmark.CHROMIUM_ARGUMENTS
        )
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request))  # Playwright refuses a list's own method
        page.goto(place.hub.url)
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(place.hub.passwords["ada"])
        page.keyboard.press("Enter")
        expect(page.locator("#mlf-start")).to_contain_text("longer than usual", timeout=60_000)
        expect(page.get_by_role("button", name="Start again")).to_be_visible()
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
        assert page.evaluate("() => Object.keys(sessionStorage).filter((key) => key.startsWith('mlf-starts'))") == []
        # Chromium reports a request even if the page's own rules keep it from being sent.
        elsewhere = [request for request in asked if urlsplit(request.url).hostname not in {"127.0.0.1", None}]
        assert {request.failure for request in elsewhere} <= {"csp"}
        browser.close()
