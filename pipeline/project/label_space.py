"""The ordered list of all classes that an image can be labelled with.

ImageNet's spaces come from `timm`'s own metadata; any other from a CSV, JSON or Parquet file. A class's *index* is its
position; its *key* is the stable identifier that files use (a WordNet id, or whatever the data set calls its classes).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from pipeline.errors import DatasetError
from pipeline.project.class_files import class_rows_in_order, read_class_rows
from pipeline.project.names import settled

#: Label spaces known by name, each with the name of `timm`'s metadata subset.
NAMED_LABEL_SPACES = {
    "imagenet-1k": "imagenet-1k",
    "imagenet-12k": "imagenet-12k",
    "imagenet-21k": "imagenet-21k",
    "imagenet-22k": "imagenet-22k",
}

Fate = Literal["", "merged", "split", "retired"]


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class: its position, its stable key, and what people need to recognise it.

    Position and key are for good: a class is never moved or removed, and never comes to mean something else, so votes,
    proposals and predictions that name it stay true. A class that is merged, split or retired stays where it is.
    """

    index: int
    key: str
    name: str
    synonyms: tuple[str, ...] = ()
    definition: str = ""
    #: Key of the class that this one is a kind of; empty at the top.
    parent: str = ""
    #: What took the class out of the list; empty while it is in it.
    fate: Fate = ""
    #: Indices of the classes that stand for it since it was merged or split.
    into: tuple[int, ...] = ()
    #: Number of the change that added it (:mod:`pipeline.project.history`); 0 for a class of the first list.
    since: int = 0


