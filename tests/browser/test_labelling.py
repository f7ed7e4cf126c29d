"""Labelling as a person does it, by keyboard and by mouse, and what reaches the store."""

from __future__ import annotations

import re

import pytest
from person import LABEL_KEYS, Person
from playwright.sync_api import expect

from pipeline.annotation.session import TaskFilter


@pytest.fixture(scope="module")
def seat(make_toybox, sit_down_for_long) -> Person:
    return sit_down_for_long(make_toybox())


@pytest.fixture
def ada(seat: Person) -> Person:
    """Return Ada, looking at an image that nothing has been done on."""
    seat.looks_at_a_new_image()
    return seat


@pytest.mark.every_engine
@pytest.mark.every_place
def test_every_label_has_a_key_of_its_own_without_paging(ada: Person) -> None:
    number, classes = ada.number, ada.proposed(ada.number)
    assert len(classes) == 20
    ada.presses(*LABEL_KEYS)
    expect(ada.box(classes[19])).to_be_checked()
    ada.is_told_saved()
    assert ada.state(number).votes == dict.fromkeys(classes, "yes")
    ada.presses(*reversed(LABEL_KEYS))
    expect(ada.box(classes[0])).not_to_be_checked()
    ada.is_told_saved()
    assert ada.state(number).votes == {}


def test_only_what_was_on_the_screen_counts_as_shown(ada: Person) -> None:
    number, classes = ada.number, ada.proposed(ada.number)
    assert ada.shown_classes() == classes[:5]
    ada.has_looked()
    ada.presses("2")
    ada.is_told_saved()
    assert ada.state(number).shown == tuple(sorted(classes[:5]))
    assert set(ada.state(number).exposed_votes()) == set(classes[:5])
    ada.presses("ArrowDown")
    expect(ada.box(classes[5])).to_be_visible()
    ada.sees_an_image()
    ada.has_looked()
    ada.presses("ArrowRight")  # leaving records that more was seen
    ada.sees(number + 1)
    ada.is_told_saved()
    assert ada.state(number).shown == tuple(sorted(classes[:10]))
    assert ada.state(number).exposed_votes()[classes[1]] == "yes"


def test_all_labels_at_once_can_be_scrolled_and_count_as_shown_when_they_were_seen(ada: Person) -> None:
    number, classes = ada.number, ada.proposed(ada.number)
    ada.presses("a")
    expect(ada.root.get_by_text("All 20 labels")).to_be_visible()
    assert ada.shown_classes() == classes
    ada.sees_an_image()
    ada.has_looked()
    ada.presses("1")
    ada.is_told_saved()
    seen = set(ada.state(number).shown)
    assert set(classes[:3]) <= seen < set(classes)
    ada.box(classes[19]).scroll_into_view_if_needed()
    ada.box(classes[19]).click()
    ada.is_told_saved()
    assert classes[19] in ada.state(number).shown
    ada.presses("a")
    expect(ada.root.get_by_text("Labels 1–5 of 20")).to_be_visible()


def test_passing_by_records_nothing_and_none_of_these_is_a_decision(ada: Person) -> None:
    number = ada.number
    n_events = len(ada.events())
    for _ in range(3):
        ada.presses("ArrowRight", "ArrowLeft")
    ada.sees(number)
    ada.is_told_saved()
    assert len(ada.events()) == n_events
    n_done = ada.session().open().progress.n_done
    ada.does("none")
    expect(ada.root.locator('[data-mlf-action="none"]')).to_have_attribute("aria-pressed", "true")
    ada.is_told_saved()
    assert ada.state(number).none
    assert ada.session().open().progress.n_done == n_done + 1
    expect(ada.root.get_by_text(f"{n_done + 1} done")).to_be_visible()


def test_a_tick_takes_none_of_these_back_and_none_clears_the_ticks(ada: Person) -> None:
    number, classes = ada.number, ada.proposed(ada.number)
    ada.presses("n", "1")
    expect(ada.root.locator('[data-mlf-action="none"]')).to_have_attribute("aria-pressed", "false")
    ada.presses("n")
    expect(ada.box(classes[0])).not_to_be_checked()
    ada.is_told_saved()
    assert (ada.state(number).votes, ada.state(number).none) == ({}, True)


@pytest.mark.every_engine
@pytest.mark.every_place
def test_labels_are_ticked_with_the_mouse_on_checkbox_and_name(ada: Person) -> None:
    number, classes = ada.number, ada.proposed(ada.number)
    names = ada.project.label_space.names
    ada.box(classes[1]).check()
    ada.root.locator(".mlf-cards").get_by_text(names[classes[3]], exact=True).click()
    ada.box(classes[1]).uncheck()
    ada.is_told_saved()
    assert ada.state(number).votes == {classes[3]: "yes"}


def test_unsure_about_a_label_and_about_the_image(ada: Person) -> None:
    number, classes = ada.number, ada.proposed(ada.number)
    name = ada.project.label_space.names[classes[1]]
    ada.presses("Shift+1")
    ada.root.get_by_role("button", name=f"Unsure about {name}", exact=True).click()
    expect(ada.box(classes[1])).to_have_js_property("indeterminate", True)
    ada.presses("x")
    expect(ada.root.locator('[data-mlf-action="unsure"]')).to_have_attribute("aria-pressed", "true")
    ada.is_told_saved()
    state = ada.state(number)
    assert state.votes == {classes[0]: "unsure", classes[1]: "unsure"}
    assert state.unsure
    ada.presses("x", "2")
    ada.is_told_saved()
    assert not ada.state(number).unsure
    assert ada.state(number).votes[classes[1]] == "yes"


