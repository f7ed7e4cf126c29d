"""FiftyOne's image classification data set: `labels.json` with several classes an image, and `data.json` or `data/`.

https://docs.voxel51.com/user_guide/import_datasets.html#fiftyoneimageclassificationdataset. It has no exposure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Outgoing, ReadOptions, Refused
from pipeline.formats.exchange.rows import as_name, as_number, in_short, json_content
from pipeline.images.locations import without_image_suffix
from pipeline.images.within import file_of
from pipeline.project.wording import so_many
from pipeline.project.writing import write_text


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:  # noqa: ARG001 - one signature
    """Read `labels.json`; a folder means the one in it. `null` is an image without a word about it."""
    for given in paths:
        path = given / "labels.json" if given.is_dir() else given
        content = json_content(path)
        labels = content.get("labels") if isinstance(content, dict) else None
        if not isinstance(labels, dict):
            raise DatasetError(f"{path}: no image classification data set of FiftyOne: it lacks the object 'labels'")
        classes = [str(name) for name in content.get("classes") or ()]
        manifest = path.with_name("data.json")
        files = json_content(manifest) if manifest.is_file() else {}
        for key, value in labels.items():
            image, place = str(files.get(key, key)), f"{path.name}, {key!r}"
            if value is None:
                yield Refused(place, image, "nobody has said anything about it (null)", is_skip=True)
                continue
            found = [_label(each, classes) for each in (value if isinstance(value, list) else [value])]
            known = tuple(label for label in found if label is not None)
            if len(known) < len(found):
                yield Refused(place, image, f"{in_short(value)} names a class that its `classes` lack")
            else:
                yield ImageContent(image, place, labels=known, empty_is_meant=bool(known))


def _label(value: Any, classes: list[str]) -> Label | None:
    """Return a label from an index into the classes, a name, or an object with `label` and `confidence`."""
    confidence = None
    if isinstance(value, dict):
        confidence, value = as_number(value.get("confidence")), value.get("label")
    if isinstance(value, int) and not isinstance(value, bool) and classes:
        return Label(classes[value], posterior=confidence) if 0 <= value < len(classes) else None
    name = as_name(value)
    return Label(name, posterior=confidence) if name else None


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write `labels.json`, and `data.json` that says where the images lie, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {name: position for position, name in enumerate(given.classes)}
    records = list(given.images())
    bare = [without_image_suffix(record.file_name) for record in records]
    keys = bare if len(set(bare)) == len(bare) else [record.file_name for record in records]
    labels: dict[str, Any] = {}
    files: dict[str, str] = {}
    for key, record in zip(keys, records, strict=True):
        location = given.locate(record)
        if location is not None and file_of(location) == location:  # it opens no part of a file
            files[key] = location
        labels[key] = None if record.labels is None else [_as_json(label, index) for label in record.labels]
    content = {"classes": list(given.classes), "labels": labels}
    write_text(folder / "labels.json", json.dumps(content, ensure_ascii=False))
    if files:
        write_text(folder / "data.json", json.dumps(files, ensure_ascii=False))
    n_empty = sum(value == [] for value in labels.values())
    notes = ["data.json has the images' paths on this machine"] if files else []
    return [*notes, f"{so_many(n_empty, 'empty list')}: none applies; null is undecided"] if n_empty else notes


def _as_json(label: Label, index: dict[str, int]) -> Any:
    attributes = {"source": label.source} if label.source else {}
    if label.posterior is None and not attributes:
        return index[label.name]
    confidence = {} if label.posterior is None else {"confidence": label.posterior}
    return {"label": index[label.name], **confidence, **({"attributes": attributes} if attributes else {})}
