"""Pascal VOC: one XML an image, objects as labels.

A class whose objects are all `difficult` is no label, and no `no` either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.formats.exchange.content import ImageContent, Label, ReadOptions, Refused, Sitting
from pipeline.formats.exchange.rows import files_in
from pipeline.formats.exchange.xml_files import elements
from pipeline.votes.words import Vote


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read the XML files of VOC; a folder means all in its `Annotations/`, or in itself.

    Where they are taken for votes, a class whose objects are all difficult is `unsure`.
    """
    for path in files_in(paths, "Annotations", ".xml", "give VOC's Annotations"):
        n_images = 0
        for element in elements(path, {"annotation"}):
            if not len(element):  # the name of the data set in <source> is an <annotation>, too
                continue
            n_images += 1
            yield from _image(element, path, options.annotator if options.as_votes else "")
        if not n_images:
            yield Refused(path.name, "", "no <annotation> with anything in it; expected Pascal VOC")


def _image(element: Any, path: Path, annotator: str) -> Iterator[ImageContent | Refused]:
    image = (element.findtext("filename") or "").strip() or path.with_suffix(".jpg").name
    is_difficult: dict[str, bool] = {}
    for thing in element.iter("object"):
        name = (thing.findtext("name") or "").strip()
        if not name:
            yield Refused(path.name, image, "an object in it has no name")
            return
        difficult = (thing.findtext("difficult") or "0").strip() == "1"
        is_difficult[name] = is_difficult.get(name, True) and difficult
    sure = [name for name, difficult in is_difficult.items() if not difficult]
    if annotator:
        votes = {name: Vote.UNSURE if difficult else Vote.YES for name, difficult in is_difficult.items()}
        sitting = Sitting(annotator, votes, none=not votes, place=path.name)
        yield ImageContent(image, path.name, empty_is_meant=bool(votes), sittings=(sitting,))
        return
    for name in is_difficult:
        if name not in sure:
            reason = f"{name} is marked difficult alone: left open, neither a label nor a no"
            yield Refused(path.name, image, reason, is_skip=True)
    if sure or not is_difficult:
        yield ImageContent(image, path.name, labels=tuple(Label(name) for name in sure), empty_is_meant=bool(sure))
