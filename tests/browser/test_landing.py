"""Where `mlf annotate` and the demo lead: to the live widget, in the whole window, at every size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from pipeline.runs.jupyterlab import Laboratory, annotation_notebook, running_laboratory

pytestmark = pytest.mark.chromium_alone
#: Voilà sends a page once a kernel has started and run the notebook.
PATIENCE_MS = 120_000
#: Name to width, height and whether there are only fingers.
SIZES = {
    "small phone": (320, 568, True),
    "phone": (390, 844, True),
    "phone on its side": (844, 390, True),
    "tablet, upright": (820, 1180, True),
    "laptop": (1280, 720, False),
    "laptop at 200%": (640, 360, False),
    "desktop": (1920, 1080, False),
    "4K": (3840, 2160, False),
}
#: What can be pressed and is smaller than a fingertip.
SMALL = """root => [...root.querySelectorAll("button, select, input:not([type=checkbox]), textarea, label:has(input)")]
    .map((part) => [part.outerHTML.slice(0, 120), part.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.width < 43.5 || box.height < 43.5)).map(([html]) => html)"""
#: Buttons whose words stick out.
CUT_OFF = """root => [...root.querySelectorAll("button")]
    .filter((part) => part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1)
    .map((part) => part.textContent)"""
OVERLAPS = """root => {
    const cards = [...root.querySelectorAll(".mlf-cards > li")];
    const boxes = cards.map((card) => card.getBoundingClientRect());
    const inside = cards.filter((card) => card.scrollHeight > card.clientHeight + 1);
    const over = boxes.filter((a, i) => boxes.some((b, j) => j > i && a.bottom > b.top + 1 && b.bottom > a.top + 1
        && a.right > b.left + 1 && b.right > a.left + 1));
    return over.length + inside.length;
}"""


#: Comes to an end once nothing has moved for some frames: what is drawn is measured, and laid out anew.
STANDS_STILL = """root => new Promise((done) => {
    let before = "", nSame = 0;
    const look = () => {
        const boxes = [...root.querySelectorAll("*")].map((part) => part.getBoundingClientRect());
        const now = JSON.stringify(boxes);
        nSame = now === before ? nSame + 1 : 0;
        before = now;
        if (nSame === 5) done(); else requestAnimationFrame(look);
    };
    look();
})"""


def look(root: Locator, what: str) -> object:
    """What a script finds in the widget once that stands still."""
    root.evaluate(STANDS_STILL)
    return root.evaluate(what)


@pytest.fixture(scope="module")
def laboratory(make_toybox) -> Iterator[Laboratory]:
    # In German, whose words are longer: what fits in it fits in English.
    project = make_toybox(language="de", own_progress="pace")
    with running_laboratory(project.root, annotation_notebook(project, "ada"), open_browser=False) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, laboratory: Laboratory) -> Iterator[object]:
    """Return a function that opens the address with a browser that has never been there."""
    contexts: list[BrowserContext] = []

    def opened(width: int = 1280, height: int = 720, **options: object) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        contexts[-1].set_default_timeout(PATIENCE_MS)
        page = contexts[-1].new_page()
        page.goto(laboratory.url)
        expect(page.locator("[data-mlf=annotator]")).to_have_attribute("data-ready", "true", timeout=PATIENCE_MS)
        return page

    yield opened
    for context in contexts:
        context.close()


def test_the_address_leads_to_the_live_widget_and_the_notebook_is_one_click_away(visit) -> None:
    page = visit()
    root = page.locator("[data-mlf=annotator]")
    assert look(root, "r => [r.clientWidth, r.clientHeight].map((n, i) => n >= [1270, 710][i])") == [True, True]
    assert page.locator(".cm-editor, .jp-InputArea-editor").count() == 0
    assert page.locator("[role=dialog], .Toastify__toast").count() == 0
    page.keyboard.press("2")
    expect(root.locator(".mlf-cards input").nth(1)).to_be_checked()
    expect(root).to_have_attribute("data-saved", "saved")
    with page.context.expect_page() as opening:
        root.get_by_role("link", name="Notebook").click()
    notebook = opening.value
    expect(notebook.get_by_text("open_annotator(project").first).to_be_visible(timeout=PATIENCE_MS)
    expect(notebook.locator(".Toastify__toast")).to_have_count(0)  # no news of Jupyter


def test_the_image_is_in_sight_before_the_scripts_have_come_and_is_gone_once_the_widget_shows_it(
    browser: Browser, laboratory: Laboratory
) -> None:
    held: list[Route] = []
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.route("**/voila.js*", lambda route: held.append(route))
    with page.expect_request("**/voila.js*"):
        page.goto(laboratory.url, wait_until="commit")
    first = page.locator("#mlf-first-image img")
    expect(first).to_be_visible(timeout=PATIENCE_MS)
    assert first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert page.locator("[data-mlf]").count() == 0
    held.pop().continue_()
    root = page.locator("[data-mlf=annotator]")
    expect(root).to_have_attribute("data-ready", "true", timeout=PATIENCE_MS)
    expect(first).to_have_count(0)
    page.keyboard.press("ArrowRight")
    page.reload(wait_until="commit")  # this tab now stands at another image, which is not what comes with the page
    page.locator('script[src*="/voila.js"]').wait_for(state="attached")
    expect(first).to_have_count(0)
    page.close()
    assert "image/jpeg" not in (laboratory.log.parent / "annotate_ada.ipynb").read_text("utf-8")


@pytest.mark.parametrize("size", SIZES)
def test_next_and_saved_are_in_sight_and_no_card_lies_on_another(visit, size: str) -> None:
    width, height, has_fingers = SIZES[size]
    page = visit(width, height, has_touch=has_fingers, is_mobile=has_fingers)
    root = page.locator("[data-mlf=annotator]")
    for part in (root.locator("[data-mlf-action=next]"), root.get_by_text("Gespeichert", exact=True)):
        expect(part).to_be_in_viewport(ratio=0.99)
    for action in ("previous", "undo", "redo", "none", "unsure", "search"):
        expect(root.locator(f"[data-mlf-action={action}]")).to_be_in_viewport(ratio=0.99)
    assert look(root, "root => root.scrollWidth - root.clientWidth") <= 0
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert look(root, OVERLAPS) == 0
    assert look(root, CUT_OFF) == []
    if has_fingers:
        assert look(root, SMALL) == []
    root.locator("[data-mlf-action=own_progress]").click()
    expect(root.locator("dialog dl")).to_be_in_viewport(ratio=0.99)
    assert look(root, CUT_OFF) == []
    page.keyboard.press("Escape")
    root.locator("[data-mlf-action=search]").click()
    root.locator(".mlf-search-field").fill("Schneeleopard, Iltis und Fischotter")
    expect(root.locator("[data-mlf-action=suggest]")).to_be_in_viewport(ratio=0.99)
    assert look(root, CUT_OFF) == []
    page.keyboard.press("Escape")
    root.locator(".mlf-cards input").last.scroll_into_view_if_needed()
    expect(root.locator("[data-mlf-action=next]")).to_be_in_viewport(ratio=0.99)


def test_a_finger_swipes_on_and_two_zoom(visit) -> None:
    page = visit(390, 844, has_touch=True, is_mobile=True)
    root = page.locator("[data-mlf=annotator]")
    number = root.get_by_label("Nummer des Bildes")
    first = int(number.input_value())
    box = root.locator(".mlf-stage-canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": px, "y": py, "id": i} for i, (px, py) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def swipe(to: float) -> None:
        touch("touchStart", (x, y))
        for step in range(1, 6):
            touch("touchMove", (x + to * step / 5, y))
        touch("touchEnd")

    swipe(-150)
    expect(number).to_have_value(str(first + 1))
    swipe(150)
    expect(number).to_have_value(str(first))
    expect(root).to_have_attribute("data-ready", "true")
    percent = root.locator(".mlf-zoom-percent")
    before = int((percent.text_content() or "0").rstrip("%"))
    touch("touchStart", (x - 20, y), (x + 20, y))
    for step in range(1, 6):
        touch("touchMove", (x - 20 - 10 * step, y), (x + 20 + 10 * step, y))
    touch("touchEnd")
    page.wait_for_function(
        "([percent, least]) => parseInt(percent.textContent) > least", arg=[percent.element_handle(), 2 * before]
    )
    swipe(-150)  # moves the zoomed image
    expect(number).to_have_value(str(first))


def test_a_dark_system_gets_a_dark_page(visit) -> None:
    brightness = """root => {
        const [r, g, b] = getComputedStyle(root).backgroundColor.match(/[0-9.]+/g).map(Number);
        return (r + g + b) / 3;
    }"""
    dark, light = (visit(color_scheme=scheme).locator("[data-mlf=annotator]") for scheme in ("dark", "light"))
    assert dark.evaluate(brightness) < 60
    assert light.evaluate(brightness) > 200


def test_all_labels_at_once_mostly_fit_the_screen_and_are_remembered(visit) -> None:
    page = visit()
    root = page.locator("[data-mlf=annotator]")
    root.locator("[data-mlf-action=show_all]").click()
    expect(root.locator(".mlf-cards > li")).to_have_count(20)
    in_sight = """root => {
        const list = root.querySelector(".mlf-cards").getBoundingClientRect();
        return [...root.querySelectorAll(".mlf-cards > li")]
            .filter((card) => card.getBoundingClientRect().bottom <= list.bottom + 1).length;
    }"""
    expect(root).to_have_attribute("data-ready", "true")
    page.wait_for_function(f"root => ({in_sight})(root) >= 12", arg=root.element_handle())
    page.reload()
    expect(root).to_have_attribute("data-ready", "true", timeout=PATIENCE_MS)
    expect(root.locator(".mlf-cards > li")).to_have_count(20)
