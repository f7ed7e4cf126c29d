"""What a person does with the annotation widget in a notebook, and what of it the store holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_server import ROOT, LabServer, run_all_cells
from light_server import LightServer
from playwright.sync_api import Locator, Page, expect

from pipeline.annotation.events import Event
from pipeline.annotation.folding import ImageState
from pipeline.project.folder import Project, open_project
from pipeline.project.settings import write_settings
from pipeline.sessions.local import LocalSession

OPEN_TIMEOUT_MS = 120_000
LABEL_KEYS = [*"1234567890", *"qwertyuiop"]


def write_annotation_notebook(lab: LabServer, name: str, project: Project, annotator: str) -> str:
    """Write `notebooks/2_annotate.ipynb` into the server's folder, with its parameters set; returns its name."""
    content = json.loads((ROOT / "notebooks" / "2_annotate.ipynb").read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = f"project = {str(project.root)!r}\nannotator = {annotator!r}"
    (lab.folder / name).write_text(json.dumps(content), encoding="utf-8")
    return name


@dataclass
class Person:
    """An annotator in front of an open page."""

    page: Page
    lab: LabServer
    notebook: str
    project: Project
    annotator: str
    #: Where a light session's page comes from; None where the page is a notebook.
    light: LightServer | None = None

    @property
    def root(self) -> Locator:
        """The widget."""
        return self.page.locator('[data-mlf="annotator"]')

    # --- the notebook ---

    def open(self, where: str = "lab") -> None:
        """Open the notebook and run its cells, or the light page; the first image is on the screen afterwards."""
        if self.light is not None:
            self.page.goto(self.light.page_url(self.session().round.value))
        else:
            self.page.goto(self.lab.page_url(self.notebook, where))
            if where != "voila":
                run_all_cells(self.page)
        self.sees_an_image(OPEN_TIMEOUT_MS)

    def saves_the_notebook(self) -> str:
        """Save with the notebook's own command, once its cells have run; returns what is in the file."""
        expect(self.page.locator(".jp-InputPrompt").filter(has_text="*")).to_have_count(0)
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        path = self.lab.folder / self.notebook
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0)
        return path.read_text(encoding="utf-8")

    def reloads_the_page(self) -> None:
        """Save the notebook and reload; the widget comes back from the running kernel."""
        if self.light is not None:
            self.open()
            return
        self.saves_the_notebook()
        lost = self.page.get_by_text("Error displaying widget: model not found")
        for _ in range(10):  # JupyterLab gives up if its kernel answers in about two seconds: then people reload again
            self.page.goto(self.lab.page_url(self.notebook))
            expect(self.root.or_(lost).first).to_be_visible(timeout=OPEN_TIMEOUT_MS)
            if not lost.count():
                break
        self.sees_an_image(OPEN_TIMEOUT_MS)

    def restarts_the_kernel(self) -> None:
        """Restart the kernel and run all cells, by the notebook's own command; or the service, and reload the page."""
        if self.light is not None:
            self.light.stop()
            self.light.start()
            self.open()
            return
        before = self.lab.kernel_pid(self.notebook)
        with self.gets_another_widget():
            # Not awaited: the command ends when all cells have run, but its dialog has to be answered before that.
            self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:restart-run-all'); }")
            self.page.get_by_role("button", name=re.compile("Confirm.*Restart")).click()
        assert self.lab.kernel_pid(self.notebook) != before

    @contextmanager
    def gets_another_widget(self) -> Iterator[None]:
        """Wait until what is done in the block has put another widget in the place of this one, with an image."""
        old = self.root.element_handle()
        yield
        # Not until there is none: the next one may come before anybody has looked.
        self.page.wait_for_function("old => !old.isConnected", arg=old, timeout=OPEN_TIMEOUT_MS)
        self.sees_an_image(OPEN_TIMEOUT_MS)

    def leaves(self) -> None:
        """Close the page, and what it has alone: its kernel, or the light page's service."""
        self.page.close()
        if self.light is not None:
            self.light.stop()
        else:
            self.lab.end_kernel(self.notebook)

    # --- the widget ---

    def sees_an_image(self, timeout_ms: float | None = None) -> None:
        """Wait until what was asked for is on the screen."""
        expect(self.root).to_have_attribute("data-ready", "true", timeout=timeout_ms)

    def sees(self, number: int) -> None:
        """Wait until the n-th image (from 1) is on the screen."""
        expect(self.root.get_by_label("Number of the image")).to_have_value(str(number))
        expect(self.root).to_have_attribute("data-image-id", self.task(number).image_id)
        self.sees_an_image()

    @property
    def number(self) -> int:
        """The number of the image shown, from 1."""
        return int(self.root.get_by_label("Number of the image").input_value())

    def clicks_in_the_widget(self) -> None:
        """Give the widget the keyboard."""
        self.root.locator(".mlf-picture").click(position={"x": 5, "y": 5})

    def presses(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def presses_key(self, code: str, key: str, *, shift: bool = False) -> None:
        """Press a key of any keyboard, by its place and what it writes there."""
        if self.page.context.browser.browser_type.name == "chromium":
            devtools = self.page.context.new_cdp_session(self.page)
            for kind in ("keyDown", "keyUp"):
                parameters = {"type": kind, "code": code, "key": key, "modifiers": 8 if shift else 0}
                devtools.send("Input.dispatchKeyEvent", parameters)
            devtools.detach()
            return
        # Other browsers press only what a US keyboard has.
        self.page.evaluate(
            """init => document.activeElement.dispatchEvent(
                new KeyboardEvent("keydown", { ...init, bubbles: true, cancelable: true, composed: true }))""",
            {"code": code, "key": key, "shiftKey": shift},
        )

    def jumps_to(self, number: int) -> None:
        """Go to an image by its number."""
        self.presses("j")
        self.page.keyboard.type(str(number))
        self.presses("Enter")
        self.sees(number)

    def looks_ahead(self) -> None:
        """Go to the next image and back: it is on this machine then, even when nobody can bring it any more."""
        number = self.number
        self.presses("ArrowRight")
        self.sees(number + 1)
        self.presses("ArrowLeft")
        self.sees(number)

    def looks_at_a_new_image(self) -> int:
        """Go to the first image that nothing has been done on; returns its number."""
        n_tasks = self.session().open().progress.n_tasks
        untouched = (number for number in range(1, n_tasks + 1) if not self.events(number))
        number = next(number for number in untouched if number != self.number)
        self.presses("Escape")  # whatever an earlier test may have left open
        self.clicks_in_the_widget()
        self.jumps_to(number)
        return number

    def does(self, action: str) -> None:
        """Click the button of an action."""
        self.root.locator(f'[data-mlf-action="{action}"]').click()

    def box(self, class_index: int) -> Locator:
        """The checkbox of a label."""
        return self.root.locator(f'input[type=checkbox][data-class-id="{class_index}"]').first

    def found(self) -> Locator:
        """The classes that the search has found."""
        return self.page.get_by_role("listbox", name="Classes found").get_by_role("option")

    def shown_classes(self) -> list[int]:
        """Classes whose cards are on the page, in order."""
        boxes = self.root.locator(".mlf-cards input[type=checkbox][data-class-id]").all()
        return [int(box.get_attribute("data-class-id") or -1) for box in boxes]

    def has_looked(self) -> None:
        """Wait until the page knows what of it can be seen: a browser says so some time after it has come into view."""
        self.root.evaluate(
            """root => new Promise((done) => {
                const last = new IntersectionObserver(() => { last.disconnect(); done(); });
                last.observe(root);
            })"""
        )

    def is_told_saved(self) -> None:
        """Wait until the widget claims that everything is in the store."""
        expect(self.root).to_have_attribute("data-saved", "saved")

    # --- the store ---

    def session(self) -> LocalSession:
        """A session of the same annotator, on the same store."""
        return LocalSession(self.project, self.annotator)

    def task(self, number: int) -> Any:
        """The n-th task (from 1) as the store holds it now."""
        return self.session().tasks([number - 1])[0]

    def state(self, number: int) -> ImageState:
        """What the store holds about the n-th image (from 1)."""
        return self.task(number).state

    def proposed(self, number: int) -> list[int]:
        """The classes proposed for the n-th image, in the order shown."""
        return [proposal.class_index for proposal in self.task(number).proposals]

    def events(self, number: int | None = None) -> list[Event]:
        """The annotator's events in the store, for one image or for all."""
        image_index = None if number is None else self.task(number).image_index
        log = self.session()._store.iter_events(annotator=self.annotator)
        return [event for event in log if image_index is None or event.image_index == image_index]


def with_light_sessions(project: Project) -> Project:
    """Return a project whose annotators and refiners work on pages of the service, and mark no regions."""
    settings = project.settings.with_changes("annotation", regions="off")  # they need a kernel
    write_settings(settings.with_changes("hub", sessions="light"), project.root / "mlf.toml")
    return open_project(project.root)


def new_name(folder: Path, stem: str) -> str:
    """Return a file name that is not taken yet."""
    taken = sum(path.name.startswith(stem) for path in folder.iterdir())
    return f"{stem}-{taken}"
