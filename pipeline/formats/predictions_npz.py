"""Rankings that models made elsewhere: an ``.npz`` with one integer array per model, its rows in image order."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.formats.npz import array_head
from pipeline.images.locations import natural_key
from pipeline.project.class_references import is_clearly_more
from pipeline.project.label_space import LabelSpace


def read_predictions(
    path: Path, n_images: int, n_classes: int, image_list: str = "the image list"
) -> dict[str, NDArray[np.integer]]:
    """Read every model's ranking.

    Parameters
    ----------
    path
        An ``.npz`` whose arrays are named by model.
    n_images
        Number of rows that each array must have: all rows of the manifest, including skipped ones.
    n_classes
        Size of the label space.
    image_list
        How error messages name that manifest.

    Returns
    -------
    dict
        Model name to ``(n_images, k)`` class indices, best first, in the file's own dtype. `k` may differ by model.

    Raises
    ------
    DatasetError
        If the file is missing, empty or not an ``.npz``, or if an array does not hold ``(n_images, k)`` integers in
        ``0 … n_classes - 1`` with no class twice in a row. The message names the array and the row (counted from 0).
    """
    with _open(path) as archive:
        names = archive.files
        if not names:
            raise DatasetError(f"{path}: holds no array; expected one for each model")
        rankings = {}
        for name in names:
            where = f"{path}: array {name!r}"
            try:
                shape, dtype = array_head(archive, name, where)
                _check_shape(shape, dtype, n_images, n_classes, where, image_list)
                ranking = archive[name]
            except DatasetError:
                raise
            except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                raise DatasetError(f"{where} cannot be read: {error}") from error
            check_ranking(ranking, n_images, n_classes, where, image_list)
            rankings[name] = ranking
    return rankings


def _check_shape(
    shape: tuple[int, ...], dtype: np.dtype[Any], n_images: int, n_classes: int, where: str, image_list: str
) -> None:
    if len(shape) != 2 or shape[1] == 0:
        raise DatasetError(f"{where} has shape {shape}; give it the shape (images, k) with k of at least 1")
    if not np.issubdtype(dtype, np.integer):
        raise DatasetError(f"{where} holds {dtype}; give integers, the class indices")
    if shape[0] != n_images:
        raise DatasetError(
            f"{where} has {shape[0]:,} rows for {n_images:,} images of {image_list}; make the file again with one "
            "row for each of them, in that order"
        )
    if shape[1] > n_classes:
        raise DatasetError(f"{where} has {shape[1]:,} ranks; the label space has {n_classes:,} classes")


def check_ranking(
    ranking: NDArray[Any], n_images: int, n_classes: int, where: str, image_list: str = "the image list"
) -> None:
    """Refuse an array that is not a ranking for `n_images` images; see :func:`read_predictions`.

    Raises
    ------
    DatasetError
        The message begins with `where` and names the row.
    """
    _check_shape(ranking.shape, ranking.dtype, n_images, n_classes, where, image_list)
    if ranking.size == 0:
        return
    is_outside = (ranking < 0) | (ranking >= n_classes)
    if is_outside.any():
        row, column = np.argwhere(is_outside)[0]
        raise DatasetError(
            f"{where}, row {row} has class index {ranking[row, column]} at rank {column + 1}; "
            f"the label space has the indices 0 to {n_classes - 1}{_counted_from_1(ranking, n_classes)}"
        )
    ordered = np.sort(ranking, axis=1)
    is_repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if is_repeated.any():
        row = int(is_repeated.argmax())
        raise DatasetError(f"{where}, row {row} names a class twice ({ranking[row].tolist()}); a ranking names it once")


def refuse_shifted(
    rankings: Mapping[str, NDArray[np.integer]],
    rows: NDArray[np.int64],
    original: NDArray[np.integer],
    space: LabelSpace,
    where: str,
) -> None:
    """Refuse rankings if the original labels show that they number the classes differently from the label space.

    The numberings tried are off by one (up or down), or follow the order of the class keys: by character (torchvision's
    `ImageFolder`, Keras, Hugging Face) or in natural order (timm).

    Parameters
    ----------
    rankings
        Model name to ``(n_rows, k)`` class indices.
    rows
        ``(n_images,)``: the rows of the images that have an original label.
    original
        ``(n_images,)``: these labels.
    where
        The file, for the message.

    Raises
    ------
    DatasetError
        If another numbering makes the best model clearly better, and right on at least half of the images.
    """
    keys = list(space.keys)
    place = {key: index for index, key in enumerate(keys)}
    numberings = {
        "one higher than the original labels, as if they counted from 1": np.arange(-1, len(keys) - 1),
        "one lower than the original labels, as if those counted from 1": np.arange(1, len(keys) + 1),
        "in the order of their keys by character (torchvision, Keras)": np.array([place[k] for k in sorted(keys)]),
        "in the natural order of their keys (timm)": np.array([place[k] for k in sorted(keys, key=natural_key)]),
    }
    firsts = [ranking[rows, 0].astype(np.int64) for ranking in rankings.values()]

    def n_right(meaning: NDArray[np.integer]) -> int:
        return max((int((meaning[first] == original).sum()) for first in firsts), default=0)

    as_given = n_right(np.arange(len(keys)))
    for numbering, meaning in numberings.items():
        n_hits = n_right(meaning)
        if is_clearly_more(n_hits, as_given) and 2 * n_hits >= len(original):
            raise DatasetError(
                f"{where}: its classes seem to be {numbering}: read so, the best model is right on {n_hits:,} of "
                f"{len(original):,} images, and on {as_given:,} as the file stands; bring both to the indices of the "
                "label space, counted from 0"
            )


def _counted_from_1(ranking: NDArray[Any], n_classes: int) -> str:
    is_so = ranking.min() >= 1 and ranking.max() == n_classes
    return "; these seem to count from 1: subtract 1 from each" if is_so else ""


@contextmanager
def _open(path: Path) -> Iterator[NpzFile]:
    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; give an .npz with one array per model") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read as .npz: {error}") from error
    if not isinstance(archive, NpzFile):
        raise DatasetError(
            f"{path}: holds a single array without a name; write one with numpy.savez(path, model=array)"
        )
    with archive:
        yield archive
