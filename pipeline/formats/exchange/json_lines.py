"""JSON Lines: a line an image, with its labels, everyone's votes, what was shown and what was proposed.

Written by us it loses nothing. Lines of others are read as well: an image under one of its usual names, and `labels` as
a list of names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Outgoing, Proposal, ReadOptions, Refused, Sitting
from pipeline.formats.exchange.rows import PEOPLE, as_name, as_number, in_short, is_missing, json_lines
from pipeline.project.names import did_you_mean
from pipeline.project.writing import whole_file
from pipeline.votes.words import Round, Vote

FIELDS = ("image", "path", "original", "labels", "empty_source", "votes", "proposals")
_IMAGE = ("image", "image_id", "file_name", "filename", "path", "image_path", "id")
_PRODIGY = frozenset({"accept", "reject", "ignore"})
LABEL_FIELDS = ("labels", "label", "classes", "class", "categories")


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read JSON Lines; a line that is none of these records is refused by its place."""
    for path in paths:
        for place, line in json_lines(path):
            yield record_of(line, place, options.annotator)


def record_of(line: Any, place: str, annotator: str = "") -> ImageContent | Refused:
    """Return the record that a JSON object holds, or why there is none."""
    if not isinstance(line, dict):
        return Refused(place, "", f"it holds a {type(line).__name__}; expected an object")
    fields = {key.strip().lower(): value for key, value in line.items()}
    image = next((name for key in _IMAGE if (name := as_name(fields.get(key)))), "")
    if not image:
        return Refused(place, "", f"it names no image; expected one of the fields {', '.join(_IMAGE)}")
    field = next((key for key in LABEL_FIELDS if key in fields), None)
    wrong = _why_no_labels(fields, field)
    if wrong:
        return Refused(place, image, wrong)
    try:
        sittings = tuple(_sitting(each, place, annotator) for each in _listed(fields.get("votes")))
        proposals = tuple(_proposal(each) for each in _listed(fields.get("proposals")))
        labels = None if field is None or fields[field] is None else tuple(_label(x) for x in _listed(fields[field]))
    except (ValueError, TypeError, AttributeError) as error:
        return Refused(place, image, str(error))
    source = as_name(fields.get("empty_source"))
    if labels is None and not sittings and not proposals:
        return Refused(place, image, "nobody has decided it", is_skip=True)
    return ImageContent(
        image,
        place,
        as_name(fields.get("path")) or None,
        as_name(fields.get("original")) or None,
        labels,
        source,
        empty_is_meant=labels != () or bool(source),
        sittings=sittings,
        proposals=proposals,
    )


def _why_no_labels(fields: Mapping[str, Any], field: str | None) -> str:
    """Return why an object does not hold the labels of an image, though it may look so; empty where it may."""
    if str(fields.get("answer", "")).lower() in _PRODIGY:
        return "it is an answer given in Prodigy, not a label; give --format prodigy"
    who = next((key for key in PEOPLE if as_name(fields.get(key))), None)
    if who is not None and field is not None and fields[field] is not None and not fields.get("votes"):
        return (
            f"its {who!r} says whose word it is, so that its {field!r} are no settled labels; give them as `votes`, "
            f"or leave {who!r} out"
        )
    return ""


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _named(value: Any) -> str:
    name = as_name(value)
    if not name:
        raise ValueError(f"{in_short(value)} is no class; give its name as text")
    return name


def _label(value: Any) -> Label:
    if not isinstance(value, dict):
        return Label(_named(value))
    counts = [value.get(name) for name in ("n_yes", "n_no", "n_unsure")]
    posterior = as_number(value.get("posterior"))
    if posterior is None and not is_missing(value.get("posterior")):
        raise ValueError(f"a posterior is {in_short(value['posterior'])}; expected a number")
    return Label(
        _named(value.get("class", value.get("label"))),
        as_name(value.get("source")),
        posterior,
        *(n if type(n) is int else None for n in counts),
    )


def _proposal(value: Any) -> Proposal:
    if not isinstance(value, dict):
        return Proposal(_named(value))
    return Proposal(_named(value.get("class")), as_number(value.get("score")), as_name(value.get("model")))


def _sitting(value: Mapping[str, Any], place: str, annotator: str) -> Sitting:
    who = as_name(value.get("annotator")) or annotator
    if not who:
        raise ValueError("votes without an annotator; say whose they are with --annotator")
    shown = value.get("shown")
    return Sitting(
        who,
        {_named(name): Vote(str(vote).lower()) for name, vote in value.get("votes", {}).items()},
        None if shown is None else tuple(map(_named, _listed(shown))),
        none=value.get("none") is True,
        comment=str(value.get("comment") or ""),
        round=Round(value.get("round") or Round.ANNOTATION),
        at=as_name(value.get("at")),
        place=place,
    )


def write(given: Outgoing, path: Path) -> list[str]:
    """Write a line for each image, with the fields that are wanted."""
    for name in given.columns:
        if name not in FIELDS:
            hint = did_you_mean(name, FIELDS, f"there are {', '.join(FIELDS)}")
            raise DatasetError(f"--columns {name}: a line has no such field; {hint}")
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
        for record in given.images():
            line = as_json(record)
            chosen = {name: line[name] for name in given.columns or line}
            file.write(json.dumps(chosen, ensure_ascii=False, allow_nan=False) + "\n")
    return []


def as_json(record: ImageContent) -> dict[str, Any]:
    """Return a record as plain JSON, by :data:`FIELDS`."""
    labels = None if record.labels is None else [_without_nothing(_label_as_json(label)) for label in record.labels]
    return {
        "image": record.image,
        "path": record.path,
        "original": record.original,
        "labels": labels,
        "empty_source": record.empty_source,
        "votes": [_sitting_as_json(sitting) for sitting in record.sittings],
        "proposals": [
            _without_nothing({"class": each.name, "score": each.score, "model": each.model})
            for each in record.proposals
        ],
    }


def _label_as_json(label: Label) -> dict[str, Any]:
    return {
        "class": label.name, "source": label.source, "posterior": label.posterior,
        "n_yes": label.n_yes, "n_no": label.n_no, "n_unsure": label.n_unsure,
    }  # fmt: skip


def _sitting_as_json(sitting: Sitting) -> dict[str, Any]:
    content: dict[str, Any] = {
        "annotator": sitting.annotator,
        "round": sitting.round.value,
        "votes": {name: vote.value for name, vote in sitting.votes.items()},
        "shown": None if sitting.shown is None else list(sitting.shown),
    }
    content |= {"none": True} if sitting.none else {}
    return content | _without_nothing({"comment": sitting.comment, "at": sitting.at})


def _without_nothing(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value is not None and value != ""}
