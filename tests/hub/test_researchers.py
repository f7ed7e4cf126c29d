"""Researchers in a real hub: they land on the board, run stages from there, and read the reports."""

from __future__ import annotations

import asyncio
from types import ModuleType, SimpleNamespace

import pytest
from intruder import run_as
from playwright.sync_api import Browser, expect

from pipeline.store import open_project_store

pytestmark = [pytest.mark.hub, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("hub")]

#: A stage takes as long as its notebook, on a busy machine.
STAGE_MS = 240_000


@pytest.fixture(scope="module")
def voted(hub_benchmark: ModuleType, running: SimpleNamespace) -> None:
    """Have people vote if no other test did so before; not while a browser's event loop runs."""
    with open_project_store(running.project) as store:
        has_votes = any(True for _ in store.iter_events())
    if not has_votes:
        asyncio.run(hub_benchmark.run_sessions(running.hub, ["Ada", "ben"], [], 0))


def test_a_researcher_lands_on_the_board_runs_a_stage_and_opens_its_report(
    annotation_page: None, voted: None, running: SimpleNamespace, browser: Browser
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(120_000)
    page.goto(running.hub.url)
    page.get_by_label("Username").fill("maria")
    page.get_by_label("Password").fill(running.hub.passwords["maria"])
    page.keyboard.press("Enter")
    page.locator('[data-mlf="board"]').get_by_role("rowheader", name="Ada").wait_for()
    assert page.get_by_text("open_board").count() == 0, "no code in sight"
    analyze = page.locator('[data-mlf="stage"][data-stage="analyze"]')
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    page.get_by_role("button", name="Analyse").click()
    expect(page.get_by_role("button", name="Settle")).to_be_disabled()  # one at a time
    expect(analyze.locator("[data-mlf-state]")).to_have_attribute("data-mlf-state", "done", timeout=STAGE_MS)
    expect(analyze).to_contain_text("started by maria")
    assert str(running.project.root) not in page.content(), "nobody is told where the project lies"
    page.get_by_role("button", name="Report").click()
    report = page.locator('[data-mlf="stage"][data-stage="report"]')
    expect(report.locator("[data-mlf-state]")).to_have_attribute("data-mlf-state", "done", timeout=STAGE_MS)
    with page.expect_popup() as opened:
        analyze.get_by_role("link", name="report of").click()
    opened.value.wait_for_url("**/services/mlf/reports/analyze.html")
    opened.value.get_by_role("heading").first.wait_for()
    page.context.close()

    # Now there is an overview: a reviewer lands on it, straight after log-in.
    reviewer = browser.new_context().new_page()
    reviewer.set_default_timeout(120_000)
    reviewer.goto(running.hub.url)
    reviewer.get_by_label("Username").fill("tom")
    reviewer.get_by_label("Password").fill(running.hub.passwords["tom"])
    reviewer.keyboard.press("Enter")
    reviewer.wait_for_url("**/services/mlf/reports/index.html")
    reviewer.get_by_role("link", name="Agreement").first.click()
    reviewer.wait_for_url("**/services/mlf/reports/*.html")
    reviewer.context.close()


def test_an_annotator_runs_no_stage(running: SimpleNamespace, hub_benchmark: ModuleType) -> None:
    ben = hub_benchmark.Person(running.hub, "ben")
    ben.log_in()
    ben.start_session()
    code = (
        "import json\nfrom pipeline.service.runs_client import RemoteRuns\nfound = []\n"
        "for ask in (lambda c: c.read(), lambda c: c.start('analyze'), lambda c: c.stop()):\n"
        "    try:\n        found.append(str(ask(RemoteRuns())))\n"
        "    except Exception as error:\n        found.append(str(error))\n"
        "print('RESULT' + json.dumps(found))\n"
    )
    answers = run_as(running.hub, "ben", code)
    assert len(answers) == 3
    assert all(answer.startswith("only researchers may see this") for answer in answers)
