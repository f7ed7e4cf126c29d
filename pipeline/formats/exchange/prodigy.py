"""Prodigy's JSON Lines: choices of an image (`accept` among `options`), or one `label` that is accepted or rejected.

https://prodi.gy/docs/api-interfaces. A task that was rejected or ignored as a whole says nothing about its classes; an
accepted one without a choice says that none of its options applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.formats.exchange.content import ImageContent, ReadOptions, Refused, Sitting
from pipeline.formats.exchange.rows import as_name, json_lines
from pipeline.votes.words import Vote

_ANSWERS = frozenset({"accept", "reject", "ignore"})
_IMAGE = ("path", "file", "image_path", "image", "html")


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read the lines; binary tasks of one person on one image are put together."""
    for path in paths:
        binary: dict[tuple[str, str], dict[str, Vote]] = {}
        first: dict[tuple[str, str], str] = {}
        for place, task in json_lines(path):
            found = _task(task, place, options.annotator)
            if isinstance(found, tuple):
                image, who, name, vote = found
                before = binary.setdefault((image, who), {}).setdefault(name, vote)
                first.setdefault((image, who), place)
                if before is not vote:
                    yield Refused(place, image, f"{who} says {vote} of {name} here and {before} in an earlier line")
            else:
                yield found
        for (image, who), votes in binary.items():
            place = first[image, who]
            yield ImageContent(image, place, sittings=(Sitting(who, votes, tuple(votes), place=place),))


def _task(task: Any, place: str, annotator: str) -> ImageContent | Refused | tuple[str, str, str, Vote]:
    if not isinstance(task, dict):
        return Refused(place, "", f"it holds a {type(task).__name__}; expected an object")
    image = _image_of(task)
    who = as_name(task.get("_annotator_id")) or as_name(task.get("_session_id")) or annotator
    answer = str(task.get("answer", "")).lower()
    options, name = task.get("options"), as_name(task.get("label"))
    wrong = (
        "it names no image by a path: pictures in the line itself say nothing about which image they are" if not image
        else "nothing says whose answer it is; say so with --annotator" if not who
        else f"its answer is {answer!r}; expected accept, reject or ignore" if answer not in _ANSWERS
        else ""
    )  # fmt: skip
    if wrong:
        return Refused(place, image, wrong)
    if answer == "ignore" or (answer == "reject" and not (name and not options)):
        words = "ignored" if answer == "ignore" else "rejected as a whole"
        return Refused(place, image, f"{words}: nothing is said of its classes", is_skip=True)
    if not isinstance(options, list):
        if not name:
            return Refused(place, image, "it has neither `options` nor a `label`")
        return image, who, name, Vote.YES if answer == "accept" else Vote.NO
    names = {as_name(each.get("id")): _option(each) for each in options if isinstance(each, dict)}
    chosen = task.get("accept") or []
    accepted = [as_name(each) for each in (chosen if isinstance(chosen, list) else [chosen])]
    strange = next((each for each in accepted if each not in names), None)
    if strange is not None:
        return Refused(place, image, f"it accepts {strange!r}, which is none of its options")
    votes = {name: Vote.YES if key in accepted else Vote.NO for key, name in names.items()}
    comment = as_name(task.get("comment") or task.get("user_input"))
    sitting = Sitting(who, votes, tuple(names.values()), not accepted, comment, place=place)
    return ImageContent(image, place, sittings=(sitting,))


def _option(option: dict[str, Any]) -> str:
    """Return the class of an option: its id, unless that is a number and the text says more."""
    key = option.get("id")
    return as_name(key) if isinstance(key, str) else as_name(option.get("text")) or as_name(key)


def _image_of(task: dict[str, Any]) -> str:
    meta = task.get("meta") if isinstance(task.get("meta"), dict) else {}
    values = [*(task.get(key) for key in _IMAGE), *((meta or {}).get(key) for key in (*_IMAGE, "source"))]
    return next((n for each in values if (n := as_name(each)) and not n.startswith("data:")), "")
