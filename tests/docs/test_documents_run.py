"""Every command and every snippet of Python in the documents works: it is run, or parsed where running is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
import typer.main
from command_line import run_mlf
from document_blocks import DOCUMENTS, Typed, commands_of, python_of
from simulation import annotate

from pipeline.cli import app
from pipeline.project.folder import open_project
from pipeline.toybox import read_truth
from pipeline.votes.words import Round

pytestmark = pytest.mark.slow
TUTORIAL = "docs/tutorial-toybox.md"
PHOTOGRAPHS = "docs/tutorial-photographs.md"
#: What is not run here, by document and command, and why; its options are parsed all the same.
NOT_RUN = (
    ("", r"mlf (hub|serve|demo|annotate)\b", "runs until it is stopped: tests/hub, tests/demo and tests/browser do"),
    ("", r"mlf --install-completion", "writes into the shell's own files: tests/commands/test_pipes.py"),
    ("README.md", r"mlf (?!init)", "the tutorial runs the same commands on drawn scenes"),
    ("docs/own-classes.md", "", "needs photographs and an image-text model: tests/proposals"),
    ("docs/running-a-project.md", r"mlf score", "the published files are not in the source: tests/evaluation"),
    (PHOTOGRAPHS, "", "needs the photographs: tests/soak"),
    ("docs/other-tools.md", "", "needs other tools' files: tests/exchange reads and writes every format"),
    ("docs/operating.md", r"mlf project upgrade", "tests/project upgrades projects of older versions"),
)
#: Documents whose Python is executed by other tests, and only compiled here.
PYTHON_ELSEWHERE = {"deploy/README.md": "tests/hub/test_deploy.py", "docs/other-tools.md": "tests/exchange"}


def why_not(typed: Typed) -> str:
    text = typed.text.removeprefix("sudo ")
    return next((why for name, which, why in NOT_RUN if name in ("", typed.document) and re.match(which, text)), "")


def every_command() -> list[Typed]:
    return [typed for document in DOCUMENTS for typed in commands_of(document)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of somebody who went through the tutorial; `birds` is a copy of what came of it."""
    folder = tmp_path_factory.mktemp("desk")
    with chdir(folder):
        for typed in commands_of(TUTORIAL):
            if typed.arguments[0] == "annotate":
                _work(folder, typed.arguments)
            else:
                run_mlf(*typed.arguments)
        shutil.copytree("shelf", "birds")
        for wnid in ("n01440764", "n01443537"):
            (folder / "photos" / wnid).mkdir(parents=True)
            shutil.copy(next((folder / "toys" / "scenes").iterdir()), folder / "photos" / wnid / f"{wnid}.jpg")
        shutil.copytree("photos/n01440764", "photographs")
        yield folder


def _work(folder: Path, arguments: list[str]) -> None:
    """Do what the person does whom `mlf annotate` waits for; the tutorial's reader is not simulated, this one is."""
    project = open_project(folder / arguments[1])
    index = {key: number for number, key in enumerate(project.label_space.keys)}
    truth = {
        name: frozenset(index[key] for key in keys) for name, keys in read_truth(folder / "toys/truth.json").items()
    }
    who = arguments[arguments.index("--annotator") + 1]
    annotate(
        project, who, truth, seed=len(who), round_=Round.REFINEMENT if "refinement" in arguments else Round.ANNOTATION
    )


def test_the_tutorial_leads_from_scenes_to_a_report(desk: Path) -> None:
    assert (desk / "shelf/results/refined_labels.csv").stat().st_size > 500
    assert (desk / "shelf/reports/index.html").exists()
    assert "[x] evaluation" in run_mlf("status", "shelf")


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != TUTORIAL and commands_of(name)])
def test_commands_run_as_they_stand(desk: Path, document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(desk / "state"))
    with chdir(desk):
        if document == "README.md":
            (desk / "birds").rename(desk / "aside")
        for typed in commands_of(document):
            if not why_not(typed):
                given = [each.replace("/mnt/backups", str(desk / "backups")) for each in typed.arguments]
                if given[0] == "restore":
                    (desk / "birds").rename(desk / "lost")
                run_mlf(*given)
        if document == "README.md":
            shutil.rmtree(desk / "birds")
            (desk / "aside").rename(desk / "birds")


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if python_of(name)])
def test_python_runs_as_it_stands(desk: Path, document: str, capsys: pytest.CaptureFixture[str]) -> None:
    with chdir(desk):
        for snippet in python_of(document):
            code = compile(snippet, document, "exec")
            if document not in PYTHON_ELSEWHERE:
                exec(code, {"__name__": "__main__"})
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("typed", every_command(), ids=str)
def test_every_command_parses(typed: Typed) -> None:
    command, words = typer.main.get_command(app), typed.arguments
    if words[0] in ("--install-completion", "--show-completion", "--help"):
        assert any(words[0] in parameter.opts for parameter in command.params) or words[0] == "--help"
        return
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    with command.make_context("mlf", words):
        pass


def test_reasons_for_not_running_are_still_needed() -> None:
    used = {why_not(typed) for typed in every_command()}
    assert {why for name, _, why in NOT_RUN if name in ("", *DOCUMENTS)} <= used
    assert sum(not why_not(typed) for typed in every_command()) >= 20


def test_no_document_hides_commands_from_this_test() -> None:
    assert len(every_command()) >= 50
