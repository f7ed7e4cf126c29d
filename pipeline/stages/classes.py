"""A project's list of classes, changed while people work: what changes, who says so, and what becomes of the votes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.errors import ProjectError
from pipeline.examples.pack import extend_examples
from pipeline.project.changing import changing
from pipeline.project.class_changes import ChangedClasses, find_class
from pipeline.project.folder import Project, open_project
from pipeline.project.history import Change, read_history
from pipeline.project.image_table import image_indices
from pipeline.project.label_space import LabelSpace, write_label_space
from pipeline.project.names import settled
from pipeline.project.wording import so_many
from pipeline.store import open_project_store


@dataclass(frozen=True, slots=True)
class ClassesOutcome:
    """A change of the classes that has been made: its line in the history, and how many classes the list has now."""

    change: Change
    n_classes: int


def change_classes(
    project: Project,
    what: str,
    make: Callable[[LabelSpace, int], ChangedClasses],
    by: str = "",
    *,
    offered_on: Sequence[int] | None = None,
) -> ClassesOutcome:
    """Change a project's list of classes as one step, and take the votes over to the classes that replace others.

    Parameters
    ----------
    what
        Kind of the change: ``add``, ``rename``, ``merge``, ``split`` or ``retire``.
    make
        Makes the new list from the list and the number of the change (:mod:`pipeline.project.class_changes`).
    by
        Who makes it; left out, whoever runs this process.
    offered_on
        Images on which the change's targets are offered; None for none.

    Raises
    ------
    ProjectError
        If the change does not fit the list, or another change is under way.
    """
    with changing(project.root) as files:
        project.require_newest_format()
        project = open_project(project.root)  # another change may have been made since it was opened
        changed = make(project.label_space, len(read_history(project.root)) + 1)
        write_label_space(changed.space, files.path(project.classes_path.name))
        if project.examples_path.exists() and len(changed.space) > len(project.label_space):
            extend_examples(project.with_classes(changed.space), files.path(project.examples_path.name))
        detail = {
            "text": changed.text,
            "sources": [changed.space[i].key for i in changed.sources],
            "targets": [changed.space[i].key for i in changed.targets],
            "classes_sha256": changed.sha256,
        }
        images = None if offered_on is None else list(offered_on)
        pending = {"kind": "classes", "sources": changed.sources, "targets": changed.targets, "images": images}
        is_told = bool(changed.sources) or images is not None
        change = files.commit(f"classes {what}", detail, by, pending if is_told else None)
    _tell_store(project)
    return ClassesOutcome(change, len(changed.space) - len(changed.space.gone))


def offer_class(project: Project, key: str, image_ids: Sequence[str] | None = None, by: str = "") -> ClassesOutcome:
    """Offer a class on images where it was not shown: those tasks are open again until it has been seen.

    Parameters
    ----------
    project
        An open project with an assignment.
    image_ids
        The images; None for all that are assigned.
    by
        As for :func:`change_classes`.

    Raises
    ------
    ProjectError
        If there is no such class or image.
    """
    with changing(project.root) as files:
        project.require_newest_format()
        project = open_project(project.root)
        space = project.label_space
        info = find_class(space, key)
        images = None if image_ids is None else _images(project, image_ids)
        where = "every assigned image" if images is None else f"{so_many(len(images), 'image')}"
        detail = {"text": f"offered {info.key!r} again on {where}", "targets": [info.key]}
        pending = {"kind": "classes", "sources": (), "targets": (info.index,), "images": images}
        change = files.commit("classes offer", detail, by, pending)
    _tell_store(project)
    return ClassesOutcome(change, len(space) - len(space.gone))


def _images(project: Project, image_ids: Sequence[str]) -> list[int]:
    known = image_indices(project)
    names = [settled(image_id) for image_id in image_ids]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise ProjectError(f"{project.root}: no image {unknown!r}; images are named as the data set calls them")
    return sorted({known[name] for name in names})


def _tell_store(project: Project) -> None:
    with open_project_store(open_project(project.root)):
        pass  # opening it tells it what is pending
