"""Files of classes as frameworks and spreadsheets write them, read into rows.

CSV, TSV and Parquet with the columns `key`, `index`, `name`, `synonyms`, `definition`, `parent`; JSON as a list of
keys, a list of such objects, key to name, key to index (torchvision's `class_to_idx`, transformers' `label2id`), index
to key (`id2label`) or index to key and name (Keras' `imagenet_class_index.json`); text with one class per line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.project.csv_dialect import csv_rows, twice
from pipeline.project.names import column_name, first_few, names_in, settled
from pipeline.project.notices import tell

COLUMNS = ("key", "index", "name", "synonyms", "definition", "parent")
#: What a project keeps about classes that are no longer in its list; read by :mod:`pipeline.project.label_space`.
_KEPT = ("fate", "into", "since")
SUFFIXES = (".csv", ".tsv", ".json", ".parquet", ".txt")
_EXACT = 2**53
_WHOLE = re.compile(r"(\d{1,9})(\.0+)?", re.ASCII)
#: Objects that hold the classes inside a larger file, such as transformers' `config.json`.
_WRAPPERS = ("class_to_idx", "label2id", "id2label")
_LIKE_A_COLUMN = 0.75
# How lines of a text list may be written besides a bare key: `3 cat`, `cat 3`, `n01440764 tench, Tinca tinca`.
_NUMBER_FIRST, _NUMBER_LAST = (
    re.compile(r"(\d+)[\s,:;]+(\S.*)", re.ASCII),
    re.compile(r"(\S.*?)[\s,:;]+(\d+)", re.ASCII),
)
_WORDNET = re.compile(r"(n\d{8})\s+(\S.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class as a file describes it; `index` is None where the order of the rows gives it."""

    where: str
    key: str
    index: int | None = None
    name: str = ""
    synonyms: tuple[str, ...] = ()
    definition: str = ""
    parent: str = ""


