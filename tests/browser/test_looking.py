"""Looking closer: zoom, full resolution, examples, definitions, keys, guidelines, missing images."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from person import Person
from PIL import Image
from playwright.sync_api import Locator, expect

from pipeline.project.folder import open_project

NASTY_NAME = "<img src=x onerror=window.mlfHacked=1>"


@pytest.fixture(scope="module")
def ada(make_toybox, sit_down_for_long) -> Person:
    """Return Ada; pictures first come at 64 pixels, so that the full resolution is sharper."""
    project = make_toybox(display_px=64, guidelines="Tick <b>what</b> you see.\nNothing else.")
    (project.root / "guidelines.md").write_text(
        "## Stripes\n\n![A stripe](stripe.png) ![far](https://images.example/a.png) [yes](https://example.org)"
        " [no](javascript:mlfHit=1)\n\n<script>mlfHit=1</script><img src=x onerror=mlfHit=1>\n"
    )
    Image.new("RGB", (40, 30), "red").save(project.root / "stripe.png")
    person = sit_down_for_long(project)
    person.clicks_in_the_widget()
    return person


def percent(ada: Person) -> int:
    return int((ada.root.locator(".mlf-zoom-percent").text_content() or "").rstrip("%"))


def pixels(canvas: Locator) -> str:
    return canvas.evaluate("canvas => canvas.toDataURL()")


def waits_for_other_pixels(canvas: Locator, before: str) -> str:
    handle = canvas.element_handle()
    canvas.page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[handle, before])
    return pixels(canvas)


def test_the_image_is_zoomed_moved_and_fitted_by_key_and_by_mouse(ada: Person) -> None:
    canvas = ada.root.locator(".mlf-picture canvas")
    ada.sees_an_image()
    number, fitted, at_first = ada.number, percent(ada), pixels(canvas)
    ada.presses("+", "+", "+")
    zoomed = waits_for_other_pixels(canvas, at_first)
    expect(ada.root.locator(".mlf-zoom-percent")).not_to_have_text(f"{fitted}%")
    assert percent(ada) > fitted
    ada.presses("Shift+ArrowLeft")
    panned = waits_for_other_pixels(canvas, zoomed)
    box = canvas.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    ada.page.mouse.move(*middle)
    ada.page.mouse.down()
    ada.page.mouse.move(middle[0] - 60, middle[1] - 20, steps=3)
    ada.page.mouse.up()
    waits_for_other_pixels(canvas, panned)
    before = percent(ada)
    ada.page.mouse.wheel(0, -200)
    expect(ada.root.locator(".mlf-zoom-percent")).not_to_have_text(f"{before}%")
    ada.presses("v")
    expect(ada.root.locator(".mlf-zoom-percent")).to_have_text(f"{fitted}%")
    assert ada.number == number


def test_the_full_resolution_comes_on_demand(ada: Person) -> None:
    canvas = ada.root.locator(".mlf-picture canvas")
    ada.jumps_to(2)
    button = ada.root.get_by_role("button", name="1:1")
    expect(button).to_have_attribute("aria-pressed", "false")
    coarse = pixels(canvas)
    ada.presses("b")
    expect(button).to_have_attribute("aria-pressed", "true")
    waits_for_other_pixels(canvas, coarse)
    ada.presses("ArrowRight")
    ada.sees(3)
    expect(button).to_have_attribute("aria-pressed", "false")


def test_an_example_is_enlarged_beside_the_image_with_name_and_definition(ada: Person) -> None:
    ada.jumps_to(4)
    info = ada.project.label_space[ada.proposed(4)[0]]
    strip = ada.root.get_by_role("button", name=f"Examples of {info.name}: enlarge", exact=True)
    strip.click(position={"x": 10, "y": 10})
    dialog = ada.page.get_by_role("dialog", name=info.name, exact=True)
    expect(dialog.get_by_text(info.definition)).to_be_visible()
    expect(dialog.get_by_text("Example 1 of 4")).to_be_visible()
    enlarged = dialog.get_by_role("img", name=f"Example 1 of {info.name}")
    values = "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
    for picture in (enlarged, dialog.get_by_role("img", name=re.compile("^Image "))):
        ada.page.wait_for_function(f"canvas => {values}.some((value) => value !== 0)", arg=picture.element_handle())
    ada.presses("ArrowRight")
    expect(dialog.get_by_text("Example 2 of 4")).to_be_visible()
    other = ada.project.label_space[ada.proposed(4)[1]]
    ada.presses("ArrowDown")
    dialog = ada.page.get_by_role("dialog", name=other.name, exact=True)
    expect(dialog.get_by_text(other.definition)).to_be_visible()
    ada.presses("2")
    expect(dialog.get_by_role("checkbox")).to_be_checked()
    ada.presses("Escape")
    expect(dialog).to_have_count(0)
    ada.is_told_saved()
    assert ada.state(4).votes == {other.index: "yes"}


def test_comparing_opens_by_key_and_closes_by_the_same(ada: Person) -> None:
    ada.presses("d")
    expect(ada.page.get_by_role("dialog")).to_be_visible()
    ada.presses("d")
    expect(ada.page.get_by_role("dialog")).to_have_count(0)


def test_help_shows_every_key_and_keeps_the_keyboard_until_it_is_closed(ada: Person) -> None:
    # A decided image that was looked at for a second leaves a record when the person moves on; a new image leaves none.
    number = ada.looks_at_a_new_image()
    ada.is_told_saved()
    n_events = len(ada.events())
    ada.presses("?")
    dialog = ada.page.get_by_role("dialog", name="Keys")
    for words in ("next image", "none of these", "undo", "add another label", "give the keyboard back"):
        expect(dialog.get_by_text(words, exact=False).first).to_be_visible()
    ada.presses("1", "n", "ArrowRight", "Tab", "Tab", "Tab")
    assert dialog.evaluate("dialog => dialog.contains(document.activeElement)")
    ada.presses("Escape")
    expect(dialog).to_have_count(0)
    assert ada.number == number
    ada.presses("ArrowRight")  # the keys belong to the widget again
    ada.sees(number + 1)
    ada.is_told_saved()  # a key that had leaked would be in the store now
    assert len(ada.events()) == n_events


def test_guidelines_show_markdown_and_their_own_pictures_and_run_or_fetch_nothing(ada: Person) -> None:
    asked = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.presses("g")
    dialog = ada.page.get_by_role("dialog", name="Guidelines")
    expect(dialog).to_contain_text("Tick <b>what</b> you see.")
    assert dialog.locator("b, script").count() == 0
    expect(dialog.get_by_role("heading", name="Stripes")).to_be_visible()
    expect(dialog.get_by_role("img", name="A stripe")).to_have_js_property("naturalWidth", 40)
    expect(dialog).to_contain_text("[far: lies elsewhere and is not shown]")
    assert dialog.locator("img").count() == 1
    assert dialog.get_by_role("link").evaluate_all("links => links.map((l) => l.href)") == ["https://example.org/"]
    assert [url for url in asked if "images.example" in url or "example.org" in url] == []
    assert ada.page.evaluate("() => window.mlfHit") is None
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


@pytest.fixture(scope="module")
def odd(make_toybox, sit_down_for_long, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Return Ada at a project with nasty names, an image that cannot be read and one that is missing."""
    from pipeline.project.label_space import load_label_space

    project = make_toybox()
    images = tmp_path_factory.mktemp("odd") / "images"
    shutil.copytree(project.images_root, images)
    path = project.classes_path
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    for column in ("name", "definition"):
        at = table.schema.get_field_index(column)
        values = pa.array([NASTY_NAME] * table.num_rows, type=table.schema.field(column).type)
        table = table.set_column(at, table.schema.field(column), values)
    pq.write_table(table, path)
    assert load_label_space(path)[0].name == NASTY_NAME
    settings = project.settings.with_changes("project", images_root=str(images))
    from pipeline.project.settings import write_settings

    write_settings(settings, project.root / "mlf.toml")
    project = open_project(project.root)
    person = sit_down_for_long(project)
    person.page.add_init_script("delete window.mlfHacked")
    return person


