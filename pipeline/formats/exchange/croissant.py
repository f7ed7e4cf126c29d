"""Croissant (MLCommons, JSON-LD): a table of labels, and `croissant.json` that says what each column holds.

Format specification 1.0, docs.mlcommons.org/croissant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pipeline.errors import DatasetError
from pipeline.formats.exchange import tables
from pipeline.formats.exchange.content import ImageContent, Outgoing, ReadOptions, Refused
from pipeline.formats.exchange.rows import json_content
from pipeline.project.files import sha256_of
from pipeline.project.names import column_name
from pipeline.project.writing import write_text

#: Croissant's own words; each means `cr:` and the word itself.
_WORDS = (
    "citeAs column extract field fileProperty fileObject fileSet format includes isLiveDataset jsonPath key md5 "
    "parentField path recordSet references regex repeated replace separator source subField transform"
)
#: The vocabulary of a Croissant file.
CONTEXT: Final[Mapping[str, object]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "dct": "http://purl.org/dc/terms/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{word: f"cr:{word}" for word in _WORDS.split()},
}
_WHOLE_NUMBERS = frozenset({"image_index", "class_index", "n_yes", "n_no", "n_unsure"})
_TABLE, _FILE_ID = "labels.csv", "refined-labels"


def record_set(columns: Sequence[str]) -> dict[str, object]:
    """Return the description of a table of refined labels: one field a column, taken from this file object."""
    return {
        "@type": "cr:RecordSet",
        "@id": "labels",
        "name": "labels",
        "description": "One row per refined label; an image without any has one row without a class.",
        "field": [_field(column) for column in columns],
    }


def file_object(name: str, address: str, sha256: str) -> dict[str, object]:
    """Return the description of the CSV of refined labels."""
    return {
        "@type": "cr:FileObject",
        "@id": _FILE_ID,
        "name": name,
        "contentUrl": address,
        "encodingFormat": "text/csv",
        "sha256": sha256,
    }


def _field(column: str) -> dict[str, object]:
    kind = "sc:Integer" if column in _WHOLE_NUMBERS else "sc:Float" if column == "posterior" else "sc:Text"
    return {
        "@type": "cr:Field",
        "@id": f"labels/{column}",
        "name": column,
        "description": column.replace("_", " "),
        "dataType": kind,
        "source": {"fileObject": {"@id": _FILE_ID}, "extract": {"column": column}},
    }


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write `labels.csv` and `croissant.json` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _TABLE
    notes = tables.write(given, path)
    digest = sha256_of(path)
    columns = given.columns or tuple(tables.LABEL_COLUMNS)
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": given.name,
        "description": f"Refined labels of {given.name}.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": datetime.now(UTC).date().isoformat(),
        "version": "1.0.0",
        "distribution": [file_object(_TABLE, _TABLE, digest)],
        "recordSet": [record_set(columns)],
    }
    write_text(folder / "croissant.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return [*notes, "licence, address and citation are yours to add to croissant.json; `mlf report` writes a full card"]


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read the labels that a Croissant file describes: the local table whose fields name images and classes."""
    for path in paths:
        described = path / "croissant.json" if path.is_dir() else path
        content = json_content(described)
        table = _table_of(content, described)
        if not table.is_file():
            raise DatasetError(f"{table} does not exist, and {described} describes it; put it there")
        for name, told in _digests_of(content, table.name).items():
            with table.open("rb") as file:
                if hashlib.file_digest(file, name).hexdigest() != told.lower():
                    raise DatasetError(f"{table}: it is not the file that {described} describes (its {name} differs)")
        yield from tables.read([table], options)


def _objects(content: Any) -> list[dict[str, Any]]:
    listed = content.get("distribution", []) if isinstance(content, dict) else []
    return [each for each in listed if isinstance(each, dict)]


def _digests_of(content: Any, name: str) -> dict[str, str]:
    """Return the digests that are told of a file: some tools write an MD5, and some none."""
    mine = next((each for each in _objects(content) if Path(str(each.get("contentUrl", ""))).name == name), {})
    return {kind: str(mine[kind]) for kind in ("sha256", "md5") if mine.get(kind)}


def _table_of(content: Any, path: Path) -> Path:
    """Return the local table in which fields of a record set lie, one of which is a class."""
    address = {each.get("@id"): str(each.get("contentUrl", "")) for each in _objects(content)}
    fields = [
        field
        for records in (content.get("recordSet", []) if isinstance(content, dict) else [])
        for field in records.get("field", [])
    ]
    for field in fields:
        source = field.get("source") or {}
        column = column_name(str((source.get("extract") or {}).get("column", "")))
        where = address.get((source.get("fileObject") or {}).get("@id"), "")
        if column in tables.CLASS_COLUMNS and where and "://" not in where:
            return path.parent / where
    raise DatasetError(f"{path}: describes no local table with a column of classes ({', '.join(tables.CLASS_COLUMNS)})")
