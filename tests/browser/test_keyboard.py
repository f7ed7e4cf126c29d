"""The keyboard belongs to the widget while it has the focus, and to the notebook otherwise."""

from __future__ import annotations

import os
import signal

import pytest
from person import Person
from playwright.sync_api import expect

ACTIVE_CELL = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
SOURCES = "() => window.jupyterapp.shell.currentWidget.model.toJSON().cells.map(c => c.source)"
N_CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
#: Leaves the page a fifth of its time, as a machine does that has other things to do.
BE_SLOW = "() => { setInterval(() => { const end = performance.now() + 80; while (performance.now() < end); }, 100); }"


@pytest.fixture(scope="module")
def ada(make_toybox, sit_down_for_long) -> Person:
    return sit_down_for_long(make_toybox())


@pytest.mark.notebook_alone
def test_no_key_of_the_widget_does_anything_to_the_notebook(ada: Person) -> None:
    """In JupyterLab's command mode these keys insert, cut, move, merge, run and retype cells."""
    cells = ada.page.evaluate(SOURCES)
    ada.clicks_in_the_widget()
    active = ada.page.evaluate(ACTIVE_CELL)
    for key in [*"1234567890qwertyuiopasdfghjklxcvbnm", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]:
        ada.presses(key)
        if ada.page.get_by_role("dialog").count() or key in "scjl":
            ada.presses("Escape")
            ada.clicks_in_the_widget()
    for key in ("Shift+Enter", "Control+Enter", "Enter", "Shift+M", "d", "d", "Escape", "Control+s", "Space"):
        ada.clicks_in_the_widget()
        ada.presses(key)
        if ada.page.get_by_role("dialog").count():
            ada.presses("Escape")
    after = ada.page.evaluate(SOURCES)
    assert after == cells
    ada.clicks_in_the_widget()
    assert ada.page.evaluate(ACTIVE_CELL) == active
    ada.sees_an_image()


@pytest.mark.every_engine
@pytest.mark.notebook_alone
def test_esc_lets_go_of_the_keyboard_and_no_letter_reaches_a_cell(ada: Person) -> None:
    number = ada.looks_at_a_new_image()
    n_cells = ada.page.evaluate(N_CELLS)
    sources = ada.page.evaluate(SOURCES)
    ada.presses("Escape")
    expect(ada.root).not_to_be_focused()
    assert not ada.root.evaluate("root => root.contains(document.activeElement)")
    # In command mode these cut, delete, insert, copy, merge, retype and move cells.
    ada.presses(*"xddabcvmyr123nz", "ArrowRight", "ArrowDown", "Enter", "Shift+M", "0", "0")
    expect(ada.root).to_be_visible()
    assert ada.page.evaluate(N_CELLS) == n_cells
    assert ada.page.evaluate(SOURCES) == sources
    assert ada.number == number
    assert ada.events(number) == []
    ada.clicks_in_the_widget()
    ada.presses("1")
    ada.is_told_saved()
    assert len(ada.state(number).votes) == 1


