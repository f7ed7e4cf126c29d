"""An annotator's page, its accessible tree and the messages of its session name no file, and tell no proposal apart."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect
from wire import Looks, Wire, images_beside_themselves

from pipeline.annotation.session import Task
from pipeline.project.folder import Project

_TASK = re.compile(rb'"proposals": ?\[')


def names_of(project: Project) -> set[str]:
    """Return all names of images and files, in full and by their last part."""
    table = pq.read_table(project.images_path)
    names = {name for column in ("image_id", "path") for name in table.column(column).to_pylist()}
    return names | {PurePosixPath(name).name for name in names}


@pytest.mark.chromium_alone
@pytest.mark.every_place
def test_page_accessible_tree_and_messages_hold_no_name_and_tell_no_proposal_apart(make_toybox, sit_down) -> None:
    project = make_toybox()
    names = names_of(project)
    ada = sit_down(project)
    wire = Wire(ada.page)
    ada.reloads_the_page()
    ada.clicks_in_the_widget()
    for number in range(2, 5):
        ada.presses("ArrowRight")
        ada.sees(number)
    ada.presses("1")
    ada.is_told_saved()
    told = wire.everything()
    assert ada.task(1).image_id.encode() in told  # the messages of the widget are among those heard
    shown = ada.page.content() + ada.page.locator("body").aria_snapshot()
    assert f"Image {ada.number}" in shown
    assert [name for name in names if name in shown] == []
    assert [name for name in names if name.encode() in told] == []

    session = ada.session()
    tasks = {task.image_id: task for task in session.tasks(range(session.open().progress.n_tasks))}
    heard = list(wire.tasks())
    assert len({message["image_id"] for message in heard}) > 4
    for message in heard:
        assert_nothing_tells_proposals_apart(message, tasks[message["image_id"]])
    assert b"image_index" not in told
    assert b"original" not in b"".join(frame for frame in wire.frames if _TASK.search(frame))


@pytest.mark.chromium_alone
@pytest.mark.every_place
def test_an_image_that_is_an_example_of_its_class_comes_once_as_itself(make_own_images, sit_down) -> None:
    project = make_own_images(1, *(f"person{number}" for number in range(12)))
    ada = sit_down(project, "person0")
    assert ada.session().open().progress.n_tasks == 1
    wire = Wire(ada.page)
    ada.reloads_the_page()
    expect(ada.root.get_by_role("button", name="Examples of bowl")).to_be_enabled()
    own, looks = ada.task(1).image_id, Looks(project)
    ada.root.get_by_role("button", name="Examples of bowl").click(position={"x": 5, "y": 5})
    for number in range(1, 6):
        expect(ada.page.get_by_text(f"Example {number} of")).to_be_visible()
        ada.presses("ArrowRight")
    for _ in range(600):  # until enlarged examples are among what was heard
        known = [looks.named(picture) for picture in wire.pictures()]
        if len(set().union(*known)) > 1:
            break
        ada.page.wait_for_timeout(100)
    assert len(set().union(*known)) > 1
    assert sum(own in names for names in known) == 1
    n_known, beside_themselves = images_beside_themselves(wire, project)
    assert n_known > 5
    assert beside_themselves == []


def assert_nothing_tells_proposals_apart(message: dict[str, Any], task: Task) -> None:
    """Check that proposals differ in their class alone, and that an image's number is not its place in the manifest."""
    proposals = message["proposals"]
    assert [list(proposal) for proposal in proposals] == [["class_index", "score", "model", "view"]] * len(proposals)
    assert {(each["score"], each["model"], each["view"]) for each in proposals} == {(None, "", None)}
    assert message["image_number"] != task.image_index
