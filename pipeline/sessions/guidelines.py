"""A project's guidelines: the text in its settings, then the file `guidelines.md`, with pictures from its folder."""

from __future__ import annotations

from pipeline.annotation.guidelines import ClassLine, class_lines, local_pictures
from pipeline.annotation.session import Picture
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project
from pipeline.sessions.project_tables import picture_at

FILE_NAME = "guidelines.md"
_MAX_BYTES = 200_000
_MAX_SIDE_PX = 1200


def guidelines_text(project: Project) -> str:
    """Return the guidelines as they were written; "" where there are none.

    Raise `ProjectError` if the file cannot be read, is no text, or is too long.
    """
    path = project.root / FILE_NAME
    parts = [project.settings.annotation.guidelines.strip()]
    if path.is_file():
        if path.stat().st_size > _MAX_BYTES:
            raise ProjectError(f"{path} has {path.stat().st_size:,} bytes; guidelines have at most {_MAX_BYTES:,}")
        try:
            parts.append(path.read_text(encoding="utf-8-sig").strip())
        except UnicodeDecodeError as error:
            raise ProjectError(f"{path} is not UTF-8 text; save the file as UTF-8") from error
        except OSError as error:
            raise ProjectError(f"{path} cannot be read: {error.strerror}") from error
    return "\n\n".join(part for part in parts if part)


def lines_for_classes(project: Project) -> tuple[ClassLine, ...]:
    """Return what the guidelines say of single classes and of pairs; a line that names no class stays in the text."""
    return class_lines(guidelines_text(project), project.label_space, FILE_NAME)[0]


def check_guidelines(project: Project) -> None:
    """Check that every line for a class names one, and that every picture is there.

    Raises
    ------
    ProjectError
        Naming the first that does not, with its line.
    """
    text = guidelines_text(project)
    _, problems = class_lines(text, project.label_space, FILE_NAME)
    if problems:
        raise ProjectError(problems[0])
    for number, name in enumerate(local_pictures(text)):
        try:
            guideline_picture(project, number)
        except DatasetError as error:
            raise ProjectError(f"{FILE_NAME}: the picture {name}: {error}") from error


def guideline_picture(project: Project, number: int) -> Picture:
    """Return the n-th picture of the guidelines, scaled down.

    Raise `DatasetError` if there is none with this number, or it lies outside the project's folder, or cannot be read.
    """
    pictures = local_pictures(guidelines_text(project))
    if not 0 <= number < len(pictures):
        raise DatasetError(f"the guidelines have no picture {number}; they have {len(pictures)}")
    root = project.root.resolve()
    path = (root / pictures[number]).resolve()
    if not path.is_relative_to(root):
        raise DatasetError("it lies outside the project's folder; copy it there")
    if not path.is_file():
        raise DatasetError("no such file in the project's folder")
    return picture_at(str(path), _MAX_SIDE_PX)
