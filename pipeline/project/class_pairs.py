"""Which classes of a project are easily taken for each other: kept in `class_pairs.json`, version after version.

The order in which an image's classes were shown is part of what its annotator saw. So a version is never changed: new
pairs make a new one, and its number is logged with every event (:mod:`pipeline.project.presentation`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import DatasetError
from pipeline.project.writing import write_text

PairSource = Literal["guidelines", "votes", "proposals"]
#: With how many others a class stands in pairs at most; an image shows each class beside one of them.
MOST_PARTNERS = 2


@dataclass(frozen=True, slots=True)
class ClassPair:
    """Two classes that are easily taken for each other, and what says so."""

    one: int
    other: int
    source: PairSource


Version = tuple[ClassPair, ...]
#: Class index to the classes that it is taken for, the likeliest first.
Partners = Mapping[int, tuple[int, ...]]


def read_versions(path: Path) -> tuple[Version, ...]:
    """Return all versions of a project's pairs, the oldest first; none where there is no file.

    Raise `DatasetError` if the file is not what :func:`add_version` writes.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(tuple(ClassPair(int(one), int(other), source) for one, other, source in each) for each in content)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(
            f"{path}: cannot be read as pairs of classes ({error}); take it from a backup, since it says how "
            "images were shown"
        ) from error


def add_version(path: Path, pairs: Sequence[ClassPair]) -> int:
    """Keep pairs as the newest version, where they differ from the newest that is there; return its number, from 1.

    Pairs that never were any make no version: 0.
    """
    versions = read_versions(path)
    if tuple(pairs) != (versions[-1] if versions else ()):
        versions = (*versions, tuple(pairs))
        write_text(path, json.dumps([[astuple(pair) for pair in each] for each in versions]) + "\n")
    return len(versions)


def partners_in(pairs: Sequence[ClassPair]) -> Partners:
    """Return each class's partners, in the order of the pairs."""
    found: dict[int, tuple[int, ...]] = {}
    for pair in pairs:
        found[pair.one] = (*found.get(pair.one, ()), pair.other)
        found[pair.other] = (*found.get(pair.other, ()), pair.one)
    return found


def strongest(pairs: Sequence[ClassPair]) -> Version:
    """Return the pairs without repeats in which each class has at most :data:`MOST_PARTNERS` partners, the first ones.

    Parameters
    ----------
    pairs
        The strongest first, in either order of their classes.
    """
    kept: dict[tuple[int, int], ClassPair] = {}
    n_partners: dict[int, int] = {}
    for pair in pairs:
        one, other = sorted((pair.one, pair.other))
        is_full = any(n_partners.get(each, 0) >= MOST_PARTNERS for each in (one, other))
        if one == other or (one, other) in kept or is_full:
            continue
        kept[one, other] = ClassPair(one, other, pair.source)
        for each in (one, other):
            n_partners[each] = n_partners.get(each, 0) + 1
    return tuple(kept.values())
