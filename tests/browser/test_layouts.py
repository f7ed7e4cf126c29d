"""Keys mean what is printed on them: keyboards of four countries, in every browser that is there."""

from __future__ import annotations

import re

import pytest
from person import Person
from playwright.sync_api import expect

#: From layout to keys, by code, what they write and whether with Shift: label 16, label 2, unsure about label 3,
#: search.
PRINTED = {
    "us": [("KeyY", "y", False), ("Digit2", "2", False), ("Digit3", "#", True), ("Slash", "/", False)],
    "german": [("KeyZ", "y", False), ("Digit2", "2", False), ("Digit3", "§", True), ("Digit7", "/", True)],
    "french": [("KeyY", "y", False), ("Digit2", "é", False), ("Digit3", "3", True), ("Period", "/", True)],
    "russian": [("KeyY", "н", False), ("Digit2", "2", False), ("Digit3", "№", True), ("Backslash", "/", True)],
}
UNDO = {"us": ("KeyZ", "z"), "german": ("KeyY", "z"), "french": ("KeyW", "z"), "russian": ("KeyZ", "я")}
#: Signs that did what lies in their place on a US keyboard.
MEANS_NOTHING = {
    "us": [("Minus", "_", True)],
    "german": [("Slash", "_", True), ("Minus", "ß", False)],
    "french": [("Minus", ")", False), ("Slash", "!", False), ("Slash", "§", True)],
    "russian": [("Minus", "_", True), ("BracketLeft", "х", False)],
}


@pytest.fixture(scope="module")
def ada(make_toybox, sit_down_for_long) -> Person:
    return sit_down_for_long(make_toybox())


@pytest.mark.every_engine
@pytest.mark.parametrize("layout", PRINTED)
def test_keys_do_what_is_printed_on_them(ada: Person, layout: str) -> None:
    number = ada.looks_at_a_new_image()
    classes = ada.proposed(number)
    *votes, search = PRINTED[layout]
    for code, key, shift in votes:
        ada.presses_key(code, key, shift=shift)
    ada.is_told_saved()
    expected = {classes[15]: "yes", classes[1]: "yes", classes[2]: "unsure"}
    assert ada.state(number).votes == expected
    ada.presses_key(*UNDO[layout])
    ada.is_told_saved()
    del expected[classes[2]]
    assert ada.state(number).votes == expected
    for code, key, shift in MEANS_NOTHING[layout]:
        ada.presses_key(code, key, shift=shift)
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    assert ada.number == number
    code, key, shift = search
    ada.presses_key(code, key, shift=shift)
    expect(ada.page.get_by_role("dialog", name="Add a label")).to_be_visible()
    ada.presses("Escape")
    ada.is_told_saved()
    assert ada.state(number).votes == expected


@pytest.mark.every_engine
def test_the_number_pad_ticks_with_numlock_and_walks_without(ada: Person) -> None:
    number = ada.looks_at_a_new_image()
    ada.jumps_to(max(2, number))
    number = ada.number
    before = ada.state(number).votes
    ada.presses_key("Numpad4", "ArrowLeft")
    ada.sees(number - 1)
    ada.presses_key("Numpad6", "ArrowRight")
    ada.sees(number)
    ada.is_told_saved()
    assert ada.state(number).votes == before
    ada.presses_key("Numpad4", "4")
    ada.is_told_saved()
    assert ada.state(number).votes != before


@pytest.mark.every_engine
def test_hints_name_keys_that_work(ada: Person) -> None:
    """Where Shift with a digit may write `/`, another way to say unsure is told, and it works."""
    number = ada.looks_at_a_new_image()
    for _ in range(2):
        ada.presses_key("KeyZ", "y")  # a German keyboard, whatever the browser had told before
    ada.presses("ArrowUp", "ArrowUp", "ArrowUp")
    expect(ada.root.locator("button.mlf-card-unsure").nth(1)).to_have_attribute("title", re.compile(r"\(2 \.\)"))
    ada.presses_key("Digit2", "2")
    ada.presses_key("Period", ".")
    ada.is_told_saved()
    assert ada.state(number).votes == {ada.proposed(number)[1]: "unsure"}
