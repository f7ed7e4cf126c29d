"""Hugging Face `datasets`: a folder of images with metadata, whose `labels` are a `List(ClassLabel)`.

The names of the classes stand in the schema of the metadata, or in the `README.md` beside them. Images are decoded
there as they are here: turned upright by EXIF.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Outgoing, ReadOptions, Refused
from pipeline.formats.exchange.image_files import link_into
from pipeline.formats.exchange.json_lines import LABEL_FIELDS, record_of
from pipeline.formats.exchange.rows import as_name, columns_with_class_names, json_lines, table_rows
from pipeline.project.wording import so_many
from pipeline.project.writing import whole_file, write_text

_WRITTEN = "metadata.parquet"
_METADATA = ("metadata.jsonl", "metadata.csv", _WRITTEN)
_COLUMNS = {
    "file_name": pa.string(),
    "image_id": pa.string(),
    "labels": pa.list_(pa.int64()),
    "posterior": pa.list_(pa.float64()),
    "source": pa.list_(pa.string()),
    "shown": pa.list_(pa.int64()),
    "empty_source": pa.string(),
}
_ROWS_AT_ONCE = 10_000
#: The names of a ClassLabel in the YAML of a README: `'0': cat`.
_NAME = re.compile(r"^\s*'(\d+)':\s*(.+?)\s*$", re.MULTILINE)


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read the metadata of an image folder (`.jsonl`, `.csv`, `.parquet`), or a Parquet that `datasets` wrote."""
    for given in paths:
        root = given if given.is_dir() else given.parent
        for path in _files_of(given) if given.is_dir() else [given]:
            names = _class_names(path, root)
            # Metadata name images by where they lie themselves; a Parquet of `datasets` by whatever they were called.
            within = path.parent.relative_to(root) if path.name in _METADATA else Path()
            rows = json_lines(path) if path.suffix.lower() == ".jsonl" else table_rows(path)
            for place, row in rows:
                record = record_of(_with_list(row), str(within / place), options.annotator)
                yield _named(record, names, within) if isinstance(record, ImageContent) else record


def _files_of(folder: Path) -> list[Path]:
    """Return a folder's metadata; else those of the splits in it; else the Parquet files of a data set."""
    own = _metadata_in(folder)
    if own is not None:
        return [own]
    inside = [_metadata_in(Path(name)) for name, _, _ in sorted(os.walk(folder))]
    found = [path for path in inside if path is not None] or sorted(folder.rglob("*.parquet"))
    if not found:
        raise DatasetError(
            f"{folder}: neither it nor a folder in it has {', '.join(_METADATA)} or Parquet; give a folder of images "
            "with metadata (one folder a class says one label an image: `mlf init` reads those)"
        )
    return found


def _metadata_in(folder: Path) -> Path | None:
    return next((folder / name for name in _METADATA if (folder / name).is_file()), None)


def _class_names(path: Path, root: Path) -> dict[str, str]:
    """Return the class of each number, as the README of the metadata tells it; empty where there is none.

    Numbers that the schema of a Parquet names are names already.
    """
    if path.suffix.lower() == ".parquet" and columns_with_class_names(path) & {*LABEL_FIELDS}:
        return {}
    beside = (each / "README.md" for each in (path.parent, root))
    readme = next((each for each in beside if each.is_file()), None)
    if readme is None:
        return {}
    text = readme.read_text(encoding="utf-8-sig", errors="replace")
    head = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
    found: dict[str, str] = {}
    for number, written in _NAME.findall(head):
        name = as_name(_unquoted(written))
        if found.setdefault(number, name) != name:
            raise DatasetError(
                f"{readme}: it calls class {number} both {found[number]!r} and {name!r}: leave the names of the labels "
                "alone in it"
            )
    return found


def _unquoted(name: str) -> str:
    if name.startswith("'") and name.endswith("'") and len(name) > 1:
        return name[1:-1].replace("''", "'")
    if name.startswith('"') and name.endswith('"') and len(name) > 1:
        try:
            return str(json.loads(name))
        except ValueError:
            return name[1:-1]
    return name


def _with_list(row: Any) -> Any:
    """Return a row of a CSV with its list of labels read: a cell holds JSON, or names between semicolons."""
    labels = row.get("labels") if isinstance(row, dict) else None
    if not isinstance(labels, str):
        return row
    try:
        listed = json.loads(labels)
    except ValueError:
        listed = [name.strip() for name in labels.split(";") if name.strip()]
    return {**row, "labels": listed if isinstance(listed, list) else [listed]}


def _named(record: ImageContent, names: dict[str, str], within: Path) -> ImageContent:
    """Return a record whose class numbers are names, where these are known, and whose image lies in this folder."""
    labels = None
    if record.labels is not None:
        labels = tuple(replace(label, name=names.get(label.name, label.name)) for label in record.labels)
    image = str(within / record.image) if within.parts else record.image
    return replace(record, labels=labels, image=image)


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write a folder that `load_dataset("imagefolder", data_dir=folder)` reads: links, metadata and a README.

    The metadata are Parquet, whose schema names the classes: `datasets` takes no features of a folder of images from
    its README.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = {name: position for position, name in enumerate(given.classes)}
    schema = pa.schema(_COLUMNS.items()).with_metadata({"huggingface": json.dumps(_described(given.classes))})
    lines: list[dict[str, Any]] = []
    n_left, n_written, n_links = 0, 0, 0
    with whole_file(folder / _WRITTEN) as unfinished, pq.ParquetWriter(unfinished, schema) as writer:
        for record in given.images():
            name: str | None = record.file_name
            if record.labels is not None and given.link_images:
                name = link_into(folder, given.locate(record), record.file_name)
            if record.labels is None or name is None:
                n_left += 1
                continue
            n_links += given.link_images and (folder / name).is_symlink()
            lines.append(_as_line(record, name, index))
            n_written += 1
            if len(lines) == _ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pylist(lines, schema))
                lines.clear()
        writer.write_table(pa.Table.from_pylist(lines, schema))
    write_text(folder / "README.md", _readme(given, n_written))
    notes = [f"{so_many(n_left, 'image')} left out: undecided, or without a file"] if n_left else []
    links = ["images are links: copy the folder with what they lead to (cp -L)"] if n_links else []
    return [*notes, *links]


def _described(classes: Sequence[str]) -> dict[str, Any]:
    """Return the columns as `datasets` describes them in a schema."""
    text = {"dtype": "string", "_type": "Value"}
    numbers = {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "List"}
    labels = {"feature": {"names": list(classes), "_type": "ClassLabel"}, "_type": "List"}
    kinds = {"labels": labels, "shown": labels, "posterior": numbers, "source": {"feature": text, "_type": "List"}}
    return {"info": {"features": {name: kinds.get(name, text) for name in _COLUMNS}}}


def _as_line(record: ImageContent, name: str, index: dict[str, int]) -> dict[str, Any]:
    labels = record.labels or ()
    return {
        "file_name": name,
        "image_id": record.image,
        "labels": [index[label.name] for label in labels],
        "posterior": [label.posterior for label in labels],
        "source": [label.source for label in labels],
        "shown": [index[each] for each in record.shown],
        "empty_source": record.empty_source,
    }


def _readme(given: Outgoing, n_images: int) -> str:
    """Return the card of the data set."""
    return (
        f"---\ntask_categories:\n- image-classification\n---\n\n# {given.name}\n\n"
        f"{so_many(n_images, 'image')} with their refined labels, made with multilabelfy. `shown` lists the classes "
        "that annotators were shown: a class that is not among them has no vote.\n"
    )
