"""What the widget shows when there is nothing to do, when a decision is refused, and when another loop drives it."""

from __future__ import annotations

from lab_server import run_all_cells, write_notebook
from person import OPEN_TIMEOUT_MS, Person, write_annotation_notebook
from playwright.sync_api import expect

from pipeline.stages.assign import assign_project
from pipeline.store import open_project_store
from pipeline.votes.words import Round


def test_without_tasks_it_says_so_and_shows_the_first_one_once_it_is_assigned(make_toybox, lab, context) -> None:
    project = make_toybox("ben")
    notebook = write_annotation_notebook(lab, "nothing-to-do.ipynb", project, "ada")
    ada = Person(context.new_page(), lab, notebook, project, "ada")
    ada.page.goto(lab.page_url(notebook))
    run_all_cells(ada.page)
    expect(ada.root.get_by_text("No images for you yet")).to_be_visible(timeout=OPEN_TIMEOUT_MS)
    assign_project(project, ["ada", "ben"], 2)
    ada.root.get_by_role("button", name="Look again").click()
    ada.sees(1)
    ada.clicks_in_the_widget()
    ada.presses("n")
    ada.is_told_saved()
    assert ada.state(1).none
    ada.page.close()
    lab.end_kernel(notebook)


def test_a_refused_decision_is_taken_back_and_said_in_words(make_toybox, sit_down) -> None:
    project = make_toybox("ada", "ben")
    ada = sit_down(project)
    label = ada.proposed(1)[0]
    # A hidden tab is not told of changes in the store: this one decides before it is told.
    ada.page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    ada.clicks_in_the_widget()
    ada.jumps_to(40)  # its picture is asked for now: whatever was asked before has been answered once it is there
    ada.jumps_to(1)
    with open_project_store(project) as store:
        store.unassign(Round.ANNOTATION, "ada", [ada.task(1).image_index])
    ada.presses("1")
    expect(ada.root).to_have_attribute("data-saved", "failed")
    expect(ada.root.get_by_role("alert").get_by_text("refused")).to_be_visible()
    expect(ada.box(label)).not_to_be_checked()
    ada.root.get_by_role("alert").get_by_role("button", name="OK").click()
    ada.is_told_saved()
    assert [event for event in ada.events() if event.kind == "vote"] == []


def test_another_loop_says_which_image_comes_and_hears_what_was_decided(make_toybox, lab, context) -> None:
    project = make_toybox()
    record = project.root / "heard.txt"
    code = f"""
from pathlib import Path
from mlf_widgets import open_annotator
widget = open_annotator({str(project.root)!r}, "ada")
queue = [4, 2, 7]
def take(data):
    with Path({str(record)!r}).open("a") as sink:
        print(data and data["labels"], file=sink)
    if queue:
        widget.display(queue.pop(0))
widget.on_submit(take)
widget.display(queue.pop(0))
widget
"""
    notebook = write_notebook(lab, "driven.ipynb", code)
    ada = Person(context.new_page(), lab, notebook, project, "ada")
    ada.page.goto(lab.page_url(notebook))
    run_all_cells(ada.page)
    ada.sees_an_image(OPEN_TIMEOUT_MS)
    ada.sees(5)
    ada.clicks_in_the_widget()
    ada.presses("2")
    ada.is_told_saved()
    ada.presses("ArrowRight")
    ada.sees(3)
    ada.presses("ArrowRight")  # nothing was decided, so the loop is told of a skip
    ada.sees(8)
    key = project.label_space.keys[ada.proposed(5)[1]]
    assert record.read_text().splitlines() == [f"['{key}']", "None"]
    ada.page.close()
    lab.end_kernel(notebook)
