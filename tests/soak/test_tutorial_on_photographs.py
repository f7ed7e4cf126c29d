"""The tutorial on photographs, with published ones: its commands, and those of the project that it leads to."""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from command_line import run_mlf
from document_blocks import commands_of, python_of
from simulation import annotate

from pipeline.project.folder import open_project
from pipeline.votes.words import Round

N_PHOTOGRAPHS = 60
TUTORIAL = "docs/tutorial-photographs.md"


@pytest.mark.shared_data
@pytest.mark.timeout(1800)
def test_the_tutorial_on_photographs_leads_to_a_report(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "photographs").mkdir()
    for path in sorted((shared_data / "imagenet_samples").glob("n*.jpg"))[:: 1000 // N_PHOTOGRAPHS]:
        shutil.copy(path, tmp_path / "photographs")
    with chdir(tmp_path):
        for snippet in python_of(TUTORIAL):
            exec(compile(snippet, TUTORIAL, "exec"), {"__name__": "__main__"})
        for typed in commands_of(TUTORIAL):
            verb = typed.arguments[0]
            if verb == "assign":
                run_mlf(*[each.replace("300", "50") for each in typed.arguments])
            elif verb == "evaluate":
                _until_settled()
                run_mlf(*typed.arguments)
            elif verb != "hub":
                run_mlf(*typed.arguments)
    assert (tmp_path / "thousand/reports/index.html").exists()


def _until_settled() -> None:
    project = open_project("thousand")
    space = project.label_space
    truth = {path.name: frozenset({space.index_of(path.stem)}) for path in Path("photographs").iterdir()}
    for who in ("ada", "ben", "cleo"):
        annotate(project, who, truth, seed=len(who))
    run_mlf("analyze", "thousand")
    run_mlf("refine", "thousand", "--refiners", "dora")
    annotate(project, "dora", truth, round_=Round.REFINEMENT)
    run_mlf("settle", "thousand")
