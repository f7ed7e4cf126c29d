"""COCO: objects as labels. A class is a label of an image that has an object of it, a crowd included.

`annotations` without boxes will do. An image without objects may hold none of the classes, or not be annotated yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, ReadOptions, Refused
from pipeline.formats.exchange.rows import as_name, json_content

_FIELDS = ("images", "annotations", "categories")


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:  # noqa: ARG001 - one signature
    """Read the images of COCO's JSON with the classes of their objects."""
    for path in paths:
        content = _content(path)
        names = {_id(each, "id"): as_name(each.get("name")) for each in content["categories"]}
        found: dict[Any, dict[str, None]] = {_id(each, "id"): {} for each in content["images"]}
        broken: dict[Any, str] = {}
        for number, each in enumerate(content["annotations"]):
            image, category = _id(each, "image_id"), _id(each, "category_id")
            if image not in found:
                yield Refused(f"{path.name}, annotation {number}", "", f"the file has no image {image!r}")
            elif names.get(category):
                found[image][names[category]] = None
            else:
                reason = f"annotation {number}: the file has no category {category!r}, so that the set is not whole"
                broken.setdefault(image, reason)
        for number, each in enumerate(content["images"]):
            place, name, key = f"{path.name}, image {number}", as_name(each.get("file_name")), _id(each, "id")
            if not name or key in broken:
                yield Refused(place, name, broken[key] if name else "it has no `file_name`")
            else:
                labels = tuple(Label(label) for label in found[key])
                yield ImageContent(name, place, labels=labels, empty_is_meant=bool(labels))


def _content(path: Path) -> dict[str, list[dict[str, Any]]]:
    content: Any = json_content(path)
    lists: dict[str, list[dict[str, Any]]] = {}
    for field in _FIELDS:
        listed = content.get(field) if isinstance(content, dict) else None
        if not isinstance(listed, list):
            raise DatasetError(f"{path}: no COCO JSON: it lacks the list {field!r}")
        odd = next((number for number, each in enumerate(listed) if not isinstance(each, dict)), None)
        if odd is not None:
            raise DatasetError(f"{path}: entry {odd} of {field!r} is no object, but {listed[odd]!r:.60}")
        lists[field] = listed
    return lists


def _id(entry: dict[str, Any], field: str) -> Any:
    """Return an id as it is, or as text where it cannot be one."""
    value = entry.get(field)
    return str(value) if isinstance(value, list | dict) else value
