"""Check the arrays of an `.npz` by their headers before they take memory: a small file can unpack to many gigabytes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from pipeline.errors import DatasetError

_SHARE_OF_MEMORY = 0.5


def array_head(archive: NpzFile, name: str, where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and type of an array, reading only its header.

    Parameters
    ----------
    archive, name
        The open file, and one of its arrays.
    where
        What an error message begins with.

    Raises
    ------
    DatasetError
        If the array would take more than half of this machine's memory.
    ValueError, OSError, KeyError, zipfile.BadZipFile
        If the header cannot be read.
    """
    if archive.zip is None:
        raise ValueError("the file is closed")
    with archive.zip.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    n_bytes = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize if shape else dtype.itemsize
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if n_bytes > _SHARE_OF_MEMORY * memory:
        raise DatasetError(
            f"{where} has shape {shape} and unpacks to {n_bytes / 2**30:,.1f} GiB; this machine has "
            f"{memory / 2**30:,.1f} GiB of memory. Write a smaller type, or fewer columns"
        )
    return shape, dtype
