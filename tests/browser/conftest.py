"""One JupyterLab and one Chromium for all browser tests; projects that are cheap to copy."""

from __future__ import annotations

import csv
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from lab_server import LabServer, chromium_path, firefox_path, launch_chromium, launch_firefox, running_lab
from light_server import LightServer
from person import Person, new_name, with_light_sessions, write_annotation_notebook
from photographs import make_photograph_project
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

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
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
#: A browser remembers whether all labels are shown at once, and tests share one: who sits down has it forgotten, once.
FORGET = """try {
    if (!sessionStorage.getItem("mlf-seated")) localStorage.removeItem("mlf-all");
    sessionStorage.setItem("mlf-seated", "true");
} catch { /* a frame without storage */ }"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests in Firefox and on light pages, too: those marked so, and with MLF_SOAK=1 all that can."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if "place" in metafunc.fixturenames:  # never left out: one without a parameter would be set up anew between others
        is_everywhere = "every_place" in marks or ("notebook_alone" not in marks and os.environ.get("MLF_SOAK"))
        metafunc.parametrize(
            "place", ["notebook", "light"] if is_everywhere else ["notebook"], indirect=True, scope="package"
        )
    wanted = "every_engine" in marks or ("chromium_alone" not in marks and os.environ.get("MLF_SOAK"))
    if "engine" in metafunc.fixturenames and wanted:
        metafunc.parametrize("engine", ["chromium", "firefox"], indirect=True, scope="package")


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """Return a running JupyterLab, or skip where there is no browser to show it."""
    if not chromium_path().exists():
        pytest.skip(f"no Chromium at {chromium_path()}; install it, or set MLF_CHROMIUM to where it is")
    with running_lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def engine(request: pytest.FixtureRequest) -> str:
    """Return which browser a test runs in."""
    return getattr(request, "param", "chromium")


@pytest.fixture(scope="package")
def place(request: pytest.FixtureRequest) -> str:
    """Return where people work: in a `notebook`, or on a `light` session's page of the service."""
    return str(request.param)


@pytest.fixture(scope="package")
def playwright(lab: LabServer) -> Iterator[Playwright]:
    """Return what drives the browsers."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(playwright: Playwright, engine: str) -> Iterator[Browser]:
    """Return a running Chromium or Firefox."""
    if engine == "firefox" and not firefox_path().exists():
        pytest.skip(f"no Firefox at {firefox_path()}; install it, or set MLF_FIREFOX to where it is")
    launched = launch_firefox(playwright) if engine == "firefox" else launch_chromium(playwright)
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
    toybox = write_toybox(folder / "toybox", seed=3, n_scenes=N_SCENES, n_reference=4)
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
def make_own_images(tmp_path_factory: pytest.TempPathFactory) -> MakeProject:
    """Return a function that makes a project whose examples are its own images, ten bowls and two cups.

    It takes how many people label each image, and their names.
    """

    def make(per_image: int, *annotators: str) -> Project:
        folder = tmp_path_factory.mktemp("own")
        generator = np.random.default_rng(0)
        for number, name in enumerate(["bowl"] * 10 + ["cup"] * 2):
            path = folder / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            coarse.resize((200, 150), Image.Resampling.BICUBIC).save(path)
        project = init_project(folder / "project", folder / "photos", name="Own images")
        make_secret(project.root, bytes(32))
        np.savez(folder / "predictions.npz", random=generator.permuted(np.tile([0, 1], (12, 1)), axis=1))
        propose_from_predictions(project, folder / "predictions.npz")
        assign_project(project, list(annotators), per_image)
        return project

    return make


@pytest.fixture(scope="package")
def photographs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of 1,000 real photographs in the label space of ImageNet; all of them are assigned to Ada."""
    folder = tmp_path_factory.mktemp("photographs")
    return make_photograph_project(folder, shared_data / "imagenet_samples", 1000, ["ada"], n_examples=1)


SitDown = Callable[..., Person]


@contextmanager
def seated(lab: LabServer, context: BrowserContext, place: str) -> Iterator[SitDown]:
    """Yield a function that seats a person at an open widget; their page and kernel end with the block."""
    people: list[Person] = []
    servers: dict[tuple[Path, str], LightServer] = {}

    def page_of_nobody() -> Page:
        page = context.new_page()
        page.add_init_script(FORGET)
        return page

    def sit_down(project: Project, annotator: str = "ada", where: str = "lab") -> Person:
        if place == "light":
            return sit_at_light_page(project, annotator)
        stem = new_name(lab.folder, "annotate")
        notebook = write_annotation_notebook(lab, f"{stem}.ipynb", project, annotator)
        person = Person(page_of_nobody(), lab, notebook, project, annotator)
        people.append(person)
        person.open(where)
        return person

    def sit_at_light_page(project: Project, annotator: str) -> Person:
        project = with_light_sessions(project)
        server = servers.get((project.root, annotator)) or LightServer(project, annotator).start()
        servers[project.root, annotator] = server
        person = Person(page_of_nobody(), lab, "", project, annotator, server)
        people.append(person)
        person.open()
        return person

    yield sit_down
    for person in people:
        person.leaves()


@pytest.fixture
def sit_down(lab: LabServer, context: BrowserContext, place: str) -> Iterator[SitDown]:
    """Return a function that opens a project's annotation notebook; page and kernel end with the test."""
    with seated(lab, context, place) as sit:
        yield sit


@pytest.fixture(scope="module")
def sit_down_for_long(lab: LabServer, context: BrowserContext, place: str) -> Iterator[SitDown]:
    """Return the same function; page and kernel end with the tests of the file."""
    with seated(lab, context, place) as sit:
        yield sit
