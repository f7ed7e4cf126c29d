"""Which image of a project a file of another tool means: names are compared in ways of falling certainty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns

#: How names are compared with those of the project: the way that is sure first, then those that let more differ.
WAYS: tuple[Callable[[str], str], ...] = (
    lambda name: name,
    lambda name: PurePosixPath(name).with_suffix("").as_posix() if PurePosixPath(name).name else name,
    lambda name: "/".join(PurePosixPath(name).parts[-2:]),
    lambda name: PurePosixPath(name).stem,
)
NO_IMAGE, SEVERAL = -1, -2


def images_named(project: Project, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the index of the image that each name means: int64 ``(len(names),)``.

    A name may be an image's id or path, without its ending or without its outer folders. It is :data:`NO_IMAGE` where
    no image fits, :data:`SEVERAL` where several fit equally well.

    Raise `ProjectError` if the project's table of images cannot be read.
    """
    table = image_columns(project, ["image_id", "path"])
    ids = table["image_id"].to_pylist()
    paths = [path or image_id for path, image_id in zip(table["path"].to_pylist(), ids, strict=True)]
    found = np.full(len(names), NO_IMAGE, dtype=np.int64)
    for way in WAYS:
        for of_images in (ids, paths):
            lacking = np.flatnonzero(found < 0)
            if not len(lacking):
                return found
            index_of = _unique(way(name) for name in of_images)
            found[lacking] = [index_of.get(way(names[place]), int(found[place])) for place in lacking.tolist()]
    return found


def _unique(names: Iterable[str]) -> dict[str, int]:
    """Return the position of each name; :data:`SEVERAL` where it occurs more than once."""
    found: dict[str, int] = {}
    for position, name in enumerate(names):
        found[name] = SEVERAL if name in found else position
    return found
