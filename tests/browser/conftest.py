"""One JupyterLab and one Chromium for all browser tests; projects that are cheap to copy."""

from __future__ import annotations

import csv
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parent))

from lab_server import LabServer, chromium_path, launch_chromium, running_lab
from person import Person, new_name, write_annotation_notebook
from photographs import make_photograph_project
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project, open_project
from pipeline.project.secret import make_secret
from pipeline.project.settings import write_settings
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.toybox import write_toybox

N_SCENES = 40
N_PROPOSALS = 20
VIEWPORT = {"width": 1280, "height": 720}
#: How long a page may take to do what a person asked, on a busy machine; nothing here is a measurement.
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """Return a running JupyterLab, or skip where there is no browser to show it."""
    if not chromium_path().exists():
        pytest.skip(f"no Chromium at {chromium_path()}; install it, or set MLF_CHROMIUM to where it is")
    with running_lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def browser(lab: LabServer) -> Iterator[Browser]:
    """Return a running Chromium."""
    with sync_playwright() as playwright:
        launched = launch_chromium(playwright)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Return one browsing context, so that JupyterLab's own files are fetched once for all tests."""
    opened = browser.new_context(viewport=VIEWPORT)
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture(scope="package")
def toybox_template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of toybox scenes, 20 proposals each with the scene's label among them; nobody has tasks."""
    folder = tmp_path_factory.mktemp("toybox")
    toybox = write_toybox(folder / "toybox", seed=3, n_scenes=N_SCENES, n_reference=4, show_progress=False)
    project = init_project(
        folder / "project", toybox.scenes_csv, toybox.classes, toybox.reference, name="Toybox", images_root=toybox.root
    )
    make_secret(project.root, bytes(32))  # so that images come in the same order each time
    with toybox.scenes_csv.open(newline="") as source:
        labels = [project.label_space.index_of(row["label"]) for row in csv.DictReader(source)]
    generator = np.random.default_rng(0)
    rankings = np.array([_ranking(generator, label, len(project.label_space)) for label in labels])
    np.savez(folder / "predictions.npz", random=rankings)
    propose_from_predictions(project, folder / "predictions.npz")
    return project


def _ranking(generator: np.random.Generator, label: int, n_classes: int) -> list[int]:
    others = [int(c) for c in generator.permutation(n_classes) if c != label][: N_PROPOSALS - 1]
    others.insert(int(generator.integers(N_PROPOSALS)), label)
    return others


MakeProject = Callable[..., Project]


@pytest.fixture(scope="package")
def make_toybox(toybox_template: Project, tmp_path_factory: pytest.TempPathFactory) -> MakeProject:
    """Return a function that makes a project of toybox scenes that nobody has worked on yet.

    It takes the annotators' names (each gets every image) and, as keywords, settings of the section `annotation`.
    """
    folder = tmp_path_factory.mktemp("projects")

    def make(*annotators: str, **annotation: object) -> Project:
        root = folder / new_name(folder, "toybox")
        shutil.copytree(toybox_template.root, root)
        settings = toybox_template.settings.with_changes("annotation", **annotation)
        write_settings(settings.with_changes("project", id=uuid.uuid4().hex), root / "mlf.toml")
        project = open_project(root)
        names = list(annotators or ("ada",))
        assign_project(project, names, len(names))
        return project

    return make


@pytest.fixture(scope="package")
def photographs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of 1,000 real photographs in the label space of ImageNet; all of them are assigned to Ada."""
    folder = tmp_path_factory.mktemp("photographs")
    return make_photograph_project(folder, shared_data / "imagenet_samples", 1000, ["ada"], n_examples=1)


SitDown = Callable[..., Person]


@contextmanager
def seated(lab: LabServer, context: BrowserContext) -> Iterator[SitDown]:
    """Yield a function that seats a person at an open widget; their page and kernel end with the block."""
    people: list[Person] = []

    def sit_down(project: Project, annotator: str = "ada", where: str = "lab") -> Person:
        stem = new_name(lab.folder, "annotate")
        notebook = write_annotation_notebook(lab, f"{stem}.ipynb", project, annotator)
        person = Person(context.new_page(), lab, notebook, project, annotator)
        people.append(person)
        person.open(where)
        return person

    yield sit_down
    for person in people:
        person.page.close()
        lab.end_kernel(person.notebook)


@pytest.fixture
def sit_down(lab: LabServer, context: BrowserContext) -> Iterator[SitDown]:
    """Return a function that opens a project's annotation notebook; page and kernel end with the test."""
    with seated(lab, context) as sit:
        yield sit


@pytest.fixture(scope="module")
def sit_down_for_long(lab: LabServer, context: BrowserContext) -> Iterator[SitDown]:
    """Return the same function; page and kernel end with the tests of the file."""
    with seated(lab, context) as sit:
        yield sit
