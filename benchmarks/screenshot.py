"""The pictures of README and documentation: the annotation notebook in JupyterLab, the pages people work on, a report.

    python benchmarks/screenshot.py assets/annotator.png --pictures docs/pictures

The script draws a small toybox, proposes with a shipped model, and opens the notebook in Chromium as an annotator
would. It goes to a scene of several objects, ticks them (the toybox keeps the truth), and takes the picture once the
votes are saved. With --pictures it goes on to the page as annotators see it, with numbers on its parts, the search, the
list of keys, a refiner's page, and the overview of a small finished demo.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
from lab_server import ROOT, LabServer, launch_chromium, run_all_cells, running_lab
from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from pipeline.datasets.create import init_project
from pipeline.demo.run import ANNOTATORS, simulated_annotators
from pipeline.project.folder import Project
from pipeline.runs.jupyterlab import annotation_notebook, running_laboratory
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose
from pipeline.stages.select import select_and_assign
from pipeline.store import open_project_store
from pipeline.toybox import ToyboxPaths, read_truth, write_toybox
from pipeline.toybox.checkpoints import toybox_checkpoint
from pipeline.votes.words import Round

ANNOTATOR, REFINER = "ada", "dora"
N_SCENES = 200
#: Scenes of the finished demo; all stages on these take minutes.
N_FINISHED = 200
#: Every reader loads the pictures, so those that are larger get colours that leave out the scenes' grain.
MOST_BYTES = 150_000
COLOURS = (
    (256, Image.Quantize.MEDIANCUT),
    *((n_colours, Image.Quantize.FASTOCTREE) for n_colours in (256, 112, 96, 80, 64, 48)),
)
VIEWPORT = {"width": 1240, "height": 790}
OPEN_TIMEOUT_MS = 120_000
#: What the numbers stand on, in the order of the list in `docs/annotators.md`: first annotation, then refinement.
PARTS = (
    (".mlf-picture", "corner"),
    (".mlf-card-label", "left"),
    (".mlf-strip", "left"),
    (".mlf-page", "left"),
    ("[data-mlf-action=search]", "corner"),
    ("[data-mlf-action=none]", "corner"),
    ("[data-mlf-action=next]", "corner"),
    (".mlf-saved", "left"),
)
REFINED_PARTS = (
    (".mlf-pager-words", "left"),
    (".mlf-card-name", "right"),
    (".mlf-voices", "right"),
    ("[data-mlf-action=confirm]", "corner"),
)


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("destination", type=Path, help="the PNG to write")
    parser.add_argument("--checkpoint", type=Path, help="weights to propose with; a model that ships if left out")
    parser.add_argument("--pictures", type=Path, help="folder for the documentation's further pictures")
    parser.add_argument("--dark", action="store_true", help="in JupyterLab's dark theme")
    arguments = parser.parse_args()
    arguments.destination.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mlf-screenshot-"))
    try:
        box = write_toybox(folder / "toybox", seed=7, n_scenes=N_SCENES, n_reference=12)
        project = _make_project(folder / "project", box, arguments.checkpoint or toybox_checkpoint())
        position, classes = _telling_task(project, read_truth(box.truth))
        expect.set_options(timeout=OPEN_TIMEOUT_MS)
        with sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            page = browser.new_page(viewport=VIEWPORT, color_scheme="dark" if arguments.dark else "light")
            with running_lab(folder / "lab") as lab:
                _open_notebook(lab, page, project, dark=arguments.dark)
                _annotate(page, position + 1, classes)
                _keep(page.screenshot(), arguments.destination)
            if arguments.pictures is not None:
                _take_pages(page, project, box, position + 1, arguments.pictures)
                _keep(_report(page, folder / "demo"), arguments.pictures / "report.png")
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(taken: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(BytesIO(taken)) as picture:
        for n_colours, method in COLOURS:
            picture.convert("RGB").quantize(n_colours, method).save(path, optimize=True)
            if path.stat().st_size <= MOST_BYTES:
                break
    print(f"{path}: {path.stat().st_size:,} bytes")


def _take_pages(page: Page, project: Project, box: ToyboxPaths, number: int, pictures: Path) -> None:
    """Take the pages that `mlf annotate` opens: the annotator's at the scene of this number, and a refiner's."""
    with running_laboratory(project.root, annotation_notebook(project, ANNOTATOR), open_browser=False) as laboratory:
        page.goto(laboratory.url)
        widget = _ready(page, "annotator")
        _jump(page, widget, number)
        _keep(_numbered(page, widget, PARTS), pictures / "task.png")
        _keep(_searching(page), pictures / "search.png")
        _keep(_keys(page), pictures / "keys.png")
    _dispute(project, box)
    notebook = annotation_notebook(project, REFINER, Round.REFINEMENT)
    with running_laboratory(project.root, notebook, open_browser=False) as laboratory:
        page.goto(laboratory.url)
        widget = _ready(page, "refiner")
        _go_on_to_two_disputes(page, widget)
        _keep(_numbered(page, widget, REFINED_PARTS), pictures / "refine.png")


def _dispute(project: Project, box: ToyboxPaths) -> None:
    """Have two programs annotate, and give what they disagree on to a refiner."""
    with open_project_store(project) as store:
        store.add_annotators(ANNOTATORS, kind="simulated")
    assign_project(project, [ANNOTATOR, *ANNOTATORS], 1 + len(ANNOTATORS))
    for annotator in simulated_annotators(project, box, ANNOTATORS):
        annotator.work(images_at_once=25)
    select_and_assign(project, [REFINER])


def _go_on_to_two_disputes(page: Page, widget: Locator) -> None:
    number = 1
    while widget.locator(".mlf-voices").count() < 2:
        number += 1
        page.keyboard.press("ArrowRight")
        expect(widget.get_by_label("Number of the image")).to_have_value(str(number))
        expect(widget).to_have_attribute("data-ready", "true")


def _ready(page: Page, kind: str) -> Locator:
    widget = page.locator(f'[data-mlf="{kind}"]')
    expect(widget).to_have_attribute("data-ready", "true")
    return widget


def _numbered(page: Page, widget: Locator, parts: Sequence[tuple[str, str]]) -> bytes:
    """Return the page with a number at each of these parts of the widget: a selector, and where the number stands."""
    widget.evaluate(
        """(root, parts) => parts.forEach(([selector, place], at) => {
            const box = root.querySelector(selector).getBoundingClientRect();
            const x = { corner: box.left - 9, left: box.left - 27, right: box.right + 5 }[place];
            const y = place === "corner" ? box.top - 9 : (box.top + box.bottom) / 2 - 11;
            const badge = document.createElement("div");
            badge.className = "number-of-part";
            badge.textContent = at + 1;
            const [left, top] = [x, y].map((edge) => Math.max(2, edge));
            badge.style.cssText = `position: fixed; left: ${left}px; top: ${top}px; z-index: 9999; width: 22px;
                border-radius: 11px; background: #b3261e; color: white; text-align: center;
                font: bold 14px/22px sans-serif; box-shadow: 0 0 0 2px white`;
            document.body.append(badge);
        })""",
        list(parts),
    )
    taken = page.screenshot()
    page.evaluate("document.querySelectorAll('.number-of-part').forEach((badge) => badge.remove())")
    return taken


def _searching(page: Page) -> bytes:
    """Return the dialog in which a label that was not proposed is searched for."""
    page.locator('[data-mlf="annotator"]').locator(".mlf-picture").click(position={"x": 5, "y": 5})
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog")
    page.keyboard.type("bo", delay=50)
    expect(dialog.get_by_role("option").first).to_be_visible()
    taken = dialog.screenshot()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    return taken


def _keys(page: Page) -> bytes:
    """Return the list of keys, all of it."""
    page.set_viewport_size({**VIEWPORT, "height": 1000})
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    taken = dialog.screenshot()
    page.set_viewport_size(VIEWPORT)
    return taken


def _report(page: Page, folder: Path) -> bytes:
    """Return the overview of a finished project, made by `mlf demo --headless`."""
    command = [sys.executable, "-m", "pipeline.cli", "demo", "--headless", "--dir", str(folder)]
    command += ["--scenes", str(N_FINISHED)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    page.set_viewport_size({"width": 1100, "height": 900})
    page.goto((folder / "finished" / "reports" / "index.html").as_uri())
    return page.screenshot()


def _make_project(folder: Path, box: ToyboxPaths, checkpoint: Path) -> Project:
    project = init_project(folder, box.scenes_csv, box.classes, box.reference, name="Toybox", images_root=box.root)
    propose(project, checkpoint=checkpoint, batch_size=32)
    assign_project(project, [ANNOTATOR], 1)
    return project


def _telling_task(project: Project, truth: dict[str, frozenset[str]]) -> tuple[int, list[int]]:
    """Return the position of a scene with two to four of its objects on the first page, and their classes."""
    session = LocalSession(project, ANNOTATOR)
    page_size = project.settings.annotation.page_size
    names = pq.read_table(project.images_path, columns=["image_id"]).column(0).to_pylist()
    best: tuple[int, list[int]] = (0, [])
    for position, task in enumerate(session.tasks(range(N_SCENES))):
        shown = [proposal.class_index for proposal in task.proposals[:page_size]]
        present = {project.label_space.index_of(key) for key in truth[names[task.image_index]]}
        found = [class_index for class_index in shown if class_index in present]
        if len(best[1]) < len(found) <= 4:
            best = (position, found)
    return best


def _open_notebook(lab: LabServer, page: Page, project: Project, *, dark: bool) -> None:
    content = json.loads((ROOT / "notebooks" / "2_annotate.ipynb").read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = f"project = {str(project.root)!r}\nannotator = {ANNOTATOR!r}"
    (lab.folder / "2_annotate.ipynb").write_text(json.dumps(content), encoding="utf-8")
    page.goto(lab.page_url("2_annotate.ipynb"))
    run_all_cells(page)
    expect(page.locator('[data-mlf="annotator"]')).to_have_attribute("data-ready", "true")
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    page.evaluate(
        """async () => {
            const { commands } = window.jupyterapp;
            await commands.execute('application:toggle-left-area');
            await commands.execute('notebook:hide-all-cell-code');
        }"""
    )


def _jump(page: Page, widget: Locator, number: int) -> None:
    widget.locator(".mlf-picture").click(position={"x": 5, "y": 5})
    page.keyboard.press("j")
    page.keyboard.type(str(number))
    page.keyboard.press("Enter")
    expect(widget.get_by_label("Number of the image")).to_have_value(str(number))
    expect(widget).to_have_attribute("data-ready", "true")


def _annotate(page: Page, number: int, classes: list[int]) -> None:
    widget = page.locator('[data-mlf="annotator"]')
    _jump(page, widget, number)
    for class_index in classes:
        box = widget.locator(f'input[type=checkbox][data-class-id="{class_index}"]').first
        box.click()  # and not `check`, which expects the tick at once
        expect(box).to_be_checked()
    expect(widget).to_have_attribute("data-saved", "saved")
    expect(widget).to_have_attribute("data-ready", "true")
    widget.evaluate("(element) => element.scrollIntoView({ block: 'end' })")


if __name__ == "__main__":
    main()
