"""The same widget in Notebook 7 and in Voilà."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.notebook_alone


@pytest.mark.parametrize("where", ["notebook", "voila"])
def test_a_label_is_ticked_by_key_and_found_again(make_toybox, sit_down, where: str) -> None:
    ada = sit_down(make_toybox(), where=where)
    classes = ada.proposed(1)
    ada.clicks_in_the_widget()
    ada.presses("2", "ArrowRight")
    ada.sees(2)
    ada.presses("n")
    ada.is_told_saved()
    assert ada.state(1).votes == {classes[1]: "yes"}
    assert ada.state(1).shown == tuple(sorted(classes[:5]))
    assert ada.state(2).none
    ada.presses("ArrowLeft")
    ada.sees(1)
    expect(ada.box(classes[1])).to_be_checked()
    ada.open(where)
    ada.sees(1)
    expect(ada.box(classes[1])).to_be_checked()


def test_voila_shows_no_code_and_fills_the_window(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox(), where="voila")
    assert ada.page.locator(".jp-InputArea-editor, .cm-editor").count() == 0
    expect(ada.root.locator('[data-mlf-action="next"]')).to_be_in_viewport(ratio=0.99)
    ada.clicks_in_the_widget()
    ada.presses("?")
    expect(ada.page.get_by_role("dialog", name="Keys")).to_be_visible()
    ada.presses("Escape")
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
