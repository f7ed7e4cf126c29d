"""The files of the published tool Multilabelfy: predictions, ticks and comments of each user, and refined labels.

`predictions_<user>.json` lists objects with `image_name`, `ground_truth` and `softmax_val`;
`checkbox_selections_<user>.json` has the ticked classes of each image, `comments_<user>.json` a text; refined labels
are `{"<image>": ["370", "518"]}`. The tool leaves an empty list both where none applies and where somebody skipped it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import (
    ImageContent,
    Label,
    Outgoing,
    Proposal,
    ReadOptions,
    Refused,
    Sitting,
    one_word_each,
)
from pipeline.formats.exchange.rows import as_name, as_number, in_short, json_content
from pipeline.project.wording import so_many
from pipeline.project.writing import write_text
from pipeline.votes.words import Vote

_OF_USER = re.compile(r"(predictions|checkbox_selections|comments)_(.+)\.json", re.IGNORECASE)
#: Such a name that says nothing of its user; `commentary` is another word.
_OF_NOBODY = re.compile(r"(predictions|checkbox_selections|comments)(?![^\W\d_])", re.IGNORECASE)
_SELECTIONS, _COMMENTS, _PREDICTIONS = "checkbox_selections", "comments", "predictions"
#: What no file name takes everywhere.
_NO_NAME = re.compile(r'[\\/:*?"<>|]')


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read the tool's files: those of a user by their names, any other as refined labels.

    A folder means all of its files, or those of the folders in it, one for each user.
    """
    files = list(dict.fromkeys(each for path in paths for each in (_files_of(path) if path.is_dir() else [path])))
    ticks: dict[str, Path] = {}
    comments: dict[str, Path] = {}
    for path in files:
        found = _OF_USER.fullmatch(path.name)
        if found is None and (nobody := _OF_NOBODY.match(path.stem)):
            raise DatasetError(f"{path}: its name says nothing of whose it is; call it {nobody[1].lower()}_<user>.json")
        kind = found[1].lower() if found else ""
        if kind == _PREDICTIONS:
            yield from _predictions(path, options)
        elif found is not None:
            of_users, user = ticks if kind == _SELECTIONS else comments, found[2]
            if user in of_users:
                raise DatasetError(f"{of_users[user]} and {path} are both {kind} of {user}; give one of them")
            of_users[user] = path
        else:
            yield from _refined(path)
    for user in dict.fromkeys([*ticks, *comments]):
        yield from _work(user, ticks.get(user), comments.get(user))