@pytest.mark.notebook_alone
def test_esc_twice_gives_the_keyboard_to_the_notebook_and_a_click_takes_it_again(ada: Person) -> None:
    number = ada.looks_at_a_new_image()
    n_cells = ada.page.evaluate(N_CELLS)
    ada.presses("Escape", "Escape")
    ada.presses("b")  # the notebook's own key: adds a cell below
    ada.page.wait_for_function(f"({N_CELLS})() === {n_cells + 1}")
    ada.page.evaluate("() => window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    ada.clicks_in_the_widget()
    ada.presses("1")
    ada.is_told_saved()
    assert len(ada.state(number).votes) == 1


@pytest.mark.every_engine
def test_what_is_typed_into_a_field_is_text(ada: Person) -> None:
    number = ada.looks_at_a_new_image()
    ada.presses("c")
    ada.page.keyboard.type("123 qwerty nnn zz ?")
    ada.presses("ArrowLeft", "ArrowRight", "Home", "End")
    expect(ada.root.get_by_label("Comment on this image")).to_have_value("123 qwerty nnn zz ?")
    ada.presses("Escape")
    expect(ada.root).to_be_focused()
    ada.is_told_saved()
    state = ada.state(number)
    assert (state.comment, state.votes, state.none) == ("123 qwerty nnn zz ?", {}, False)
    assert ada.number == number


@pytest.mark.notebook_alone
def test_keys_pressed_in_another_cell_do_not_reach_the_widget(ada: Person) -> None:
    number = ada.looks_at_a_new_image()
    editor = ada.page.locator(".jp-CodeCell .cm-content").first
    editor.click()
    ada.page.keyboard.type("# 123 n x")
    expect(editor).to_contain_text("# 123 n x")
    assert ada.number == number
    assert ada.events(number) == []
    for _ in range(len("# 123 n x")):
        ada.presses("Backspace")


def test_a_held_key_goes_on_smoothly_and_never_shows_one_images_labels_beside_another(ada: Person) -> None:
    ada.clicks_in_the_widget()
    ada.jumps_to(1)
    proposed = {ada.task(number).image_id: ada.proposed(number) for number in range(1, 41)}
    ada.root.evaluate(
        """root => {
            window.mlfSeen = [];
            const look = () => {
                if (root.dataset.ready === "true") {
                    const boxes = [...root.querySelectorAll(".mlf-cards input[data-class-id]")];
                    const classes = boxes.map((box) => Number(box.dataset.classId));
                    window.mlfSeen.push([root.dataset.imageId, classes]);
                }
                window.mlfFrame = requestAnimationFrame(look);
            };
            look();
        }"""
    )
    ada.page.keyboard.down("ArrowRight")
    while (number := ada.number) < 40:
        if number % 4 == 0:
            # A busy machine may paint nothing between two repeats: some images are waited for.
            image_id = ada.task(number).image_id
            ada.page.wait_for_function("id => window.mlfSeen.some(([seen]) => seen === id)", arg=image_id)
        ada.page.keyboard.down("ArrowRight")  # repeats, as a held key does
    ada.page.keyboard.up("ArrowRight")
    ada.sees(40)
    seen = ada.page.evaluate("() => { cancelAnimationFrame(window.mlfFrame); return window.mlfSeen; }")
    assert {image_id for image_id, _ in seen} <= set(proposed)
    assert len({image_id for image_id, _ in seen}) > 5
    for image_id, classes in seen:
        assert classes == proposed[image_id][: len(classes)]


@pytest.mark.every_engine
def test_a_number_typed_at_once_is_where_one_arrives_however_slow_the_machine(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox())  # a page on which no digit has been pressed yet
    ada.clicks_in_the_widget()
    ada.page.evaluate(BE_SLOW)
    for number in (23, 14, 7, 38, 29, 10, 5, 16):
        ada.presses("ArrowRight", "j", *str(number), "Enter")  # pictures and labels of the way there are still arriving
        assert ada.number == number
    ada.sees(16)
    assert ada.events() == []


@pytest.mark.every_engine
@pytest.mark.notebook_alone
def test_what_is_typed_stays_with_its_image_where_a_slow_kernel_answers_late(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox())
    ada.root.get_by_label("Which images to walk through").select_option("not_done")
    ada.clicks_in_the_widget()
    kernel = ada.lab.kernel_pid(ada.notebook)
    os.kill(kernel, signal.SIGSTOP)
    try:
        ada.presses("1", "ArrowRight", "c")  # which image comes next, the kernel knows
        ada.page.keyboard.type("two ")
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect(ada.root.locator(".mlf-said-words")).to_contain_text("Still at the image")
    ada.page.keyboard.type("bowls")
    ada.presses("Enter")
    ada.is_told_saved()
    assert ada.number == 1
    assert (ada.state(1).comment, len(ada.state(1).votes)) == ("two bowls", 1)
    assert {event.image_index for event in ada.events()} == {ada.task(1).image_index}


def test_an_overridden_key_does_what_the_project_says(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox(keys={"next": "m"}))
    ada.clicks_in_the_widget()
    ada.presses("m")
    ada.sees(2)
    expect(ada.root.locator('[data-mlf-action="next"] kbd')).to_have_text("m")