@pytest.mark.parametrize("by", ["name", "synonym", "definition"])
def test_a_label_that_was_not_proposed_is_found_and_added(ada: Person, by: str) -> None:
    number, proposed = ada.number, set(ada.proposed(ada.number))
    space = ada.project.label_space
    info = next(c for c in space if c.index not in proposed and c.synonyms and c.definition)
    words = {"name": info.name, "synonym": info.synonyms[0], "definition": info.definition}[by]
    ada.presses("s")
    field = ada.page.get_by_role("combobox", name="Find a class")
    expect(field).to_be_focused()
    ada.page.keyboard.type(words)
    expect(ada.found().first).to_contain_text(info.name)
    ada.presses("Enter")
    expect(field).to_have_count(0)
    expect(ada.root.get_by_role("group", name="Labels given").get_by_text(info.name)).to_be_visible()
    ada.is_told_saved()
    assert ada.state(number).votes == {info.index: "yes"}
    assert info.index in ada.state(number).shown
    ada.box(info.index).click()
    expect(ada.root.get_by_text(f"{info.name}: cleared")).to_have_count(2)  # on the screen, and for a screen reader
    ada.is_told_saved()
    assert ada.state(number).votes == {}


@pytest.mark.every_engine
@pytest.mark.every_place
def test_undo_goes_back_to_where_it_was_and_redo_comes_again(ada: Person) -> None:
    number, classes = ada.number, ada.proposed(ada.number)
    ada.presses("5", "ArrowRight")
    ada.sees(number + 1)
    ada.does("undo")
    ada.sees(number)
    expect(ada.box(classes[4])).not_to_be_checked()
    ada.does("redo")
    expect(ada.box(classes[4])).to_be_checked()
    ada.presses("Control+z", "Control+Shift+Z")
    expect(ada.box(classes[4])).to_be_checked()
    ada.is_told_saved()
    assert [event.kind for event in ada.events(number) if event.kind != "view"] == ["vote", *["undo", "redo"] * 2]
    assert ada.state(number).votes == {classes[4]: "yes"}


def test_a_filter_walks_through_some_images_and_first_not_done_finds_the_gap(ada: Person) -> None:
    number = ada.number
    ada.presses("c")
    ada.page.keyboard.type("look again")
    ada.presses("Enter")
    ada.is_told_saved()
    which = ada.root.get_by_label("Which images to walk through")
    which.select_option("commented")
    ada.sees(number)
    ada.clicks_in_the_widget()
    ada.presses("ArrowRight")
    expect(ada.root.get_by_text("No such image after this one").first).to_be_visible()
    which.select_option("all")
    ada.clicks_in_the_widget()
    ada.presses("ArrowRight")
    ada.sees(number + 1)
    ada.presses("f")
    states = (ada.state(n).is_decided for n in range(1, 41))
    ada.sees(1 + list(states).index(False))


def test_a_jump_takes_a_number_and_stays_within_the_images(ada: Person) -> None:
    ada.jumps_to(17)
    ada.presses("j")
    ada.page.keyboard.type("9999")
    ada.presses("Enter")
    ada.sees(40)
    ada.presses("ArrowRight")  # from the last to the first that is not done
    first = ada.session().find(TaskFilter.NOT_DONE, 0, 1)
    ada.sees(first + 1)
    expect(ada.root.locator(".mlf-said-words")).to_contain_text("are not done, this is the first")
    ada.presses("ArrowLeft", "j")
    ada.page.keyboard.type("40")
    ada.presses("Enter")
    ada.sees(40)
    ada.presses("j")
    ada.page.keyboard.type("abc")
    ada.presses("Enter")
    ada.sees(40)


def test_a_comment_is_kept_by_going_on_and_by_waiting(ada: Person) -> None:
    number = ada.number
    box = ada.root.get_by_label("Comment on this image")
    box.fill("first thought")
    ada.is_told_saved()
    expect(ada.root).to_have_attribute("data-saved", "saved")
    ada.does("next")
    ada.sees(number + 1)
    expect(box).to_have_value("")
    ada.is_told_saved()
    assert ada.state(number).comment == "first thought"
    assert not ada.state(number).is_decided
    assert ada.state(number + 1).comment == ""


def test_active_time_is_stored_with_the_vote(ada: Person) -> None:
    number = ada.number
    ada.root.locator(".mlf-picture").hover()
    ada.presses("1")
    ada.is_told_saved()
    assert 0 < ada.state(number).active_ms < 60_000


def test_the_order_of_proposals_and_scores_follow_the_project(make_toybox, sit_down) -> None:
    plain, changed = make_toybox(), make_toybox(order="shuffled", order_seed=3, show_scores=True, page_size=0)
    ada = sit_down(changed)
    by_score = [p.class_index for p in plain_task(plain, ada)]
    shown = ada.shown_classes()
    assert sorted(shown) == sorted(by_score)
    assert shown != by_score
    expect(ada.root.locator(".mlf-card-score")).to_have_count(20)
    ada.clicks_in_the_widget()
    ada.presses("1")
    ada.is_told_saved()
    assert ada.state(1).votes == {shown[0]: "yes"}
    assert ada.events(1)[0].order == "shuffled:3+scores"


def plain_task(plain, ada: Person):
    image_index = ada.task(1).image_index  # ids are opaque, and differ from project to project
    session = type(ada.session())(plain, "ada")
    return next(task.proposals for task in session.tasks(range(40)) if task.image_index == image_index)


def test_scores_are_hidden_unless_the_project_shows_them(ada: Person) -> None:
    expect(ada.root.locator(".mlf-card-score")).to_have_count(0)
    assert not re.search(r"0\.\d\d", ada.root.locator(".mlf-cards").inner_text())
