"""Datumaro's JSON: `annotations/<subset>.json` with classes and items.

https://openvinotoolkit.github.io/datumaro

Labels carry their source and posterior as attributes. Shapes count as labels of their image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Outgoing, ReadOptions, Refused
from pipeline.formats.exchange.image_files import size_of
from pipeline.formats.exchange.rows import as_name, as_number, files_in, in_short, json_content
from pipeline.project.wording import so_many
from pipeline.project.writing import whole_file

_IMAGE_MEDIA = 2
#: An attribute of an item to which none applies: without it, an item without annotations says nothing.
_EMPTY = "empty_source"


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:  # noqa: ARG001 - one signature
    """Read the items of Datumaro's JSON; a folder means its `annotations/`."""
    for path in files_in(paths, "annotations", ".json", "give the file of annotations"):
        content = json_content(path)
        try:
            classes = [str(each["name"]) for each in content["categories"]["label"]["labels"]]
            items = list(content["items"])
        except (TypeError, KeyError, AttributeError) as error:
            raise DatasetError(f"{path}: no Datumaro JSON: expected categories.label.labels and items") from error
        for number, item in enumerate(items):
            yield _item(item, classes, f"{path.name}, item {number}")


def _item(item: Any, classes: list[str], place: str) -> ImageContent | Refused:
    if not isinstance(item, dict):
        return Refused(place, "", f"it holds a {type(item).__name__}; expected an object")
    media = next((each for each in (item.get("image"), item.get("media")) if isinstance(each, dict) and each), {})
    image = as_name(media.get("path")) or as_name(item.get("id"))
    if not image:
        return Refused(place, "", "it has neither an id nor the path of an image")
    labels: dict[str, Label] = {}
    annotations = item.get("annotations") or []
    if not isinstance(annotations, list) or not all(isinstance(each, dict) for each in annotations):
        return Refused(place, image, "its `annotations` are no list of objects")
    for each in annotations:
        number = each.get("label_id")
        if number is None:
            continue
        if type(number) is not int or not 0 <= number < len(classes):
            return Refused(
                place, image, f"label_id {in_short(number)}; the file has {len(classes)} classes, counted from 0"
            )
        attributes = _object(each.get("attributes"))
        name = classes[number]
        given = Label(name, as_name(attributes.get("source")), as_number(attributes.get("posterior")))
        labels.setdefault(name, given)
    source = as_name(_object(item.get("attr")).get(_EMPTY))
    return ImageContent(
        image, place, labels=tuple(labels.values()), empty_source=source, empty_is_meant=bool(labels or source)
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write `annotations/default.json` into a folder; undecided images are left out."""
    path = folder / "annotations" / "default.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    index = {name: position for position, name in enumerate(given.classes)}
    labels = [{"name": name, "parent": "", "attributes": []} for name in given.classes]
    head = {
        "dm_format_version": "1.0",
        "media_type": _IMAGE_MEDIA,
        "infos": {"made_by": "multilabelfy", "name": given.name},
        "categories": {"label": {"labels": labels, "label_groups": [], "attributes": []}},
    }
    n_undecided = n_written = 0
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "items": [')
        for record in given.images():
            if record.labels is None:
                n_undecided += 1
                continue
            item = json.dumps(_as_item(record, index, given), ensure_ascii=False)
            file.write(f"{',' if n_written else ''}\n{item}")
            n_written += 1
        file.write("\n]}\n")
    return [f"{so_many(n_undecided, 'undecided image is', 'undecided images are')} left out"] if n_undecided else []


def _as_item(record: ImageContent, index: dict[str, int], given: Outgoing) -> dict[str, Any]:
    annotations = []
    for number, label in enumerate(record.labels or ()):
        attributes = {"source": label.source, "posterior": label.posterior}
        kept = {name: value for name, value in attributes.items() if value not in {None, ""}}
        annotations.append(
            {"id": number, "type": "label", "attributes": kept, "group": 0, "label_id": index[label.name]}
        )
    path = record.file_name
    size = size_of(given.locate(record))
    image = {"path": path} | ({} if size is None else {"size": [size[1], size[0]]})
    attr = {_EMPTY: record.empty_source} if record.labels == () and record.empty_source else {}
    return {
        "id": PurePosixPath(path).with_suffix("").as_posix(),
        "annotations": annotations,
        "attr": attr,
        "image": image,
    }
