"""Usable by everyone: names and roles, light and dark, small windows, large letters."""

from __future__ import annotations

import pytest
from axe import complaints, set_theme
from person import Person
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def ada(make_toybox, sit_down_for_long) -> Person:
    person = sit_down_for_long(make_toybox(guidelines="Tick what you see.", regions="box", show_scores=True))
    person.clicks_in_the_widget()
    return person


@pytest.fixture(params=["Light", "Dark"])
def themed(request: pytest.FixtureRequest, ada: Person):
    ada.presses("Escape")  # whatever an earlier test may have left open
    set_theme(ada.page, request.param)
    yield ada
    ada.presses("Escape")
    set_theme(ada.page, "Light")


def test_axe_finds_nothing_serious_while_labelling(themed: Person) -> None:
    themed.clicks_in_the_widget()
    themed.jumps_to(2 if themed.number != 2 else 3)
    themed.presses("1", "Shift+2", "x")
    themed.is_told_saved()
    assert complaints(themed.page) == []
    themed.presses("n")
    assert complaints(themed.page) == []


@pytest.mark.parametrize("key", ["?", "g", "d", "s", "a"])
def test_axe_finds_nothing_serious_in_dialogs_and_with_all_labels(themed: Person, key: str) -> None:
    themed.clicks_in_the_widget()
    themed.presses(key)
    if key == "s":
        themed.page.keyboard.type("a")
        expect(themed.found().first).to_be_visible()
    elif key != "a":
        expect(themed.page.get_by_role("dialog")).to_be_visible()
    assert complaints(themed.page) == []
    themed.presses("a" if key == "a" else "Escape")


def test_every_control_has_a_name_and_saves_are_announced(ada: Person) -> None:
    controls = ada.root.locator("button, input, select, textarea")
    assert controls.count() > 20
    unnamed = ada.root.evaluate(
        """root => [...root.querySelectorAll("button, input, select, textarea")].filter((control) => {
            const labels = [...(control.labels ?? [])].map((label) => label.textContent).join("");
            return !(control.getAttribute("aria-label") || control.textContent || labels).trim();
        }).map((control) => control.outerHTML)"""
    )
    assert unnamed == []
    ada.clicks_in_the_widget()
    ada.presses("2")
    name = ada.project.label_space.names[ada.proposed(ada.number)[1]]
    expect(ada.root.locator("[role=status]", has_text=name)).to_have_count(1)
    expect(ada.root.locator("[role=status]", has_text="Saved")).to_be_visible()


def test_focus_is_visible_and_goes_through_every_part_by_tab(ada: Person) -> None:
    ada.clicks_in_the_widget()
    stops = set()
    for _ in range(60):
        ada.presses("Tab")
        stop = ada.page.evaluate(
            """() => {
                const element = document.activeElement;
                if (!element?.closest("[data-mlf]")) return null;
                const style = getComputedStyle(element);
                const isShown = style.outlineStyle !== "none" || style.boxShadow !== "none";
                const parent = getComputedStyle(element.parentElement);
                return [element.outerHTML.slice(0, 120), isShown || parent.outlineStyle !== "none"];
            }"""
        )
        if stop is None:
            break
        stops.add(tuple(stop))
    assert len(stops) > 20
    assert [html for html, is_shown in stops if not is_shown] == []


def overflow(ada: Person) -> dict[str, float]:
    return ada.root.evaluate(
        """root => {
            const outer = root.getBoundingClientRect();
            const parts = [...root.querySelectorAll("*")].filter((part) => part.offsetParent !== null);
            const right = Math.max(...parts.map((part) => {
                // What scrolls or is cut inside its own parent does not make the widget wider.
                for (let up = part.parentElement; up && up !== root; up = up.parentElement) {
                    if (getComputedStyle(up).overflowX !== "visible") return outer.left;
                }
                return part.getBoundingClientRect().right;
            }));
            return { scroll: root.scrollWidth - root.clientWidth, right: right - outer.right };
        }"""
    )


@pytest.mark.parametrize(("width", "height", "zoom"), [(1280, 720, 1), (1280, 720, 2), (640, 720, 1), (1920, 1080, 1)])
def test_nothing_is_cut_or_scrolled_sideways(ada: Person, width: int, height: int, zoom: int) -> None:
    """A browser zoom of 200% makes the window half as wide in the page's own pixels."""
    ada.page.set_viewport_size({"width": width // zoom, "height": height // zoom})
    try:
        ada.page.evaluate("() => window.jupyterapp?.shell.collapseLeft()")
        ada.clicks_in_the_widget()
        ada.presses("1")
        ada.sees_an_image()
        for _ in range(300):  # the page lays itself out anew, one part after the other
            beyond = overflow(ada)
            if beyond["scroll"] <= 0 and beyond["right"] <= 1:
                break
            ada.page.wait_for_timeout(100)
        assert beyond["scroll"] <= 0
        assert beyond["right"] <= 1
        for action in ("next", "previous", "undo", "redo", "none", "unsure", "search"):
            button = ada.root.locator(f'[data-mlf-action="{action}"]')
            button.scroll_into_view_if_needed()
            expect(button).to_be_in_viewport(ratio=0.99)
    finally:
        ada.page.set_viewport_size({"width": 1280, "height": 720})


def test_at_1280_by_720_image_labels_and_buttons_are_on_one_screen(ada: Person) -> None:
    ada.page.evaluate("() => window.jupyterapp?.shell.collapseLeft()")
    ada.root.scroll_into_view_if_needed()
    ada.clicks_in_the_widget()
    ada.sees_an_image()
    for part in (ada.root.locator('[data-mlf-action="next"]'), ada.root.locator(".mlf-picture canvas")):
        expect(part).to_be_in_viewport(ratio=0.95)
    boxes = ada.root.locator(".mlf-cards input[type=checkbox]")
    expect(boxes).to_have_count(5)
    for at in range(5):
        expect(boxes.nth(at)).to_be_in_viewport()
