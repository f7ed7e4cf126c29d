"""A learned merge as a file, so that what one project learned can be used in another with the same classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from pipeline.errors import DatasetError, in_plain_words
from pipeline.project.label_space import LabelSpace
from pipeline.project.writing import write_text
from pipeline.proposals.learned import LearnedMerge, n_features_of
from pipeline.proposals.methods.seam import Candidates

_FORMAT = "multilabelfy learned merge 1"
_DIGITS = 6


def is_merge_file(path: Path) -> bool:
    """Tell whether a file holds a learned merge."""
    try:
        with path.open("rb") as file:
            return _FORMAT.encode() in file.read(200)
    except OSError as error:
        raise DatasetError(in_plain_words(error, path)) from error


def write_merge(
    merge: LearnedMerge,
    names: Sequence[str],
    methods: Sequence[Candidates],
    n_views: int,
    space: LabelSpace,
    path: Path,
) -> None:
    """Write a merge as JSON: the weights of each method by its name, and pairs of classes by their keys.

    Parameters
    ----------
    merge
        What was learned.
    names, methods
        The methods that it was learned for, in that order.
    n_views
        In how many views they looked at each image.
    space
        The classes.
    path
        The file.
    """
    ends = np.cumsum([n_features_of(method) for method in methods])[:-1]
    together = merge.together.tocoo()
    content = {
        "format": _FORMAT,
        "n_views": n_views,
        "intercept": merge.bias,
        "methods": {name: part.tolist() for name, part in zip(names, np.split(merge.weight, ends), strict=True)},
        "together": [
            [space.keys[row], space.keys[column], round(float(share), _DIGITS)]
            for row, column, share in zip(together.row, together.col, together.data, strict=True)
        ],
    }
    write_text(path, json.dumps(content, ensure_ascii=False))


def read_merge(
    path: Path, names: Sequence[str], methods: Sequence[Candidates], n_views: int, space: LabelSpace
) -> LearnedMerge:
    """Read a merge for these methods.

    Raise `DatasetError` if the file is not one, or was learned for other methods, views or classes; the message names
    the difference.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        weights: Mapping[str, list[float]] = content["methods"]
        pairs = [(str(one), str(other), float(share)) for one, other, share in content["together"]]
        bias, learned_views = float(content["intercept"]), int(content["n_views"])
    except OSError as error:
        raise DatasetError(in_plain_words(error, path)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: cannot be read as a learned merge: {error!r}") from error
    if set(weights) != set(names):
        raise DatasetError(
            f"{path}: was learned for the methods {', '.join(sorted(weights))}, and this run has "
            f"{', '.join(sorted(names))}; run the same, or learn anew: --settled with a file of settled labels"
        )
    if learned_views != n_views:
        raise DatasetError(
            f"{path}: was learned with --views {learned_views}, and this run has {n_views}; use the same"
        )
    for name, method in zip(names, methods, strict=True):
        if len(weights[name]) != n_features_of(method):
            raise DatasetError(
                f"{path}: was learned with lists of another length from {name}; learn anew from settled labels"
            )
    unknown = next((key for one, other, _ in pairs for key in (one, other) if key not in space), None)
    if unknown is not None:
        raise DatasetError(f"{path}: was learned for other classes: {unknown!r} is not among those of {space.name}")
    rows = [space.index_of(one) for one, _, _ in pairs]
    columns = [space.index_of(other) for _, other, _ in pairs]
    together = sparse.csr_matrix(([share for _, _, share in pairs], (rows, columns)), shape=(len(space), len(space)))
    return LearnedMerge(np.concatenate([np.array(weights[name]) for name in names]), bias, together)
