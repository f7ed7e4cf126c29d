"""`mlf annotate`: whose notebook it opens, and a JupyterLab that ends with the command."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from command_line import run_mlf

from mlf_widgets import open_refiner
from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError, ServiceError
from pipeline.project.folder import Project, open_project
from pipeline.runs.jupyterlab import annotation_notebook, running_laboratory
from pipeline.stages.annotators import choose_annotator
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.store import open_project_store
from pipeline.votes.words import Round


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of six images without files, with proposals and no tasks."""
    manifest = tmp_path / "images.csv"
    manifest.write_text("image,label\n" + "".join(f"image{i},{'abc'[i % 3]}\n" for i in range(6)))
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps(list("abc")))
    made = init_project(tmp_path / "project", str(manifest), str(classes), has_files=False)
    np.savez(tmp_path / "m.npz", model=np.tile(np.arange(3, dtype=np.int16), (6, 1)))
    propose_from_predictions(made, tmp_path / "m.npz")
    return made


@pytest.fixture
def assign(project: Project) -> Callable[..., None]:
    def give(*people: str, simulated: tuple[str, ...] = ()) -> None:
        with open_project_store(project) as store:
            store.add_annotators(simulated, kind="simulated")
        assign_project(project, [*people, *simulated], 1)

    return give


def test_the_one_person_with_tasks_need_not_be_named(project: Project, assign: Callable[..., None]) -> None:
    assign("ada", simulated=("robin",))
    name, progress = choose_annotator(project)
    assert name == "ada"
    assert progress.n_tasks == 3
    assert choose_annotator(project, "robin")[0] == "robin"


def test_who_is_unknown_or_not_named_among_several_is_asked_for_by_name(
    project: Project, assign: Callable[..., None]
) -> None:
    assert "nobody has tasks yet" in run_mlf("annotate", project.root, code=2)
    assign("ada", "ben")
    with pytest.raises(ProjectError, match="--annotator with one of ada, ben"):
        choose_annotator(project)
    with pytest.raises(ProjectError, match="'bem' has no tasks; did you mean 'ben'"):
        choose_annotator(project, "bem")


def test_the_notebook_lies_in_the_project_and_opens_the_session_of_its_annotator(project: Project) -> None:
    hostile = '../x"); import os; ("'
    path = annotation_notebook(project, hostile)
    assert path.parent == project.root
    cells = json.loads(path.read_text())["cells"]
    (parameters,) = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    values: dict[str, str] = {}
    exec("".join(parameters["source"]), values)
    assert values["annotator"] == hostile
    assert values["project"] == ""


def test_a_refiner_is_told_of_their_round_and_gets_the_notebook_that_opens_it(
    project: Project, assign: Callable[..., None], give_to_refiners: Callable[..., None]
) -> None:
    assign("ada")
    early = run_mlf("annotate", project.root, "--round", "refinement", code=2)
    assert "nobody has refinement tasks yet; run `mlf refine" in early
    give_to_refiners(project, [2], "dora")
    wrong = run_mlf("annotate", project.root, "--annotator", "dora", code=2)
    assert "'dora' has refinement tasks alone; add --round refinement" in wrong
    name, progress = choose_annotator(project, "dora", Round.REFINEMENT)
    assert (name, progress.n_tasks) == ("dora", 1)
    path = annotation_notebook(project, "dora", Round.REFINEMENT)
    assert path == project.root / "refine_dora.ipynb"
    code = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    with contextlib.chdir(project.root):
        opened: dict[str, object] = {}
        exec("\n".join(code[:-1]), opened)
        refiner = eval(code[-1].splitlines()[-1], opened | {"open_refiner": open_refiner})
        assert refiner.session.annotator == "dora"
        assert [task.image_index for task in refiner.session.tasks([0])] == [2]


@pytest.mark.parametrize("command", [("analyze",), ("refine", "--refiners", "dora")])
def test_who_is_too_early_is_told_which_notebook_to_open_and_how(
    project: Project, assign: Callable[..., None], command: tuple[str, ...]
) -> None:
    assign("ada")
    printed = run_mlf(command[0], project.root, *command[1:], code=2)
    assert "2_annotate.ipynb; open it with: mlf annotate" in printed


def test_a_laboratory_that_cannot_start_says_why_and_leaves_no_process(project: Project) -> None:
    notebook = annotation_notebook(project, "ada")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServiceError, match="JupyterLab did not start"),
            running_laboratory(project.root, notebook, port=port, open_browser=False),
        ):
            pass
    open_project(project.root)


@pytest.mark.slow
def test_two_laboratories_that_start_at_once_do_not_take_each_others_port(project: Project) -> None:
    roots = [project.root, Path(shutil.copytree(project.root, project.root.with_name("other")))]
    both_here = Barrier(len(roots), timeout=280)

    def opened(root: Path) -> str:
        notebook = annotation_notebook(open_project(root), "ada")
        both_here.wait()  # now both look for a free port
        try:
            with running_laboratory(root, notebook, open_browser=False) as laboratory:
                both_here.wait()
                return laboratory.url.partition("/voila/")[0]
        except BaseException:
            both_here.abort()
            raise

    with ThreadPoolExecutor(len(roots)) as people:
        assert len(set(people.map(opened, roots))) == 2
