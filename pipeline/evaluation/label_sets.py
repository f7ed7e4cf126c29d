"""The refined label set of every image, held compactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DatasetError


@dataclass(frozen=True, eq=False)
class LabelSets:
    """One set of class indices per image, in compressed sparse rows.

    Image *i* has the labels ``class_index[indptr[i]:indptr[i + 1]]``, ascending and without repetition; the set may be
    empty.

    Parameters
    ----------
    indptr
        ``(n_images + 1,)`` int64: where each image's labels begin; starts at 0 and never falls.
    class_index
        ``(n_labels,)`` int32: class indices, 0 or greater.
    image_ids
        One unique name per image, in the order of the rows.

    Raises
    ------
    DatasetError
        If the three do not fit together, or a set is not ascending and free of repetition.

    See Also
    --------
    label_sets_from_lists, label_sets_from_pairs : build one from what files hold.
    """

    indptr: NDArray[np.int64]
    class_index: NDArray[np.int32]
    image_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        n_images = len(self.image_ids)
        if self.indptr.shape != (n_images + 1,):
            raise DatasetError(
                f"label sets of {n_images} images need {n_images + 1} row starts, not {self.indptr.shape}"
            )
        if self.indptr[0] != 0 or self.indptr[-1] != len(self.class_index) or np.any(np.diff(self.indptr) < 0):
            raise DatasetError(f"label sets: row starts must rise from 0 to the {len(self.class_index)} labels held")
        if len(self.class_index) == 0:
            return
        if self.class_index.min() < 0:
            image = self.image_ids[self.image_index[int(self.class_index.argmin())]]
            raise DatasetError(f"label sets: image {image!r} has the negative class index {self.class_index.min()}")
        is_same_image = np.diff(self.image_index) == 0
        is_out_of_order = is_same_image & (np.diff(self.class_index) <= 0)
        if is_out_of_order.any():
            image = self.image_ids[self.image_index[int(is_out_of_order.argmax())]]
            raise DatasetError(f"label sets: the labels of image {image!r} must ascend, each occurring once")

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        """Return the class indices of one image, ascending."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} label sets")
        return self.class_index[self.indptr[row] : self.indptr[row + 1]]

    @cached_property
    def n_labels(self) -> NDArray[np.int64]:
        """Return how many labels each image has: ``(n_images,)``."""
        return np.diff(self.indptr)

    @cached_property
    def image_index(self) -> NDArray[np.int64]:
        """Return the row of the image that each label belongs to: as long as `class_index`."""
        return np.repeat(np.arange(len(self)), self.n_labels)

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> LabelSets:
        """Return the label sets of these rows (indices or a mask), in their order."""
        wanted = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, dtype=np.int64)
        sizes = self.n_labels[wanted]
        indptr = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        positions = np.arange(indptr[-1]) + np.repeat(self.indptr[wanted] - indptr[:-1], sizes)
        return LabelSets(indptr, self.class_index[positions], tuple(self.image_ids[row] for row in wanted))


def label_sets_from_lists(labels: Iterable[Iterable[int]], image_ids: Sequence[str]) -> LabelSets:
    """Build label sets from one collection of class indices per image, in the order of `image_ids`.

    Raise `DatasetError` if there are not as many collections as images, an image has one class twice, or an index is
    negative.
    """
    ordered = [sorted(classes) for classes in labels]
    if len(ordered) != len(image_ids):
        raise DatasetError(f"{len(ordered)} label lists for {len(image_ids)} images; give one list for each image")
    indptr = np.zeros(len(ordered) + 1, dtype=np.int64)
    np.cumsum([len(classes) for classes in ordered], out=indptr[1:])
    flat = np.fromiter((index for classes in ordered for index in classes), dtype=np.int32, count=int(indptr[-1]))
    return LabelSets(indptr, flat, tuple(image_ids))


def label_sets_from_pairs(image_index: ArrayLike, class_index: ArrayLike, image_ids: Sequence[str]) -> LabelSets:
    """Build label sets from (image, class) pairs in any order, as the refined-labels table holds them.

    Parameters
    ----------
    image_index, class_index
        ``(n_pairs,)`` integers; `image_index` points into `image_ids`. Images that no pair names get an empty set.

    Raises
    ------
    DatasetError
        If a pair names an image out of range or occurs twice.
    """
    images = np.asarray(image_index, dtype=np.int64)
    classes = np.asarray(class_index, dtype=np.int32)
    if images.shape != classes.shape or images.ndim != 1:
        raise DatasetError(f"{images.shape} image indices and {classes.shape} class indices do not make pairs")
    if len(images) and not (images.min() >= 0 and images.max() < len(image_ids)):
        raise DatasetError(f"pairs name images {images.min()} to {images.max()}; there are {len(image_ids)}")
    order = np.lexsort((classes, images))
    counts = np.bincount(images, minlength=len(image_ids))
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return LabelSets(indptr, classes[order], tuple(image_ids))
