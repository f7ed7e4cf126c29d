"""The ordered list of all classes that an image can be labelled with.

ImageNet's spaces come from `timm`'s own metadata; any other from a CSV, JSON or Parquet file. A class's *index* is its
position, its *key* the stable identifier that files use (a WordNet id, or whatever the data set calls its classes).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.project.csv_dialect import separator_of

#: Label spaces known by name, and the name of `timm`'s metadata subset.
NAMED_LABEL_SPACES = {
    "imagenet-1k": "imagenet-1k",
    "imagenet-12k": "imagenet-12k",
    "imagenet-21k": "imagenet-21k",
    "imagenet-22k": "imagenet-22k",
}
COLUMNS = ("index", "key", "name", "synonyms", "definition")
_SYNONYM_SEPARATOR = ";"


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class: its position, its stable key, and what people need to recognise it."""

    index: int
    key: str
    name: str
    synonyms: tuple[str, ...] = ()
    definition: str = ""


@dataclass(frozen=True)
class LabelSpace:
    """An immutable, ordered list of classes.

    Parameters
    ----------
    classes
        In index order; ``classes[i].index == i``.
    name
        How people call it, for messages.

    Raises
    ------
    DatasetError
        If it is empty, an index is out of order, a key is empty or occurs twice.
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
                    f"{self.name}: class {info.key!r} has index {info.index} where {position} is due; "
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

    def index_of(self, key: str) -> int:
        """Return the index of the class with this key.

        Raises
        ------
        DatasetError
            If no class has it; the message names near misses.
        """
        position = self._positions.get(key)
        if position is not None:
            return position
        from difflib import get_close_matches

        near = get_close_matches(key, self._positions, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise DatasetError(f"no class {key!r} among the {len(self)} classes of {self.name}{hint}")


def load_label_space(source: str | Path) -> LabelSpace:
    """Read a label space by name (``imagenet-1k``, …) or from a CSV, JSON or Parquet file.

    Files have the columns ``key`` and, as far as known, ``index``, ``name``, ``synonyms`` (separated by ``;`` in CSV, a
    list in JSON and Parquet) and ``definition``. JSON is a list of such objects, a list of keys, or an object from key
    to name.

    Raises
    ------
    DatasetError
        If the name is unknown, or the file is missing, malformed or contradicts itself; row numbers count from 1.
    """
    if isinstance(source, str) and source in NAMED_LABEL_SPACES:
        return _load_from_timm(source)
    path = Path(source)
    if not path.is_file():
        raise DatasetError(
            f"{source}: neither a file nor a known label space; known are {', '.join(NAMED_LABEL_SPACES)}"
        )
    reader = {".csv": _read_csv, ".tsv": _read_csv, ".json": _read_json, ".parquet": _read_parquet}.get(
        path.suffix.lower()
    )
    if reader is None:
        raise DatasetError(f"{path}: a label space is read from .csv, .tsv, .json or .parquet, not {path.suffix!r}")
    return _from_records(reader(path), path)


def label_space_from_keys(keys: Iterable[str], name: str = "label space") -> LabelSpace:
    """Build a label space in which each class is known by its key alone, as for a class-named folder tree."""
    return LabelSpace(tuple(ClassInfo(i, key, key.replace("_", " ")) for i, key in enumerate(keys)), name=name)


def write_label_space(space: LabelSpace, path: Path) -> None:
    """Write a label space to Parquet, with the columns index, key, name, synonyms (list) and definition."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "index": pa.array(range(len(space)), pa.int32()),
            "key": pa.array(space.keys, pa.string()),
            "name": pa.array(space.names, pa.string()),
            "synonyms": pa.array([list(info.synonyms) for info in space], pa.list_(pa.string())),
            "definition": pa.array([info.definition for info in space], pa.string()),
        }
    ).replace_schema_metadata({"label_space": space.name})
    pq.write_table(table, path)


def _load_from_timm(name: str) -> LabelSpace:
    from timm.data import ImageNetInfo

    info = ImageNetInfo(NAMED_LABEL_SPACES[name])
    classes = []
    for index, wnid in enumerate(info.label_names()):
        lemmas = [lemma.strip() for lemma in info.label_name_to_description(wnid, detailed=False).split(",")]
        definition = info.label_name_to_description(wnid, detailed=True).partition(": ")[2]
        classes.append(ClassInfo(index, wnid, lemmas[0], tuple(lemmas[1:]), definition))
    return LabelSpace(tuple(classes), name=name)


def _read_csv(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            delimiter = "\t" if path.suffix.lower() == ".tsv" else separator_of(file)
            records: list[dict[Any, Any]] = list(csv.DictReader(file, delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error
    for row, record in enumerate(records, start=1):
        if any(cell.strip() for cell in record.pop(None, [])):
            raise DatasetError(
                f"{path}, row {row}: more values than columns; quote a value that holds a comma or semicolon"
            )
    return records


def _read_json(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as JSON: {error}") from error
    if isinstance(content, dict):
        return [{"key": key, "name": name} for key, name in content.items()]
    if isinstance(content, list):
        return [{"key": item} if isinstance(item, str) else item for item in content]
    raise DatasetError(
        f"{path}: holds a {type(content).__name__}; a list of classes or an object from key to name is due"
    )


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not `read_table`: it loads pyarrow's data sets and with them pandas, which no session needs.
        with pq.ParquetFile(path) as file:
            table = file.read()
    except pa.ArrowException as error:
        raise DatasetError(f"{path}: cannot be read as Parquet: {error}") from error
    return list(table.to_pylist())


def _from_records(records: Sequence[Mapping[str, Any]], path: Path) -> LabelSpace:
    classes = []
    for row, record in enumerate(records, start=1):
        if not isinstance(record, dict) or not str(record.get("key") or "").strip():
            raise DatasetError(
                f"{path}, row {row}: no 'key'; a label space needs the column 'key' with a value in every row"
            )
        key = str(record["key"]).strip()
        classes.append(
            ClassInfo(
                _index(record.get("index"), row - 1, path, row),
                key,
                str(record.get("name") or key.replace("_", " ")).strip(),
                _synonyms(record.get("synonyms")),
                str(record.get("definition") or "").strip(),
            )
        )
    return LabelSpace(tuple(sorted(classes, key=lambda info: info.index)), name=path.stem)


def _index(value: object, default: int, path: Path, row: int) -> int:
    if value is None or value == "":
        return default
    try:
        return int(str(value))
    except ValueError as error:
        raise DatasetError(f"{path}, row {row}: index {value!r} is not a whole number") from error


def _synonyms(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    parts = value.split(_SYNONYM_SEPARATOR) if isinstance(value, str) else [str(part) for part in value]  # type: ignore[attr-defined]
    return tuple(part.strip() for part in parts if part.strip())
