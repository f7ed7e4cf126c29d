"""The guidelines of a project: where they come from, and that no picture is read from outside its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import run_mlf
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project
from pipeline.project.settings import AnnotationSection, Settings
from pipeline.sessions.guidelines import check_guidelines, guideline_picture, guidelines_text, lines_for_classes


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "images.csv").write_text("image,label\na,cat\nb,dog\n")
    (tmp_path / "classes.json").write_text(json.dumps(["cat", "dog"]))
    settings = Settings(annotation=AnnotationSection(guidelines="Look twice."))
    return init_project(
        tmp_path / "project", tmp_path / "images.csv", tmp_path / "classes.json", has_files=False, settings=settings
    )


def write(project: Project, text: str) -> None:
    (project.root / "guidelines.md").write_text(text, encoding="utf-8")


def test_the_text_of_the_settings_comes_first_then_the_file(project: Project) -> None:
    assert guidelines_text(project) == "Look twice."
    write(project, "\ufeff# Classes\n- cat / dog: A dog barks.\n")
    assert guidelines_text(project) == "Look twice.\n\n# Classes\n- cat / dog: A dog barks."
    assert [(line.class_indices, line.text) for line in lines_for_classes(project)] == [((0, 1), "A dog barks.")]


def test_pictures_come_from_the_projects_folder_and_from_nowhere_else(project: Project, tmp_path: Path) -> None:
    Image.new("RGB", (3000, 20)).save(tmp_path / "outside.png")
    Image.new("RGB", (3000, 20)).save(project.root / "inside.png")
    (project.root / "link.png").symlink_to(tmp_path / "outside.png")
    (project.root / "words.png").write_text("no picture")
    write(project, "![](inside.png) ![](link.png) ![](words.png) ![](gone.png) ![](../outside.png)")
    shown = guideline_picture(project, 0)
    assert (shown.width_px, shown.height_px) == (3000, 20)
    for number, reason in (
        (1, "outside"),
        (2, "picture|image|read"),
        (3, "no such file"),
        (4, "no picture 4"),
        (-1, "no picture -1"),
    ):
        with pytest.raises(DatasetError, match=reason):
            guideline_picture(project, number)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Classes\n- cta: x", "guidelines.md, line 4: no class is called 'cta'; did you mean 'cat'"),
        ("![](gone.png)", "guidelines.md: the picture gone.png: no such file"),
        ("x" * 300_000, "guidelines have at most 200,000"),
    ],
)
def test_what_is_wrong_is_told_to_who_runs_the_project(project: Project, text: str, message: str) -> None:
    write(project, text)
    with pytest.raises(ProjectError) as caught:
        check_guidelines(project)
    assert message in str(caught.value)
    told = run_mlf("annotate", project.root, "--annotator", "ada", code=2)
    assert message[-20:] in " ".join(told.split())


def test_text_in_another_encoding_is_refused(project: Project) -> None:
    (project.root / "guidelines.md").write_bytes(b"\xff\xfeT\x00")
    with pytest.raises(ProjectError, match="is not UTF-8 text"):
        guidelines_text(project)
