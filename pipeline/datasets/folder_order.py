"""Two orders for a folder of class folders. Models and prediction files number classes and images by one of them.

`natural` compares numbers as numbers (1, 2, 10), as timm does. `torchvision` compares character by character (1, 10,
2), as torchvision's `ImageFolder`, Keras and Hugging Face do, and takes each class's images folder by folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.images.locations import natural_key
from pipeline.project.names import first_few
from pipeline.project.notices import tell

FolderOrder = Literal["natural", "torchvision"]
_SHOWN = 12


def as_folder_order(value: str) -> FolderOrder:
    """Return the order that a person typed; raise `DatasetError` if there is no such order."""
    known = get_args(FolderOrder)
    if value not in known:
        raise DatasetError(f"--order {value!r}: a folder is read in one of the orders {', '.join(known)}")
    return cast(FolderOrder, value)


def torchvision_key(path: str) -> tuple[str, str, str]:
    """Return the key by which torchvision's `ImageFolder` sorts a path below a folder."""
    return path.split("/", 1)[0], posixpath.dirname(path), posixpath.basename(path)


def sorted_in(order: FolderOrder, paths: Iterable[str]) -> list[str]:
    """Return paths below a folder in this order."""
    return sorted(paths, key=natural_key if order == "natural" else torchvision_key)


def classes_in_order(keys: Sequence[str], order: FolderOrder | None, source: str) -> list[str]:
    """Return class folders in the requested order; tell the user if none is requested and the two orders differ."""
    natural, by_character = sorted(keys, key=natural_key), sorted(keys)
    if order is None and natural != by_character:
        ours, theirs = first_few(natural, _SHOWN), first_few(by_character, _SHOWN)
        tell(
            f"{source}: its class folders are numbered in natural order ({ours}), as timm does; torchvision, Keras and "
            f"Hugging Face number them by character ({theirs}). Where a model or a file of predictions counts so, give "
            "--order torchvision"
        )
    return by_character if order == "torchvision" else natural


def positions_in(order: FolderOrder, paths: Sequence[str]) -> NDArray[np.int64]:
    """Return the position of each path in this order: ``(len(paths),)``."""
    place = {path: position for position, path in enumerate(sorted_in(order, paths))}
    return np.array([place[path] for path in paths], dtype=np.int64)