def read_class_rows(path: Path) -> list[ClassRow]:
    """Read a file of classes by its suffix, and tell what was assumed about it.

    Raise `DatasetError` if it is not a file of classes, a row has no key, a key or an index occurs twice, or only some
    rows have an index. The message names the line or the row.
    """
    readers: Mapping[str, Callable[[Path], list[ClassRow]]] = {
        ".csv": _from_csv, ".tsv": _from_csv, ".json": _from_json, ".parquet": _from_parquet, ".txt": _from_text,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: a label space is read from {', '.join(SUFFIXES)}, not {path.suffix!r}")
    try:
        rows = reader(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error
    _refuse_doubles(rows, path)
    with_index = [row for row in rows if row.index is not None]
    if with_index and len(with_index) < len(rows):
        lacking = next(row for row in rows if row.index is None)
        raise DatasetError(f"{lacking.where}: no index, where other classes have one; give one to all or to none")
    for expected, (index, row) in enumerate(class_rows_in_order(rows)):
        if index != expected:
            advice = "subtract 1 from each, or leave them out" if _counts_from_1(rows) else "leave no gap"
            raise DatasetError(
                f"{row.where}: class {row.key!r} has index {index}; expected {expected}; indices count 0, 1, 2, …: "
                f"{advice}"
            )
    if rows and not with_index:
        keys = first_few(repr(row.key) for row in rows)
        tell(f"{path}: gives no index, so classes are numbered 0, 1, 2, … in its order ({keys})")
    return rows


def _refuse_doubles(rows: Sequence[ClassRow], path: Path) -> None:
    seen_keys: dict[str, ClassRow] = {}
    seen_indices: dict[int, ClassRow] = {}
    for row in rows:
        if not row.key:
            raise DatasetError(f"{row.where}: no 'key'; a label space needs a key for every class")
        other = seen_keys.setdefault(row.key, row)
        if other is not row:
            raise DatasetError(
                f"{row.where}: key {row.key!r} occurs again, after {other.where.removeprefix(f'{path}, ')}; keys must "
                "be unique, white space around them and Unicode's normal forms aside"
            )
        if row.index is not None and (other := seen_indices.setdefault(row.index, row)) is not row:
            raise DatasetError(f"{row.where}: class {row.key!r} has index {row.index}, which {other.key!r} has, too")


def _counts_from_1(rows: Sequence[ClassRow]) -> bool:
    return sorted(row.index or 0 for row in rows) == list(range(1, len(rows) + 1))


# ---- tables
def _from_csv(path: Path) -> list[ClassRow]:
    separator = "\t" if path.suffix.lower() == ".tsv" else None
    with path.open("rb") as binary, csv_rows(binary, path, separator=separator) as table:
        _check_columns(table.shown_header, path)
        at = {name: table.position(name) for name in COLUMNS}
        rows = []
        for line, cells in table.rows:
            where = f"{path}, line {line}"
            if surplus := table.surplus(cells):
                raise DatasetError(f"{where}: {surplus}")
            record = {n: cells[i] for n, i in at.items() if i is not None and i < len(cells)}
            rows.append(_class_row(record, where))
    return rows


def _from_parquet(path: Path) -> list[ClassRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not `read_table`: it loads pyarrow's dataset module and with it pandas, which no session needs.
        with pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            _check_columns([name for name in names if not name.startswith("__")], path)
            known = {name: column_name(name) for name in names if column_name(name) in COLUMNS}
            records = file.read(columns=list(known)).to_pylist()
    except pa.ArrowException as error:
        raise DatasetError(f"{path}: cannot be read as Parquet: {error}") from error
    return [
        _class_row({known[name]: value for name, value in record.items()}, f"{path}, row {number}")
        for number, record in enumerate(records)
    ]


def _check_columns(header: Sequence[str], path: Path) -> None:
    """Refuse a table that has no keys, a repeated column or a misspelt one; tell which columns are not used."""
    names = [column_name(name) for name in header]
    for name in COLUMNS:
        if names.count(name) > 1:
            raise DatasetError(twice(path, name))
    unused = [name for name in names if name and name not in (*COLUMNS, *_KEPT) and not name.startswith("unnamed:")]
    for name in unused:
        near = [known for known in get_close_matches(name, COLUMNS, 1, _LIKE_A_COLUMN) if known not in names]
        if near:
            raise DatasetError(f"{path}: column {name!r} is none of {', '.join(COLUMNS)}; did you mean {near[0]!r}?")
    if "key" not in names:
        raise DatasetError(
            f"{path}: no column 'key' among {', '.join(map(repr, header))}; call the column that identifies each class "
            "`key` (a bare list of keys is read from a .txt)"
        )
    if unused:
        tell(f"{path}: not used: {', '.join(map(repr, unused))}; a class has {', '.join(COLUMNS)}")


# ---- JSON
class _Object(list[tuple[str, Any]]):
    """A JSON object as pairs, so that a repeated key is noticed instead of overwritten."""


def _from_json(path: Path) -> list[ClassRow]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Object)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DatasetError(f"{path}: cannot be read as JSON: {error}") from error
    if isinstance(content, _Object):
        inside = dict(content)
        wrapper = next((name for name in _WRAPPERS if isinstance(inside.get(name), _Object)), None)
        return _from_object(inside[wrapper] if wrapper else content, path)
    if isinstance(content, list):
        records = [item if isinstance(item, _Object) else [("key", item)] for item in content]
        return [
            _class_row(_record(item, f"{path}, entry {n}"), f"{path}, entry {n}") for n, item in enumerate(records, 1)
        ]
    raise DatasetError(
        f"{path}: holds a {type(content).__name__}; expected a list of classes, or an object from key to name or "
        "index, or from index to key"
    )


def _from_object(pairs: _Object, path: Path) -> list[ClassRow]:
    values = [value for _, value in pairs]
    keys = [key for key, _ in pairs]
    places = [f"{path}, {key!r}" for key in keys]
    if values and all(_whole(value) is not None for value in values) and _is_numbering(values, keys):
        return [ClassRow(w, settled(k), _whole(v)) for w, k, v in zip(places, keys, values, strict=True)]
    if keys and sorted(indices := [_whole(key) for key in keys], key=_none_last) == list(range(len(keys))):
        return _from_indices(indices, values, places, path)
    if all(isinstance(value, _Object) for value in values):
        return [_class_row({"key": k, **_record(v, w)}, w) for k, v, w in zip(keys, values, places, strict=True)]
    return [_class_row({"key": k, "name": v}, w) for k, v, w in zip(keys, values, places, strict=True)]


def _is_numbering(values: Sequence[Any], keys: Sequence[str]) -> bool:
    """Tell whether values are indices: numbers, or text that counts 0, 1, 2, … while the keys do not."""
    if all(isinstance(value, (int, float)) for value in values):
        return True
    counted = list(range(len(values)))
    return sorted(_whole(v) or 0 for v in values) == counted != sorted((_whole(k) for k in keys), key=_none_last)


def _from_indices(
    indices: Sequence[int | None], values: Sequence[Any], places: Sequence[str], path: Path
) -> list[ClassRow]:
    """Read an object that maps each index to a key, or to a key and a name."""
    if all(isinstance(value, list) and len(value) == 2 and not isinstance(value, _Object) for value in values):
        tell(f"{path}: read as index to key and name")
        return [
            _class_row({"index": i, "key": v[0], "name": v[1]}, w)
            for i, v, w in zip(indices, values, places, strict=True)
        ]
    texts = [_text(value, where, "name") for value, where in zip(values, places, strict=True)]
    if all(texts) and len(set(texts)) == len(texts):
        tell(f"{path}: read as index to key, as in `id2label` (0 is {texts[indices.index(0)]!r})")
        return [ClassRow(w, key, index) for w, key, index in zip(places, texts, indices, strict=True)]
    tell(f"{path}: its names are not unique, so the numbers stand as keys")
    return [ClassRow(w, str(index), index, name) for w, index, name in zip(places, indices, texts, strict=True)]


def _record(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, value in pairs:
        if (known := column_name(name)) in record:
            raise DatasetError(twice(where, known))
        record[known] = value
    return record


def _none_last(number: int | None) -> tuple[bool, int]:
    return number is None, number or 0


# ---- text
def _from_text(path: Path) -> list[ClassRow]:
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        lines = raw.decode(encoding).splitlines()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DatasetError(f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8") from error
    found = [(f"{path}, line {number}", settled(line)) for number, line in enumerate(lines, start=1)]
    found = [(where, line) for where, line in found if line]
    if not found:
        raise DatasetError(f"{path}: holds no class; write one on each line")
    for pattern, number_at in ((_NUMBER_FIRST, 1), (_NUMBER_LAST, 2)):
        matches = [pattern.fullmatch(line) for _, line in found]
        numbers = [int(match[number_at]) for match in matches if match]
        first = min(numbers, default=0)
        if len(numbers) == len(found) and sorted(numbers) == list(range(first, first + len(found))) and first in (0, 1):
            tell(f"{path}: each line is read as a key and its number, counted from {first}")
            return [
                ClassRow(where, settled(match[3 - number_at]), number - first)
                for (where, _), match, number in zip(found, matches, numbers, strict=True)
                if match
            ]
    matches = [_WORDNET.fullmatch(line) for _, line in found]
    if all(matches):
        tell(f"{path}: each line is read as a WordNet id and its names")
        named = [(where, m[1], tuple(names_in(m[2]))) for (where, _), m in zip(found, matches, strict=True) if m]
        return [ClassRow(where, key, None, names[0], names[1:]) for where, key, names in named]
    return [ClassRow(where, line) for where, line in found]


# ---- cells
def _class_row(record: Mapping[str, Any], where: str) -> ClassRow:
    key = _text(record.get("key"), where, "key")
    if not key:
        found = ", ".join(map(repr, record)) or "nothing"
        raise DatasetError(f"{where}: no 'key' among {found}; every class needs one")
    return ClassRow(
        where,
        key,
        _index(record.get("index"), where),
        _text(record.get("name"), where, "name"),
        _synonyms(record.get("synonyms"), where),
        _text(record.get("definition"), where, "definition"),
        _text(record.get("parent"), where, "parent"),
    )


def _text(value: object, where: str, column: str) -> str:
    """Return a cell as text; a missing value (null, NaN) becomes empty text."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return settled(value)
    if isinstance(value, bytes):
        try:
            return settled(value.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise DatasetError(f"{where}: {column!r} holds bytes that are not UTF-8 text; give text") from error
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, (float, Decimal)):
        number = float(value)
        if number.is_integer() and abs(number) <= _EXACT:
            return str(int(number))
        raise DatasetError(f"{where}: {column!r} is the number {value}; give text or a whole number")
    kind = {bool: "a truth value", list: "a list", _Object: "an object", dict: "a record"}.get(type(value), "no text")
    raise DatasetError(f"{where}: {column!r} is {kind} ({value!r:.60}); give text")


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    match = _WHOLE.fullmatch(settled(value)) if isinstance(value, str) else None
    return int(match[1]) if match else None


def _index(value: object, where: str) -> int | None:
    text = _text(value, where, "index")
    if not text:
        return None
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise DatasetError(f"{where}: index {value!r} is not a whole number")
    return int(match[1])


def _synonyms(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and not isinstance(value, _Object):
        return tuple(text for part in value if (text := _text(part, where, "synonyms")))
    return synonyms_in(_text(value, where, "synonyms"))


def synonyms_in(text: str) -> tuple[str, ...]:
    """Return the synonyms in a list separated by semicolons."""
    return tuple(names_in(text, ";"))


def class_rows_in_order(rows: Sequence[ClassRow]) -> Iterator[tuple[int, ClassRow]]:
    """Yield the index and row of every class, by index; in the order of the file where it gives no indices."""
    numbered = [(position if row.index is None else row.index, row) for position, row in enumerate(rows)]
    yield from sorted(numbered, key=lambda pair: pair[0])