def _files_of(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.json")) or sorted(folder.glob("*/*.json"))
    if not found:
        raise DatasetError(f"{folder}: neither it nor a folder in it has a .json; give Multilabelfy's files")
    return found


def _object(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    content = json_content(path)
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: holds a {type(content).__name__}; expected an object by image name")
    return content


def _work(user: str, ticks: Path | None, comments: Path | None) -> Iterator[ImageContent | Refused]:
    ticked, said = _object(ticks), _object(comments)
    for image in dict.fromkeys([*ticked, *said]):
        file = ticks if image in ticked and ticks is not None else comments
        place = f"{file.name if file else ''}, {image!r}"
        text = said.get(image) or ""
        comment = "\n".join(map(str, text)) if isinstance(text, list) else str(text).strip()
        names = _classes(ticked[image]) if image in ticked else []
        if names is None:
            yield Refused(place, image, f"{in_short(ticked[image])} is no list of classes")
            continue
        votes = dict.fromkeys(names, Vote.YES)
        is_empty = image in ticked and not votes
        sitting = Sitting(user, votes, none=is_empty, comment=comment, place=place)
        yield ImageContent(image, place, empty_is_meant=not is_empty, sittings=(sitting,))


def _classes(value: Any) -> list[str] | None:
    """Return the classes of a list, or those that are true in an object; None where it is neither."""
    if isinstance(value, dict):
        value = [name for name, is_ticked in value.items() if is_ticked]
    if not isinstance(value, list):
        return None
    names = [as_name(each) for each in value]
    return names if all(names) else None


def _refined(path: Path) -> Iterator[ImageContent | Refused]:
    for image, value in _object(path).items():
        place = f"{path.name}, {image!r}"
        names = _classes(value)
        if names is None:
            yield Refused(place, image, f"{in_short(value)} is no list of classes")
        else:
            labels = tuple(Label(name) for name in dict.fromkeys(names))
            yield ImageContent(image, place, labels=labels, empty_is_meant=bool(labels))


def _predictions(path: Path, options: ReadOptions) -> Iterator[ImageContent | Refused]:
    content = json_content(path)
    listed = content if isinstance(content, list) else list(content.values()) if isinstance(content, dict) else []
    for number, each in enumerate(listed):
        place = f"{path.name}, entry {number}"
        image = as_name(each.get("image_name")) if isinstance(each, dict) else ""
        if not image:
            yield Refused(place, "", "it has no `image_name`")
            continue
        ranked = _ranked(each.get("softmax_val"), options.classes)
        if ranked is None:
            yield Refused(place, image, f"`softmax_val` has no probability for each of {len(options.classes)} classes")
            continue
        original = as_name(each.get("ground_truth")) or None
        yield ImageContent(image, place, original=original, proposals=ranked)


def _ranked(value: Any, classes: tuple[str, ...]) -> tuple[Proposal, ...] | None:
    """Return the classes by falling probability: from one for each class in order, or from an object by class."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if isinstance(value, list) and len(value) == len(classes):
        value = dict(zip(classes, value, strict=True))
    if not isinstance(value, Mapping):
        return None
    scores = {as_name(name): as_number(score) for name, score in value.items()}
    if None in scores.values() or "" in scores:
        return None
    ordered = sorted((-score, place, name) for place, (name, score) in enumerate(scores.items()) if score)
    return tuple(Proposal(name, -score) for score, _, name in ordered)


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write the tool's files into a folder: three for each annotator, and the refined labels."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {name: str(position) for position, name in enumerate(given.classes)}
    of_users: dict[str, dict[str, Any]] = {kind: {} for kind in (_SELECTIONS, _COMMENTS, _PREDICTIONS)}
    n_empty = 0
    for record in given.images():
        for sitting in one_word_each(record.sittings):
            n_empty += sitting.is_decided and not sitting.label_set
            _add(of_users, record, sitting, index, given.classes)
    named = _names_of_files({user for users in of_users.values() for user in users})
    for kind, users in of_users.items():
        for user, content in users.items():
            write_text(folder / f"{kind}_{named[user]}.json", json.dumps(content, ensure_ascii=False))
    labelled = ((record.image, record.labels) for record in given.images() if record.labels is not None)
    refined = {image: [index[label.name] for label in labels] for image, labels in labelled}
    if refined:
        write_text(folder / "refined_labels.json", json.dumps(refined, ensure_ascii=False))
    notes = [f"the files of {user!r} are called {name!r}" for user, name in sorted(named.items()) if name != user]
    if n_empty:
        lists = so_many(n_empty, "empty list means", "empty lists mean")
        notes.append(
            f"{lists} that none of what was shown applies; the tool itself leaves one where somebody skipped an image"
        )
    return notes


def _names_of_files(users: Collection[str]) -> dict[str, str]:
    """Return what each user is called in the names of files: no two alike, on no disk."""
    found: dict[str, str] = {}
    taken = set[str]()
    for user in sorted(users):
        usual = _NO_NAME.sub("_", user)
        ways = chain([usual], (f"{usual}_{number}" for number in count(2)))
        name = next(way for way in ways if way.casefold() not in taken)
        taken.add(name.casefold())
        found[user] = name
    return found


def _add(
    of_users: dict[str, dict[str, Any]],
    record: ImageContent,
    sitting: Sitting,
    index: Mapping[str, str],
    classes: Sequence[str],
) -> None:
    """Add one person's work on one image to the contents of their files."""
    user = sitting.annotator
    if sitting.is_decided:
        of_users[_SELECTIONS].setdefault(user, {})[record.image] = [index[name] for name in sitting.label_set]
    if sitting.comment:
        of_users[_COMMENTS].setdefault(user, {})[record.image] = sitting.comment
    if record.proposals:
        of_users[_PREDICTIONS].setdefault(user, []).append(_prediction(record, index, classes))


def _prediction(record: ImageContent, index: Mapping[str, str], classes: Sequence[str]) -> dict[str, Any]:
    scores = {each.name: each.score or 0.0 for each in record.proposals}
    return {
        "image_name": record.image,
        "ground_truth": None if record.original is None else int(index[record.original]),
        "softmax_val": [round(scores.get(name, 0.0), 6) for name in classes],
    }
