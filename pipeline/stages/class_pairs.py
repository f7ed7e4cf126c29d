"""Which classes of a project stand beside each other, because guidelines, votes or proposals take one for the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipeline.project.class_pairs import ClassPair, Version, add_version, read_versions, strongest
from pipeline.project.folder import Project
from pipeline.project.list_columns import as_numpy
from pipeline.proposals.close_classes import close_classes
from pipeline.sessions.guidelines import lines_for_classes

#: Two classes are close if proposals have them as the first two of at least two images, and with this cosine or more.
_PROPOSED = (2, 0.4)
#: Votes confuse two classes if one annotator ticked one where another ticked the other instead: this often.
_VOTED = (3, 0.2)


def keep_class_pairs(project: Project, confused: Iterable[tuple[int, int, int]] | None = None) -> Version:
    """Find a project's pairs, keep them as its newest version where they have changed, and return them.

    Guidelines come first, then votes, then proposals. Images on which somebody has acted stay as they were shown.

    Parameters
    ----------
    project
        The project; without proposals it has only pairs of its guidelines.
    confused
        What votes say: two classes, and how often one was ticked instead of the other. None leaves pairs of votes as
        they were found before.
    """
    versions = read_versions(project.class_pairs_path)
    told = [line.class_indices for line in lines_for_classes(project) if len(line.class_indices) == 2]
    before = [(pair.one, pair.other) for pair in (versions[-1] if versions else ()) if pair.source == "votes"]
    voted = before if confused is None else _of_votes(list(confused))
    found = [
        *(ClassPair(one, other, "guidelines") for one, other in told),
        *(ClassPair(one, other, "votes") for one, other in voted),
        *(ClassPair(one, other, "proposals") for one, other in _of_proposals(project)),
    ]
    gone = project.label_space.gone
    pairs = strongest([pair for pair in found if pair.one not in gone and pair.other not in gone])
    add_version(project.class_pairs_path, pairs)
    return pairs


def _of_votes(confused: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    if not confused:
        return []
    one, other, times = np.array(confused).T
    return close_classes(np.repeat(one, times), np.repeat(other, times), *_VOTED)


def _of_proposals(project: Project) -> list[tuple[int, int]]:
    if not project.proposals_path.exists():
        return []
    first_two = np.concatenate([np.empty((0, 2), np.int32), *_first_two(project)])
    (now,) = project.current_classes.rankings(first_two)
    return close_classes(now[:, 0], now[:, 1], *_PROPOSED)


def _first_two(project: Project) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the first two proposals of images that have two; nothing else of the table is kept."""
    with pq.ParquetFile(project.proposals_path) as file:
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, columns=["class_index"]).column(0).combine_chunks()
            offsets = as_numpy(column.offsets)
            starts = offsets[:-1][np.diff(offsets) >= 2] - offsets[0]
            values = as_numpy(column.flatten())
            yield np.stack([values[starts], values[starts + 1]], axis=1)
