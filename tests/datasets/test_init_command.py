"""`mlf init`, as a person types it."""

from __future__ import annotations

import shlex
from pathlib import Path

from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from pipeline.commands.init import init
from pipeline.errors import DatasetError
from pipeline.project.folder import open_project

app = Typer()
app.command()(init)


def test_init_makes_a_project_and_says_what_it_skipped_and_what_comes_next(tmp_path: Path) -> None:
    for key in ("cat", "dog"):
        (tmp_path / "images" / key).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / key / "1.png")
    (tmp_path / "images/cat/broken.png").write_bytes(b"")
    done = CliRunner().invoke(app, [str(tmp_path / "pets"), "--images", str(tmp_path / "images"), "--name", "Pets"])
    assert done.exit_code == 0, done.output
    assert "2 images, 2 classes" in done.output
    assert "Skipped 1 row or file" in done.output
    assert "cat/broken.png: " in done.output
    assert f"mlf propose {tmp_path / 'pets'}" in done.output
    assert open_project(tmp_path / "pets").settings.project.name == "Pets"


def test_the_next_command_can_be_typed_as_it_stands_for_any_folder(tmp_path: Path) -> None:
    (tmp_path / "images/cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "images/cat/1.png")
    root = tmp_path / "my pets"
    done = CliRunner().invoke(app, [str(root), "--images", str(tmp_path / "images")])
    typed = next(line for line in done.output.splitlines() if line.startswith("Next: "))
    assert shlex.split(typed)[1:4] == ["mlf", "propose", str(root)]


def test_an_unknown_check_is_refused_by_name(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [str(tmp_path / "p"), "--images", str(tmp_path), "--check", "twice"])
    assert isinstance(done.exception, DatasetError)
    assert "none, header, full" in str(done.exception)
