"""A project whose table of images is gone or damaged: every command that needs it says so, and how to get it back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf

from mlf_widgets import open_annotator
from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.image_table import open_whole_project

COMMANDS = {
    "status": (),
    "propose": ("--model", "resnet18"),
    "assign": ("--annotators", "ada,ben"),
    "annotate": ("--annotator", "ada"),
    "analyze": (),
    "settle": (),
    "refine": ("--refiners", "cleo"),
    "evaluate": (),
    "hub": (),
}
DAMAGES = {
    "missing": "is missing: it lists the project's images",
    "empty": "is damaged and cannot be read",
    "cut short": "is damaged and cannot be read",
    "overwritten within": "is damaged and cannot be read",
    "another table": "is not the project's table of images: it has no column 'image_index'",
}


def spoil(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "another table":
        pq.write_table(pa.table({"image": ["1.png"]}), path)
    elif damage == "overwritten within":
        path.write_bytes(content[:4] + b"\xff" * 200 + content[204:])
    else:
        path.write_bytes(content[: 0 if damage == "empty" else len(content) // 2])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    manifest = tmp_path / "images.csv"
    manifest.write_text("image,label\n" + "".join(f"image {i:04},{'ab'[i % 2]}\n" for i in range(500)))
    return init_project(tmp_path / "my birds", manifest)


@pytest.mark.parametrize(("damage", "message"), DAMAGES.items())
@pytest.mark.parametrize("command", COMMANDS)
def test_the_message_names_the_table_and_the_way_back(
    project: Project, command: str, damage: str, message: str
) -> None:
    spoil(project.images_path, damage)
    printed = run_mlf(command, project.root, *COMMANDS[command], code=2)
    assert printed.startswith(f"Error: {project.images_path} {message}")
    assert f"Copy images.parquet into '{project.root}' from a backup or another copy of the project" in printed
    assert "mlf init NEWFOLDER" in printed
    assert not project.runs_dir.exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "cut short", "another table"])
def test_a_session_says_the_same(project: Project, damage: str) -> None:
    spoil(project.images_path, damage)
    with pytest.raises(ProjectError, match=DAMAGES[damage]):
        open_annotator(project.root, "ada")


def test_a_table_made_anew_of_the_same_images_brings_the_project_back(project: Project, tmp_path: Path) -> None:
    before = pq.read_table(project.images_path)
    spoil(project.images_path, "cut short")
    again = init_project(tmp_path / "again", tmp_path / "images.csv")
    project.images_path.write_bytes(again.images_path.read_bytes())
    assert pq.read_table(open_whole_project(project.root).images_path).equals(before)
