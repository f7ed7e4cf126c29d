"""Columns of lists in Parquet tables, to padded arrays and back, without loading pandas or torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def pad_lists(column: pa.ChunkedArray, filler: float, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a column of lists as one array (n_rows, longest list), padded at the end; null items become filler too."""
    lists = column.combine_chunks()
    lengths, items = as_numpy(lists.value_lengths()), lists.flatten()
    if len(lengths) and lengths.min() == lengths.max() and items.null_count == 0:  # as lists are in large projects
        return as_numpy(items).astype(dtype).reshape(len(lists), -1)
    padded = np.full((len(lists), int(lengths.max(initial=0))), filler, dtype)
    is_filled = np.arange(padded.shape[1]) < lengths[:, None]
    values = as_numpy(items).astype(dtype)
    values[as_numpy(pc.indices_nonzero(items.is_null()))] = filler
    padded[is_filled] = values
    return padded


def lists_from_padded(values: npt.NDArray[Any], is_filled: npt.NDArray[np.bool_]) -> pa.ListArray:
    """Return a padded array (n_rows, width) as a column of lists that hold only the filled items."""
    offsets = np.concatenate([[0], np.cumsum(is_filled.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values[is_filled]))


def as_numpy(array: pa.Array) -> npt.NDArray[Any]:
    """Return numbers as an array, with arbitrary values for nulls; pyarrow's own `to_numpy` would load pandas."""
    without_nulls = pa.Array.from_buffers(array.type, len(array), [None, array.buffers()[1]], offset=array.offset)
    values: npt.NDArray[Any] = np.from_dlpack(without_nulls)
    return values
