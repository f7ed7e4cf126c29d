"""Commands that were renamed: the old spelling does the same, and names the new one on a line of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app

VOTES = "image,class,annotator,vote\n" + "".join(
    f"{image},{name},{who},{vote}\n"
    for image in ("1.png", "2.png")
    for who, votes in (("ada", ("yes", "no")), ("ben", ("yes", "yes")))
    for name, vote in zip(("ant", "bee"), votes, strict=True)
)


def mlf(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(VOTES)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_disagreement_is_analyze(votes: Path, tmp_path: Path) -> None:
    new, old = (mlf(name, votes, "--out", tmp_path / name) for name in ("analyze", "disagreement"))
    assert new.exit_code == old.exit_code == 0
    assert contents(tmp_path / "analyze") == contents(tmp_path / "disagreement")
    assert old.stderr == f"mlf disagreement is now `mlf analyze {votes} --out {tmp_path / 'disagreement'}`\n"
    assert new.stderr == ""
    assert old.stdout.replace(str(tmp_path / "disagreement"), str(tmp_path / "analyze")) == new.stdout


def test_evaluate_without_a_project_is_score(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text("key,name\nant,ant\nbee,bee\n")
    (tmp_path / "images.csv").write_text("image,label\n1.png,ant\n2.png,bee\n")
    (tmp_path / "labels.json").write_text(json.dumps({"1.png": ["ant", "bee"], "2.png": ["bee"]}))
    np.savez(tmp_path / "models.npz", one=np.array([[1, 0], [1, 0]]))
    of_option = {"images": "images.csv", "labels": "labels.json", "predictions": "models.npz", "classes": "classes.csv"}
    files = [text for name, file in of_option.items() for text in (f"--{name}", tmp_path / file)]
    new, old = (mlf(name, *files, "--out", tmp_path / name) for name in ("score", "evaluate"))
    assert (new.exit_code, old.exit_code) == (0, 0), old.output
    assert contents(tmp_path / "score") == contents(tmp_path / "evaluate")
    assert old.stderr == "mlf evaluate without a project is now `mlf score`, with the same options\n"
    assert new.stderr == ""


@pytest.mark.parametrize("options", [(), ("--settle",), ("--min-fixed-per-minute", "0.2")])
def test_refine_without_refiners_is_settle(tmp_path: Path, options: tuple[str, ...]) -> None:
    new, old = mlf("settle", tmp_path / "birds"), mlf("refine", tmp_path / "birds", *options)
    assert new.exit_code == old.exit_code == 2
    assert old.stderr == f"mlf refine without --refiners is now `mlf settle {tmp_path / 'birds'}`\n{new.stderr}"
    assert new.stderr.startswith(f"Error: {tmp_path / 'birds'}: no such folder")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("analyze", "votes.csv"), "votes.csv: say with --out where to put"),
        (("analyze", ".", "--out", "tables"), ".: a project keeps its tables in results/analyze; leave out --out"),
        (("analyze", "nowhere"), "nowhere: no such folder"),
        (("analyze", "nowhere.csv", "--out", "tables"), "nowhere.csv"),
        (("evaluate", "--images", "images.csv"), "`mlf score` with --labels, --predictions, --out as well"),
        (("evaluate", "--model", "resnet18"), "give its folder as PROJECT"),
        (("evaluate", "birds", "--out", "tables"), "leave out --out"),
        (("refine", "birds", "--rule", "budget"), "name them with --refiners"),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_says_what_to_do(
    votes: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(votes.parent)
    done = mlf(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["disagreement"])
def test_an_old_name_is_not_in_the_help(name: str) -> None:
    assert f" {name} " not in mlf("--help").output
    assert "--settle" not in mlf("refine", "--help").output
    assert "--images" not in mlf("evaluate", "--help").output
