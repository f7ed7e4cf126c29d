"""Rankings that models made elsewhere: an ``.npz`` of one integer array a model, rows in the order of the images."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from pipeline.errors import DatasetError


def read_predictions(
    path: Path, n_images: int, n_classes: int, image_list: str = "the image list"
) -> dict[str, NDArray[np.integer]]:
    """Read every model's ranking.

    Parameters
    ----------
    path
        An ``.npz`` whose arrays are named by model.
    n_images
        Rows that each array must have: those of the manifest, skipped rows included.
    n_classes
        Size of the label space.
    image_list
        What a message calls that manifest.

    Returns
    -------
    dict
        Model name to ``(n_images, k)`` class indices, the best first, in the file's own dtype. `k` may differ by model.

    Raises
    ------
    DatasetError
        If the file is missing, empty or no ``.npz``, or an array is not ``(n_images, k)`` integers in ``0 … n_classes -
        1`` with no class twice in a row. The message names the array and the row (counted from 0).
    """
    with _open(path) as archive:
        names = archive.files
        if not names:
            raise DatasetError(f"{path}: holds no array; one array a model is due")
        rankings = {}
        for name in names:
            try:
                ranking = archive[name]
            except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
                raise DatasetError(f"{path}: array {name!r} cannot be read: {error}") from error
            check_ranking(ranking, n_images, n_classes, f"{path}: array {name!r}", image_list)
            rankings[name] = ranking
    return rankings


def check_ranking(
    ranking: NDArray[Any], n_images: int, n_classes: int, where: str, image_list: str = "the image list"
) -> None:
    """Refuse an array that is no ranking of `n_images` images; see :func:`read_predictions`.

    Raises
    ------
    DatasetError
        Beginning with `where`, and naming the row.
    """
    if ranking.ndim != 2 or ranking.shape[1] == 0:
        raise DatasetError(f"{where} has shape {ranking.shape}; (images, k) with k of at least 1 is due")
    if not np.issubdtype(ranking.dtype, np.integer):
        raise DatasetError(f"{where} holds {ranking.dtype}; integers (class indices) are due")
    if len(ranking) != n_images:
        raise DatasetError(
            f"{where} has {len(ranking):,} rows for {n_images:,} images of {image_list}; make the file again with one "
            "row for each of them, in that order"
        )
    if ranking.size == 0:
        return
    is_outside = (ranking < 0) | (ranking >= n_classes)
    if is_outside.any():
        row, column = np.argwhere(is_outside)[0]
        raise DatasetError(
            f"{where}, row {row} has class index {ranking[row, column]} at rank {column + 1}; "
            f"the label space has the indices 0 to {n_classes - 1}"
        )
    ordered = np.sort(ranking, axis=1)
    is_repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if is_repeated.any():
        row = int(is_repeated.argmax())
        raise DatasetError(f"{where}, row {row} names a class twice ({ranking[row].tolist()}); a ranking names it once")


@contextmanager
def _open(path: Path) -> Iterator[NpzFile]:
    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; give an .npz with one array a model") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: cannot be read as .npz: {error}") from error
    if not isinstance(archive, NpzFile):
        raise DatasetError(
            f"{path}: holds a single array without a name; write one with numpy.savez(path, model=array)"
        )
    with archive:
        yield archive
