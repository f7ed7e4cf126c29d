"""What a person did is still there after a reload, after a kernel restarts or dies, and in another tab."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter

import pytest
from playwright.sync_api import Dialog, expect

#: Notes each state of saving that is told: one that passes may be over before anybody looks.
NOTE_WHAT_IS_TOLD = """root => {
    const told = [root.dataset.saved];
    const note = () => root.dataset.saved !== told.at(-1) && told.push(root.dataset.saved);
    new MutationObserver(note).observe(root, { attributeFilter: ["data-saved"] });
    window.mlfTold = told;
}"""


@pytest.mark.every_place
def test_tick_comment_next_reload_and_restart_leave_everything_as_it_was(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox())
    first, second = ada.proposed(1)[2], ada.proposed(1)[7]
    ada.clicks_in_the_widget()
    ada.presses("3", "8")
    expect(ada.box(second)).to_be_checked()
    ada.presses("c")
    ada.page.keyboard.type("a <b>bold</b> word")
    ada.presses("Escape", "ArrowRight")
    ada.sees(2)
    ada.presses("n")
    ada.is_told_saved()
    assert ada.state(1).votes == {first: "yes", second: "yes"}
    assert ada.state(1).comment == "a <b>bold</b> word"
    assert ada.state(2).none
    for comes_back in (ada.reloads_the_page, ada.restarts_the_kernel):
        comes_back()
        ada.sees(2)
        expect(ada.root.locator('[data-mlf-action="none"]')).to_have_attribute("aria-pressed", "true")
        ada.does("previous")
        ada.sees(1)
        expect(ada.box(first)).to_be_checked()
        expect(ada.root.get_by_label("Comment on this image")).to_have_value("a <b>bold</b> word")
        ada.does("next")
        ada.sees(2)
        ada.is_told_saved()


def test_undo_and_redo_survive_a_reload_and_a_restart(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox())
    classes = ada.proposed(1)
    ada.clicks_in_the_widget()
    ada.presses("1", "2", "ArrowRight")
    ada.sees(2)
    ada.presses("n")
    ada.is_told_saved()
    ada.reloads_the_page()
    ada.clicks_in_the_widget()
    ada.presses("z")
    expect(ada.root.locator('[data-mlf-action="none"]')).to_have_attribute("aria-pressed", "false")
    ada.presses("z")
    ada.sees(1)
    expect(ada.box(classes[1])).not_to_be_checked()
    ada.is_told_saved()
    assert ada.state(1).votes == {classes[0]: "yes"}
    assert not ada.state(2).is_decided
    ada.restarts_the_kernel()
    ada.clicks_in_the_widget()
    ada.presses("Shift+Z")
    ada.sees(1)
    expect(ada.box(classes[1])).to_be_checked()
    ada.presses("Control+y")
    ada.sees(2)
    expect(ada.root.locator('[data-mlf-action="none"]')).to_have_attribute("aria-pressed", "true")
    ada.is_told_saved()
    assert ada.state(1).votes == {classes[0]: "yes", classes[1]: "yes"}
    assert ada.state(2).none


@pytest.mark.notebook_alone
def test_decisions_made_while_the_kernel_is_dead_arrive_exactly_once(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox())
    first, second = ada.proposed(1)[0], ada.proposed(2)[3]
    ada.clicks_in_the_widget()
    ada.looks_ahead()
    pid = ada.lab.kernel_pid(ada.notebook)
    os.kill(pid, signal.SIGSTOP)  # the first decision is on its way to a kernel that will not read it
    ada.presses("1")
    os.kill(pid, signal.SIGKILL)
    ada.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()  # JupyterLab has started another kernel
    ada.clicks_in_the_widget()
    ada.presses("ArrowRight")
    ada.sees(2)
    ada.presses("4")  # the second has no kernel that knows of this widget
    expect(ada.root).to_have_attribute("data-saved", "offline")
    expect(ada.root.get_by_text(re.compile("Offline: [23] decisions kept on this machine"))).to_be_visible()
    assert ada.events() == []
    ada.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    )
    with ada.gets_another_widget():
        ada.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    ada.is_told_saved()
    votes = [event for event in ada.events() if event.kind == "vote"]
    assert [event.payload["class_index"] for event in votes] == [first, second]
    assert max(Counter(event.event_id for event in ada.events()).values()) == 1
    assert (ada.state(1).votes, ada.state(2).votes) == ({first: "yes"}, {second: "yes"})


@pytest.fixture
def frozen(make_toybox, sit_down):
    """Yield a person whose kernel is stopped until the test lets it continue."""
    ada = sit_down(make_toybox())
    ada.saves_the_notebook()  # otherwise JupyterLab itself would warn about closing the page
    pid = ada.lab.kernel_pid(ada.notebook)
    os.kill(pid, signal.SIGSTOP)
    yield ada, lambda: os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)


@pytest.mark.notebook_alone
def test_a_kernel_that_stood_still_gets_every_decision_once_and_closing_the_page_meanwhile_warns(frozen) -> None:
    ada, go_on = frozen
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    ada.page.on("dialog", stay)
    ada.clicks_in_the_widget()
    ada.root.evaluate(NOTE_WHAT_IS_TOLD)
    ada.presses("1", "2")
    with ada.page.expect_event("dialog"):
        ada.page.close(run_before_unload=True)
    assert asked == ["beforeunload"]
    expect(ada.root).to_have_attribute("data-saved", "offline")
    go_on()
    expect(ada.root).to_have_attribute("data-saved", "saved")
    assert ada.page.evaluate("() => window.mlfTold") == ["saved", "saving", "offline", "saved"]
    assert ada.state(1).votes == dict.fromkeys(ada.proposed(1)[:2], "yes")
    assert len([event for event in ada.events(1) if event.kind == "vote"]) == 2
    with ada.page.expect_event("close"):
        ada.page.close(run_before_unload=True)
    assert asked == ["beforeunload"]


@pytest.mark.every_place
def test_two_tabs_of_one_annotator_converge_before_their_eyes(make_toybox, sit_down) -> None:
    project = make_toybox()
    left, right = sit_down(project), sit_down(project)
    classes = left.proposed(1)
    left.page.bring_to_front()
    left.clicks_in_the_widget()
    left.presses("1", "3")
    expect(right.box(classes[0])).to_be_checked()
    expect(right.box(classes[2])).to_be_checked()
    right.page.bring_to_front()
    right.clicks_in_the_widget()
    right.presses("1", "n")
    expect(left.box(classes[2])).not_to_be_checked()
    expect(left.root.locator('[data-mlf-action="none"]')).to_have_attribute("aria-pressed", "true")
    left.page.bring_to_front()
    left.clicks_in_the_widget()
    left.presses("z")  # undoes what was done in the other tab: both share one log
    expect(right.box(classes[2])).to_be_checked()
    left.is_told_saved()
    assert left.state(1).votes == {classes[2]: "yes"}
