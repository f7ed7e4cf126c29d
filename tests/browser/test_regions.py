"""Marking where a label is, with `ipyannotations` below the widget."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect


@pytest.mark.notebook_alone
def test_a_box_is_drawn_kept_seen_and_taken_back(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox(regions="box"))
    label = ada.proposed(1)[0]
    name = ada.project.label_space.names[label]
    ada.clicks_in_the_widget()
    ada.presses("1")
    ada.root.get_by_role("button", name=f"Mark where {name} is", exact=True).click()
    expect(ada.page.get_by_text(re.compile(f"Mark where {re.escape(name)} is on"))).to_be_visible()
    assert (
        ada.page.locator(
            ".jupyter-widgets.jupyter-widgets-error-view, .jp-RenderedText[data-mime-type*=stderr]"
        ).count()
        == 0
    )
    canvas = ada.page.locator(".lm-Widget canvas:not([data-mlf] canvas)").last
    canvas.hover()  # which waits until it has come to rest
    box = canvas.bounding_box()
    assert box is not None
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    ada.page.mouse.move(left, top)
    ada.page.mouse.down()
    ada.page.mouse.move(left + 30, top + 20, steps=4)
    ada.page.mouse.move(left + 60, top + 40, steps=4)
    ada.page.mouse.up()
    picture = ada.root.locator(".mlf-picture canvas").element_handle()
    unmarked = picture.evaluate("canvas => canvas.toDataURL()")
    ada.page.get_by_role("button", name="Keep marks").click()
    expect(ada.page.get_by_text(re.compile("Mark where .* is on"))).to_have_count(0)
    ada.page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[picture, unmarked])
    regions = ada.state(1).regions
    assert list(regions) == [label]
    (marked,) = regions[label]
    assert marked["kind"] == "box"
    assert 0.4 < marked["x"] < 0.6
    assert marked["width"] > 0.02
    ada.clicks_in_the_widget()
    ada.presses("z")
    expect(ada.root.locator("[role=status]", has_text="Undone")).to_have_count(1)
    ada.is_told_saved()
    assert ada.state(1).regions == {}
    assert ada.state(1).votes == {label: "yes"}


def test_a_project_without_regions_has_no_button_for_them(make_toybox, sit_down) -> None:
    ada = sit_down(make_toybox())
    assert ada.root.get_by_role("button", name=re.compile("^Mark where")).count() == 0
