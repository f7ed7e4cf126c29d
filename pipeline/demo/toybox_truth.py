"""What simulated annotators know about a toybox: which classes each image of a project really shows."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import DatasetError
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.label_space import LabelSpace
from pipeline.toybox import read_truth
from pipeline.toybox.scenes import CONFUSABLE_PAIRS


def toybox_truth(project: Project, truth_path: Path) -> dict[int, frozenset[int]]:
    """Return, by image index, the indices of the classes that can be recognised in the image.

    Parameters
    ----------
    project
        A project made from the scenes of a toybox.
    truth_path
        The toybox's `truth.json`.

    Raises
    ------
    DatasetError
        If the project has images or classes that the toybox does not have.
    """
    truth = read_truth(truth_path)
    index = {key: position for position, key in enumerate(project.label_space.keys)}
    paths = image_columns(project, ["path"]).column("path").to_pylist()
    try:
        return {i: frozenset(index[key] for key in truth[path]) for i, path in enumerate(paths)}
    except KeyError as error:
        raise DatasetError(f"{project.root}: {error} is not of the toybox at {truth_path.parent}") from error


def confusable_classes(space: LabelSpace) -> dict[int, frozenset[int]]:
    """Return, by class index, the classes it is easily taken for, from the toybox's own list of pairs."""
    index = {key: position for position, key in enumerate(space.keys)}
    found: dict[int, frozenset[int]] = {}
    for a, b in CONFUSABLE_PAIRS:
        if a in index and b in index:
            for one, other in ((index[a], index[b]), (index[b], index[a])):
                found[one] = found.get(one, frozenset()) | {other}
    return found
