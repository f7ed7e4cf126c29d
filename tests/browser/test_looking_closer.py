"""Classes that are easily taken for each other beside each other, and the parts of the image where models saw them."""

from __future__ import annotations

import numpy as np
import pytest
from axe import complaints
from person import Person
from playwright.sync_api import expect

from pipeline.proposals.reader import ProposalReader
from pipeline.proposals.writer import proposal_groups, write_proposals
from pipeline.stages.class_pairs import keep_class_pairs
from pipeline.store import open_project_store
from pipeline.votes.words import Round

UPPER_LEFT, WHOLE, LOWER_RIGHT = 1, 0, 4


@pytest.fixture(scope="module")
def ada(make_toybox, sit_down_for_long) -> Person:
    """Return Ada; models looked five times, and guidelines pair the first and the ninth label of her first image."""
    project = make_toybox()
    reader = ProposalReader(project.proposals_path)
    found = reader.as_arrays()
    views = np.resize([UPPER_LEFT, WHOLE, LOWER_RIGHT], found.class_index.shape).astype(np.int8)
    columns = [found.class_index, found.score, found.model, views]
    write_proposals(project, proposal_groups(columns), found.models, reader.settings)
    with open_project_store(project) as store:
        (first,) = store.tasks(Round.ANNOTATION, "ada", [0])
    one, other = (project.label_space[int(c)] for c in found.class_index[first.image_index][[0, 8]])
    (project.root / "guidelines.md").write_text(f"## Classes\n\n- {one.key} / {other.key}: they differ in the handle\n")
    keep_class_pairs(project)
    person = sit_down_for_long(project)
    person.clicks_in_the_widget()
    return person


def test_a_pair_stands_together_with_the_line_that_tells_them_apart(ada: Person) -> None:
    ada.sees_an_image()
    ranked = ProposalReader(ada.project.proposals_path).as_arrays().class_index[ada.task(1).image_index].tolist()
    cards = ada.root.locator(".mlf-card")
    assert ada.shown_classes() == [ranked[0], ranked[8], *ranked[1:4]]
    for at in (0, 1):
        expect(cards.nth(at)).to_contain_text("they differ in the handle")
    expect(cards.nth(2)).not_to_contain_text("they differ")
    ada.presses("2")
    expect(ada.box(ranked[8])).to_be_checked()
    ada.is_told_saved()
    (event,) = ada.events(1)
    assert (event.payload, event.order) == ({"class_index": ranked[8], "vote": "yes"}, "score pairs:1/5")
    ada.reloads_the_page()
    ada.clicks_in_the_widget()
    ada.sees_an_image()
    assert ada.shown_classes()[:2] == [ranked[0], ranked[8]]


def test_where_models_saw_the_labels_is_framed_on_demand_and_noted(ada: Person) -> None:
    ada.jumps_to(2)
    ada.sees(2)
    canvas = ada.root.locator(".mlf-picture canvas")
    button = ada.root.locator("[data-mlf-action=frames]")
    expect(button).to_have_attribute("aria-pressed", "false")
    plain = canvas.evaluate("canvas => canvas.toDataURL()")
    ada.presses(",")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(ada.root.locator(".mlf-said-words")).to_have_text(
        "Models saw best 1, 4: upper left; 2, 5: whole image; 3: lower right"
    )
    ada.page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before", arg=[canvas.element_handle(), plain]
    )
    assert complaints(ada.page) == []
    ada.presses("+", ",")
    expect(button).to_have_attribute("aria-pressed", "false")
    ada.presses("v")
    ada.page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() === before", arg=[canvas.element_handle(), plain]
    )
    ada.is_told_saved()
    assert [event.kind for event in ada.events(2)] == ["frames"]
    assert ada.state(2).saw_frames
    assert not ada.state(2).is_decided
    ada.presses("w")  # the key of the twelfth label, which is there
    ada.is_told_saved()
    assert ada.state(2).label_set == (ada.proposed(2)[11],)
    ada.presses("?")
    expect(ada.root.locator("dialog")).to_contain_text("where models saw the labels best")
    ada.presses("Escape")