@dataclass(frozen=True)
class LabelSpace:
    """An immutable, ordered list of classes.

    Parameters
    ----------
    classes
        In index order; ``classes[i].index == i``.
    name
        What people call it, for messages.

    Raises
    ------
    DatasetError
        If it is empty, an index is out of order, or a key is empty or occurs twice.
    """

    classes: tuple[ClassInfo, ...]
    name: str = "label space"
    _positions: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.classes:
            raise DatasetError(f"{self.name} has no classes; it needs at least one")
        positions: dict[str, int] = {}
        for position, info in enumerate(self.classes):
            if info.index != position:
                raise DatasetError(
                    f"{self.name}: class {info.key!r} has index {info.index}; expected {position}; "
                    "number the classes 0, 1, 2, … without gaps"
                )
            if not info.key:
                raise DatasetError(f"{self.name}: the class at index {position} has an empty key; give it one")
            if info.key in positions:
                raise DatasetError(
                    f"{self.name}: key {info.key!r} occurs at index {positions[info.key]} and again at {position}; "
                    "keys must be unique"
                )
            positions[info.key] = position
        object.__setattr__(self, "_positions", positions)
        if any(info.parent for info in self.classes):
            self._check_parents()

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassInfo]:
        return iter(self.classes)

    def __getitem__(self, index: int) -> ClassInfo:
        return self.classes[index]

    def __contains__(self, key: object) -> bool:
        return key in self._positions

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return every class's key, in index order."""
        return tuple(info.key for info in self.classes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return every class's name, in index order."""
        return tuple(info.name for info in self.classes)

    @cached_property
    def gone(self) -> frozenset[int]:
        """Return the indices of the classes that were merged, split or retired."""
        return frozenset(info.index for info in self.classes if info.fate)

    @cached_property
    def earlier_lengths(self) -> tuple[int, ...]:
        """Return how long the list was before each change that lengthened it, the longest first."""
        steps = {info.since: info.index for info in reversed(self.classes) if info.since}
        return tuple(sorted(steps.values(), reverse=True))

    @cached_property
    def ancestors_of(self) -> dict[int, tuple[int, ...]]:
        """Return the ancestors of every class that has some, by index."""
        return {info.index: self.ancestors(info.index) for info in self.classes if info.parent}

    def ancestors(self, index: int) -> tuple[int, ...]:
        """Return the indices of a class's ancestors, its parent first."""
        found = []
        parent = self.classes[index].parent
        while parent:
            found.append(self._positions[parent])
            parent = self.classes[found[-1]].parent
        return tuple(found)

    def _check_parents(self) -> None:
        for info in self.classes:
            if info.parent and info.parent not in self._positions:
                raise DatasetError(
                    f"{self.name}: class {info.key!r} has the parent {info.parent!r}, which is no class of the list; "
                    "add a class with that key, or leave its parent empty"
                )
            seen, parent = [info.key], info.parent
            while parent:
                if parent in seen:
                    circle = " > ".join([*seen, parent])
                    raise DatasetError(f"{self.name}: parents go in a circle: {circle}; leave one of them empty")
                seen.append(parent)
                parent = self.classes[self._positions[parent]].parent

    def index_of(self, key: str) -> int:
        """Return the index of the class that has this key.

        Raise `DatasetError` if no class has it; the message names similar keys.
        """
        position = self._positions.get(key)
        if position is not None:
            return position
        from difflib import get_close_matches

        near = get_close_matches(key, self._positions, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise DatasetError(f"no class {key!r} among the {len(self)} classes of {self.name}{hint}")


def load_label_space(source: str | Path) -> LabelSpace:
    """Read a label space by name (``imagenet-1k``, …) or from a file (:mod:`pipeline.project.class_files`).

    Raise `DatasetError` if the name is unknown, or the file is missing, malformed or contradicts itself; the message
    names the line or row.
    """
    if isinstance(source, str) and source in NAMED_LABEL_SPACES:
        return _load_from_timm(source)
    path = Path(source)
    if not path.is_file():
        raise DatasetError(
            f"{source}: neither a file nor a known label space; known are {', '.join(NAMED_LABEL_SPACES)}"
        )
    classes = [
        ClassInfo(index, row.key, row.name or name_from_key(row.key), row.synonyms, row.definition, row.parent)
        for index, row in class_rows_in_order(read_class_rows(path))
    ]
    return LabelSpace(tuple(classes), name=path.stem)


def label_space_from_keys(keys: Iterable[str], name: str = "label space") -> LabelSpace:
    """Build a label space in which only the key of each class is known, as for folders named after classes."""
    return LabelSpace(tuple(ClassInfo(i, key, name_from_key(key)) for i, key in enumerate(keys)), name=name)


def name_from_key(key: str) -> str:
    """Return what people call a class of which only the key is known."""
    return settled(key.replace("_", " ")) or key


def write_label_space(space: LabelSpace, path: Path) -> None:
    """Write a label space to Parquet: the columns index, key, name, synonyms (list) and definition.

    Where a class has a parent there is a column parent, and where the list was changed the columns fate, into (list)
    and since (:class:`ClassInfo`).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "index": pa.array(range(len(space)), pa.int32()),
        "key": pa.array(space.keys, pa.string()),
        "name": pa.array(space.names, pa.string()),
        "synonyms": pa.array([list(info.synonyms) for info in space], pa.list_(pa.string())),
        "definition": pa.array([info.definition for info in space], pa.string()),
    }
    if any(info.parent for info in space):
        columns["parent"] = pa.array([info.parent for info in space], pa.string())
    if any(info.fate or info.since for info in space):
        columns["fate"] = pa.array([info.fate for info in space], pa.string())
        columns["into"] = pa.array([list(info.into) for info in space], pa.list_(pa.int32()))
        columns["since"] = pa.array([info.since for info in space], pa.int32())
    pq.write_table(pa.table(columns).replace_schema_metadata({"label_space": space.name}), path)


def read_project_classes(path: Path) -> LabelSpace:
    """Read a project's own list of classes, with what became of those that are no longer in it.

    Raise `DatasetError` as :func:`load_label_space` does.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            fates = file.read(columns=["fate", "into", "since"]).to_pylist() if "fate" in names else []
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: cannot be read as Parquet: {error}") from error
    space = load_label_space(path)
    if not fates:
        return space
    changed = (
        replace(info, fate=row["fate"], into=tuple(row["into"]), since=row["since"])
        for info, row in zip(space, fates, strict=True)
    )
    return LabelSpace(tuple(changed), name=space.name)


def _load_from_timm(name: str) -> LabelSpace:
    keys, lemmas, definitions = _files_of_timm() if name == "imagenet-1k" else (None, {}, {})
    if keys is None:
        from timm.data import ImageNetInfo

        info = ImageNetInfo(NAMED_LABEL_SPACES[name])
        keys = info.label_names()
        lemmas = {key: info.label_name_to_description(key, detailed=False) for key in keys}
        definitions = {key: info.label_name_to_description(key, detailed=True).partition(": ")[2] for key in keys}
    classes = []
    for index, key in enumerate(keys):
        first, *others = (lemma.strip() for lemma in lemmas[key].split(","))
        classes.append(ClassInfo(index, key, first, tuple(others), definitions[key]))
    return LabelSpace(tuple(classes), name=name)


def _files_of_timm() -> tuple[list[str] | None, dict[str, str], dict[str, str]]:
    """Return ImageNet-1k's keys, lemmas and definitions from the text files that timm carries; None without them.

    Asking timm itself would load torch first, which takes longer than settling a million votes.
    """
    from importlib.util import find_spec

    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        return None, {}, {}
    folder = Path(spec.origin).parent / "data" / "_info"
    names = ("imagenet_synsets.txt", "imagenet_synset_to_lemma.txt", "imagenet_synset_to_definition.txt")
    if not all((folder / name).is_file() for name in names):
        return None, {}, {}
    keys, lemmas, definitions = ((folder / name).read_text(encoding="utf-8") for name in names)
    by_key = [dict(csv.reader(text.splitlines(), delimiter="\t")) for text in (lemmas, definitions)]
    return keys.splitlines(), by_key[0], by_key[1]
