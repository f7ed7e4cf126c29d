"""CVAT for images 1.1: XML with a `<tag>` for each label of an image.

https://docs.cvat.ai/docs/other/xml_format

A tag whose `source` is `auto` was set by a model: it is a proposal. Boxes, polygons and other shapes count as labels of
their image. An image without tags may have none, or nobody was there: nothing tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Outgoing, Proposal, ReadOptions, Refused
from pipeline.formats.exchange.image_files import size_of
from pipeline.formats.exchange.rows import as_number
from pipeline.formats.exchange.xml_files import elements
from pipeline.project.wording import so_many
from pipeline.project.writing import whole_file

_SHAPES = frozenset({"tag", "box", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton"})


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:  # noqa: ARG001 - one signature
    """Read the images of CVAT's XML with their tags."""
    for path in paths:
        n_images = 0
        for element in elements(path, {"image", "track"}):
            if element.tag == "track":
                raise DatasetError(
                    f"{path}: CVAT for video, whose tracks say nothing of single images; export for images"
                )
            n_images += 1
            yield _image(element, f"{path.name}, image {element.get('id', n_images - 1)}")
        if not n_images:
            raise DatasetError(f"{path}: no <image> in it; expected CVAT for images 1.1")


def _image(element: Any, place: str) -> ImageContent | Refused:
    name = element.get("name", "")
    if not name:
        return Refused(place, "", "it has no `name`")
    labels: dict[str, Label] = {}
    proposals: dict[str, Proposal] = {}
    for shape in element:
        if shape.tag not in _SHAPES:
            continue
        label = (shape.get("label") or "").strip()
        attributes = {each.get("name"): (each.text or "").strip() for each in shape.findall("attribute")}
        if not label:
            return Refused(place, name, f"a <{shape.tag}> in it has no `label`")
        if shape.get("source") == "auto":
            score = as_number(attributes.get("score", ""))
            proposals.setdefault(label, Proposal(label, score, attributes.get("model", "")))
        else:
            given = Label(label, attributes.get("source", ""), as_number(attributes.get("posterior", "")))
            labels.setdefault(label, given)
    is_decided = bool(labels) or not proposals
    return ImageContent(
        name,
        place,
        labels=tuple(labels.values()) if is_decided else None,
        empty_is_meant=bool(labels),
        proposals=tuple(proposals.values()),
    )


def write(given: Outgoing, path: Path) -> list[str]:
    """Write one XML: refined labels as tags set by hand, proposals as tags that a model set."""
    n_alike = 0
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(_head(given))
        for number, record in enumerate(given.images()):
            n_alike += record.labels == ()
            file.write(_as_xml(record, number, given))
        file.write("</annotations>\n")
    if not n_alike:
        return []
    return [f"{so_many(n_alike, 'image')} to which none applies look like images that nobody has decided"]


def _head(given: Outgoing) -> str:
    names = ("source", "posterior", "model", "score")
    attributes = "".join(
        f"<attribute><name>{name}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
        for name in names
    )
    labels = "".join(
        f"<label><name>{escape(name)}</name><type>tag</type><attributes>{attributes}</attributes></label>\n"
        for name in given.classes
    )
    n_images = sum(1 for _ in given.images())
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>'
        f"<id>1</id><name>{escape(given.name)}</name><size>{n_images}</size><mode>annotation</mode>\n"
        f"<labels>\n{labels}</labels>\n</task></meta>\n"
    )


def _as_xml(record: ImageContent, number: int, given: Outgoing) -> str:
    size = size_of(given.locate(record))
    sizes = "" if size is None else f' width="{size[0]}" height="{size[1]}"'
    name = quoteattr(record.file_name)
    lines = [f'<image id="{number}" name={name}{sizes}>']
    lines += [_tag(x.name, "manual", {"source": x.source, "posterior": x.posterior}) for x in record.labels or ()]
    lines += [_tag(x.name, "auto", {"model": x.model, "score": x.score}) for x in record.proposals]
    return "\n".join([*lines, "</image>\n"])


def _tag(label: str, source: str, attributes: dict[str, Any]) -> str:
    inside = "".join(
        f"<attribute name={quoteattr(name)}>{escape(str(value))}</attribute>"
        for name, value in attributes.items()
        if value not in {None, ""}
    )
    return f'<tag label={quoteattr(label)} source="{source}">{inside}</tag>'