def image_path(person: Person, number: int) -> Path:
    return Path(person.session()._tables.location(person.task(number).image_index))


def test_class_names_comments_and_definitions_are_inert(odd: Person) -> None:
    odd.clicks_in_the_widget()
    expect(odd.root.get_by_text(NASTY_NAME).first).to_be_visible()
    odd.presses("1", "c")
    odd.page.keyboard.type(NASTY_NAME)
    odd.presses("Enter", "d")
    expect(odd.page.get_by_role("dialog")).to_contain_text(NASTY_NAME)
    odd.presses("Escape", "s")
    odd.page.keyboard.type("img")
    expect(odd.found().first).to_contain_text(NASTY_NAME)
    odd.presses("Escape", "?")
    odd.presses("Escape")
    odd.is_told_saved()
    assert odd.state(1).comment == NASTY_NAME
    assert odd.root.locator("img").count() == 0
    assert odd.page.evaluate("() => window.mlfHacked") is None


def test_an_image_that_is_away_or_broken_says_so_and_can_still_be_judged(odd: Person) -> None:
    away, broken = 20, 30  # far ahead: not fetched yet
    image_path(odd, away).unlink()
    image_path(odd, broken).write_bytes(b"no image at all")
    odd.clicks_in_the_widget()
    for number in (away, broken):
        odd.jumps_to(number)
        expect(odd.root.get_by_text("This image cannot be shown")).to_be_visible()
        odd.presses("x")
        odd.is_told_saved()
        assert odd.state(number).unsure
    odd.presses("ArrowRight")
    odd.sees(broken + 1)
    expect(odd.root.get_by_text("This image cannot be shown")).to_have_count(0)


def test_images_without_a_file_show_a_plain_placeholder(make_toybox, sit_down) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    project = make_toybox()
    table = pq.read_table(project.images_path)
    at = table.schema.get_field_index("path")
    nothing = pa.nulls(table.num_rows, type=table.schema.field("path").type)
    pq.write_table(table.set_column(at, table.schema.field("path"), nothing), project.images_path)
    ada = sit_down(project)
    expect(ada.root.get_by_text("This project has no file for this image.")).to_be_visible()
    expect(ada.root.get_by_text(ada.task(1).image_id)).to_be_visible()
    ada.clicks_in_the_widget()
    ada.presses("1", "ArrowRight")
    ada.sees(2)
    ada.is_told_saved()
    assert ada.state(1).is_decided
