"""Multi-hot arrays in one `.npz`: labels, votes and exposure as (images, classes), with the names of both.

`labels` is 1 where a label applies, 0 where it does not and -1 where nobody can tell: the image is not decided, or
nobody was shown the class. On an image that has labels and no votes (they came from elsewhere) the label set is taken
as whole.
:class:`pipeline.inference.label_tensors.LabelledImages` gives them to PyTorch, with masks.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Outgoing, ReadOptions, Refused, one_word_each
from pipeline.formats.npz import array_head
from pipeline.project.wording import so_many
from pipeline.project.writing import whole_file
from pipeline.votes.words import Vote

#: Six arrays of so many cells take about 8 GB; beyond that a table is the better home.
_MOST_CELLS = 1_000_000_000
_UNKNOWN = -1


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read the labels of multi-hot arrays: ours, another `.npz` with `labels`, or a bare `.npy`.

    A bare array has a row for each image and a column for each class of the project, in their orders.
    """
    for path in paths:
        arrays = _arrays(path)
        labels = arrays.get("labels")
        if labels is None or labels.ndim != 2 or labels.dtype.kind not in "biuf":
            found = ", ".join(arrays) or "nothing"
            raise DatasetError(f"{path}: holds {found}; expected an array `labels` (images, classes) of 0 and 1")
        images = _names(arrays.get("images"), options.image_ids, labels.shape[0], "images", path)
        classes = _names(arrays.get("classes"), options.classes, labels.shape[1], "classes", path)
        posterior = arrays.get("posterior")
        if posterior is not None and (posterior.shape != labels.shape or posterior.dtype.kind not in "iuf"):
            raise DatasetError(
                f"{path}: `posterior` is {posterior.dtype} of shape {posterior.shape}; expected a number for each of "
                f"the labels {labels.shape}"
            )
        for row, image in enumerate(images):
            place = f"{path.name}, row {row}"
            values = labels[row]
            odd = values[~np.isin(values, (0, 1, _UNKNOWN))]
            if len(odd):
                yield Refused(place, image, f"it holds {odd[0]}; expected 1, 0, or -1 where nothing is known")
            elif (values == _UNKNOWN).all():
                yield Refused(place, image, "nobody has decided it (-1 throughout)", is_skip=True)
            else:
                found_here = np.flatnonzero(values == 1).tolist()
                chances = [None if posterior is None else _chance(posterior[row, c]) for c in found_here]
                given = tuple(Label(classes[c], posterior=p) for c, p in zip(found_here, chances, strict=True))
                yield ImageContent(image, place, labels=given, empty_is_meant=bool(given) or "exposed" in arrays)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        content = np.load(path, mmap_mode="r", allow_pickle=False)  # a bare array takes no memory until it is read
        if isinstance(content, np.ndarray):
            return {"labels": content}
        with content:
            for name in content.files:
                array_head(content, name, f"{path}: array {name!r}")
            return {name: content[name] for name in content.files}
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist; give a file") from error
    except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read as NumPy arrays: {' '.join(str(error).split())}") from error


def _names(given: NDArray[Any] | None, known: tuple[str, ...], n: int, what: str, path: Path) -> list[str]:
    if given is not None and given.shape == (n,):
        return [str(name) for name in given.tolist()]
    if given is None and len(known) == n:
        return list(known)
    raise DatasetError(
        f"{path}: labels has {n:,} {what}, and the project {len(known):,}; give an array `{what}` with their names"
    )


def _chance(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def write(given: Outgoing, path: Path) -> list[str]:
    """Write the arrays `images`, `paths`, `classes`, `labels`, `posterior`, `yes`, `no`, `unsure` and `exposed`."""
    images = [record.image for record in given.images()]
    shape = len(images), len(given.classes)
    if shape[0] * shape[1] > _MOST_CELLS:
        raise DatasetError(
            f"{shape[0]:,} images × {shape[1]:,} classes are too many for arrays; export as parquet, a row a label"
        )
    index = {name: position for position, name in enumerate(given.classes)}
    labels = np.full(shape, _UNKNOWN, dtype=np.int8)
    posterior = np.full(shape, np.nan, dtype=np.float32)
    counts = {vote: np.zeros(shape, dtype=np.uint8) for vote in Vote}
    exposed = np.zeros(shape, dtype=bool)
    n_whole = 0
    for row, record in enumerate(given.images()):
        for sitting in one_word_each(record.sittings):
            for name, vote in sitting.votes.items():
                counts[vote][row, index[name]] += 1
            exposed[row, [index[name] for name in sitting.shown or ()]] = True
        if record.labels is None:
            continue
        n_whole += not exposed[row].any()
        labels[row, exposed[row] if exposed[row].any() else slice(None)] = 0
        for label in record.labels:
            labels[row, index[label.name]] = 1
            posterior[row, index[label.name]] = np.nan if label.posterior is None else label.posterior
    arrays: dict[str, Any] = {
        "images": np.array(images, dtype=str),
        "paths": np.array([record.path or record.image for record in given.images()], dtype=str),
        "classes": np.array(given.classes, dtype=str),
        "labels": labels,
        "posterior": posterior,
        "exposed": exposed,
        **{vote.value: array for vote, array in counts.items()},
    }
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)
    if not n_whole:
        return []
    return [f"{so_many(n_whole, 'image has', 'images have')} labels and no votes: every other class is 0 there"]
