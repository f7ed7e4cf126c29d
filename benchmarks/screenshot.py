"""The pictures of README and documentation: the annotation notebook in a real JupyterLab, and a report's overview.

    python benchmarks/screenshot.py assets/annotator.png --pictures docs/pictures

The script draws a small toybox, proposes with a shipped model, and opens the notebook in Chromium as an annotator
would. It goes to a scene of several objects, ticks them (the toybox keeps the truth), and takes the picture once the
votes are saved. With --pictures it goes on to the search, the list of keys, and the overview of a small finished demo.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
from lab_server import ROOT, LabServer, launch_chromium, run_all_cells, running_lab
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose
from pipeline.toybox import read_truth, write_toybox
from pipeline.toybox.checkpoints import toybox_checkpoint

ANNOTATOR = "ada"
N_SCENES = 200
#: Colours in the PNG: few, to keep the file small, since every reader of the README loads it.
N_COLOURS = 256
VIEWPORT = {"width": 1360, "height": 860}
OPEN_TIMEOUT_MS = 60_000


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
        project, truth = _make_project(folder, arguments.checkpoint or toybox_checkpoint())
        position, classes = _telling_task(project, truth)
        with running_lab(folder / "lab") as lab, sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            page = browser.new_page(viewport=VIEWPORT, color_scheme="dark" if arguments.dark else "light")
            _open_notebook(lab, page, project, dark=arguments.dark)
            _annotate(page, position + 1, classes)
            _keep(page.screenshot(), arguments.destination)
            if arguments.pictures is not None:
                _keep(_searching(page), arguments.pictures / "search.png")
                _keep(_keys(page), arguments.pictures / "keys.png")
                _keep(_report(page, folder / "demo"), arguments.pictures / "report.png")
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(taken: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(BytesIO(taken)) as picture:
        picture.convert("RGB").quantize(N_COLOURS).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


def _searching(page: Page) -> bytes:
    """Return the dialog in which a label that was not proposed is searched for."""
    page.locator('[data-mlf="annotator"]').locator(".mlf-picture").click(position={"x": 5, "y": 5})
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog")
    page.keyboard.type("cup", delay=50)
    expect(dialog.get_by_role("option").first).to_be_visible()
    taken = dialog.screenshot()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    return taken


def _keys(page: Page) -> bytes:
    """Return the list of keys."""
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog.screenshot()


def _report(page: Page, folder: Path) -> bytes:
    """Return the overview of a finished project, made by `mlf demo --headless`."""
    command = [sys.executable, "-m", "pipeline.cli", "demo", "--headless", "--dir", str(folder), "--scenes", "60"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    page.set_viewport_size({"width": 1100, "height": 900})
    page.goto((folder / "finished" / "reports" / "index.html").as_uri())
    return page.screenshot()


def _make_project(folder: Path, checkpoint: Path) -> tuple[Project, dict[str, frozenset[str]]]:
    toybox = write_toybox(folder / "toybox", seed=7, n_scenes=N_SCENES, n_reference=12)
    project = init_project(
        folder / "project", toybox.scenes_csv, toybox.classes, toybox.reference, name="Toybox", images_root=toybox.root
    )
    propose(project, checkpoint=checkpoint, batch_size=32)
    assign_project(project, [ANNOTATOR], 1)
    return project, read_truth(toybox.truth)


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
    expect(page.locator('[data-mlf="annotator"]')).to_have_attribute("data-ready", "true", timeout=OPEN_TIMEOUT_MS)
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    page.evaluate(
        """async () => {
            const { commands } = window.jupyterapp;
            await commands.execute('application:toggle-left-area');
            await commands.execute('notebook:hide-all-cell-code');
        }"""
    )


def _annotate(page: Page, number: int, classes: list[int]) -> None:
    widget = page.locator('[data-mlf="annotator"]')
    widget.locator(".mlf-picture").click(position={"x": 5, "y": 5})
    page.keyboard.press("j")
    page.keyboard.type(str(number))
    page.keyboard.press("Enter")
    expect(widget.get_by_label("Number of the image")).to_have_value(str(number))
    for class_index in classes:
        box = widget.locator(f'input[type=checkbox][data-class-id="{class_index}"]').first
        box.check()
        expect(box).to_be_checked()
    expect(widget).to_have_attribute("data-saved", "saved")
    expect(widget).to_have_attribute("data-ready", "true")
    widget.evaluate("(element) => element.scrollIntoView({ block: 'end' })")


if __name__ == "__main__":
    main()
