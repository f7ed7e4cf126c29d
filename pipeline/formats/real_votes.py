"""Reader of the published ReaL votes (Beyer et al. 2020): `raters.npz`, `scores.npz`, `real.json`.

Everything is paired by file name and class index, never by position. Source: google-research/reassessed-imagenet.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.formats.npz import array_head
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import N_VOTES


def read_raters(path: Path) -> VoteArrays:
    """Read `raters.npz`: who answered no, maybe (our `unsure`) or yes to which question.

    Parameters
    ----------
    path
        Holds ``tensor`` (raters, questions, 3), ``info`` (questions, 2): file name and class index, and ``ids``.

    Returns
    -------
    VoteArrays
        Images are file names, classes are integers from 0 to the highest asked, annotators are the rater ids as text.

    Raises
    ------
    DatasetError
        If the file is missing or lacks an array, or if the arrays do not fit together.
    """
    arrays = _load(path, ("tensor", "info", "ids"))
    tensor, info, ids = arrays["tensor"], arrays["info"], arrays["ids"]
    if tensor.ndim != 3 or tensor.shape[2] != N_VOTES or tensor.shape[:2] != (len(ids), len(info)):
        expected = (len(ids), len(info), N_VOTES)
        raise DatasetError(f"{path}: `tensor` has shape {tensor.shape}; its `ids` and `info` ask for {expected}")
    if info.ndim != 2 or info.shape[1] != 2:
        raise DatasetError(f"{path}: `info` has shape {info.shape}; expected a file name and a class for each question")
    rater, question, vote = np.nonzero(tensor)
    names, image = np.unique(info[:, 0], return_inverse=True)
    try:
        class_ = info[:, 1].astype(np.int64)
    except (ValueError, OverflowError) as error:
        raise DatasetError(f"{path}: `info` names a class that is no number: {error}") from error
    return VoteArrays.from_codes(
        image[question], class_[question], rater, vote, images=names, annotators=np.asarray(ids).astype(str)
    )


def read_scores(path: Path, votes: VoteArrays) -> NDArray[np.float64]:
    """Read the publishers' own score of each item of `votes`: ``(n_items,)``, NaN where there is none."""
    arrays = _load(path, ("tensor", "info"))
    scores = pd.Series(
        arrays["tensor"], index=pd.MultiIndex.from_arrays([arrays["info"][:, 0], arrays["info"][:, 1].astype(np.int64)])
    )
    items = pd.MultiIndex.from_frame(votes.item_frame())
    found: NDArray[np.float64] = scores.reindex(items).to_numpy(dtype=float)
    return found


def read_final_labels(path: Path, votes: VoteArrays) -> NDArray[np.bool_]:
    """Read the published final labels: bool ``(n_items,)``, whether `real.json` lists the class for the image.

    The label lists in that file are ordered by file name: the number in ``ILSVRC2012_val_00000001.JPEG`` is a position,
    counted from 1.

    Raise `DatasetError` if the file does not exist, or an image's name contains no number that is a position in it.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; give the published real.json")
    lists = json.loads(path.read_text())
    numbers = pd.Series(votes.images).str.extract(r"_(\d+)\.[^.]+$")[0]
    if numbers.isna().any() or int(numbers.astype(int).max()) > len(lists):
        raise DatasetError(f"{path} holds {len(lists)} lists; some image has no number within them in its name")
    position = numbers.astype(int).to_numpy() - 1
    allowed = {(image, class_) for image, where in enumerate(position) for class_ in lists[where]}
    pairs = zip(votes.item_image.tolist(), votes.classes[votes.item_class].tolist(), strict=True)
    return np.fromiter((pair in allowed for pair in pairs), dtype=bool, count=votes.n_items)


def _load(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; give the published .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise DatasetError(f"{path} lacks the arrays {missing}; it has {archive.files}")
            for name in names:
                array_head(archive, name, f"{path}: array {name!r}")
            return {name: archive[name] for name in names}
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as .npz: {error}") from error
