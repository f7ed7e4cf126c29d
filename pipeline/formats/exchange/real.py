"""ReaL's files (Beyer et al. 2020): `real.json`, a list of class numbers for each image, and the raters' answers.

What timm reads with `--real-labels` is such a list with exactly 50,000 entries, for images named
`ILSVRC2012_val_00000001.JPEG` and so on. For other data sets the same goes into an object by image name, and
:class:`pipeline.formats.exchange.real_labels.RealLabels` is timm's reader for these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import (
    ImageContent,
    Label,
    Outgoing,
    ReadOptions,
    Refused,
    Sitting,
    one_word_each,
)
from pipeline.formats.exchange.rows import as_name, in_short, json_content
from pipeline.formats.real_votes import read_raters
from pipeline.project.wording import so_many
from pipeline.project.writing import whole_file, write_text
from pipeline.votes.words import VOTE_ORDER

_VAL = re.compile(r"ILSVRC2012_val_(\d{8})(\.\w+)?")
N_VAL = 50_000


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read `real.json` (a list by the images' order of names, or an object by name) and `raters.npz`."""
    for path in paths:
        yield from _raters(path) if path.suffix.lower() == ".npz" else _labels(path, options)


def _labels(path: Path, options: ReadOptions) -> Iterator[ImageContent | Refused]:
    content = json_content(path)
    if isinstance(content, list):
        entries = list(zip(_names_in_order(content, options.image_ids, path), content, strict=True))
    elif isinstance(content, dict):
        entries = list(content.items())
    else:
        raise DatasetError(f"{path}: holds a {type(content).__name__}; expected ReaL's list of lists")
    known = set(options.image_ids)
    for position, (image, classes) in enumerate(entries):
        place = f"{path.name}, entry {position}"
        if isinstance(content, list) and image not in known:
            continue  # a list has an entry for every image of the data set, and the project may hold a part of them
        names = [as_name(each) for each in classes] if isinstance(classes, list) else [""]
        if not all(names):
            yield Refused(place, image, f"{in_short(classes)} is no list of classes")
        else:
            labels = tuple(Label(name) for name in dict.fromkeys(names))
            yield ImageContent(image, place, labels=labels, empty_is_meant=bool(labels))


def _names_in_order(content: Sequence[object], image_ids: tuple[str, ...], path: Path) -> list[str]:
    """Return which image each entry of a list is about."""
    numbered = {int(found[1]): name for name in image_ids if (found := _VAL.fullmatch(name.rsplit("/", 1)[-1]))}
    if len(numbered) == len(image_ids) and image_ids:
        if len(content) != max(numbered) and len(content) != N_VAL:
            raise DatasetError(
                f"{path}: {len(content):,} lists, and the project has {numbered[max(numbered)]}: a list is paired with "
                f"the numbers in these names, {N_VAL:,} in all; give the whole list, or an object from image name to "
                "classes"
            )
        return [numbered.get(position + 1, "") for position in range(len(content))]
    if len(content) != len(image_ids):
        raise DatasetError(
            f"{path}: {len(content):,} lists for {len(image_ids):,} images: a list is paired with the sorted image "
            "names; give an object from image name to classes"
        )
    return sorted(image_ids)


def _raters(path: Path) -> Iterator[ImageContent]:
    votes = read_raters(path)
    said: dict[tuple[int, int], dict[str, int]] = {}
    for item, annotator, vote in zip(votes.item.tolist(), votes.annotator.tolist(), votes.vote.tolist(), strict=True):
        key = int(votes.item_image[item]), annotator
        said.setdefault(key, {})[str(votes.classes[votes.item_class[item]])] = vote
    for (image, annotator), of_classes in said.items():
        given = {name: VOTE_ORDER[vote] for name, vote in of_classes.items()}
        name = str(votes.images[image])
        who = f"rater {votes.annotators[annotator]}"
        place = f"{path.name}, {name}, {who}"
        yield ImageContent(name, place, sittings=(Sitting(who, given, tuple(given), place=place),))


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write `real.json` and, where people voted, `raters.npz` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {name: position for position, name in enumerate(given.classes)}
    labels, n_undecided, n_empty = dict[str, list[int]](), 0, 0
    for record in given.images():
        n_undecided += record.labels is None
        n_empty += record.labels == ()
        labels[record.image] = [index[label.name] for label in record.labels or ()]
    numbers = {name: _VAL.fullmatch(name.rsplit("/", 1)[-1]) for name in labels}
    notes = []
    if all(numbers.values()):
        by_number = {int(found[1]): labels[name] for name, found in numbers.items() if found}
        listed = [by_number.get(number, []) for number in range(1, N_VAL + 1)]
        write_text(folder / "real.json", json.dumps(listed))
        notes.append("timm reads it as its real labels, for all 50,000 images of the ImageNet validation set")
    else:
        write_text(folder / "real.json", json.dumps(labels, ensure_ascii=False))
        notes.append(
            "timm reads lists of 50,000 images named ILSVRC2012_val_* alone, and these are others: read it with "
            "pipeline.formats.exchange.real_labels.RealLabels, which counts as timm does"
        )
    if n_undecided or n_empty:
        notes.append(
            f"an empty list stands for {so_many(n_undecided, 'undecided image')} and for {n_empty:,} to which none "
            "applies: ReaL leaves both out"
        )
    n_votes = _write_raters(given, index, folder / "raters.npz")
    return [*notes, f"raters.npz has {so_many(n_votes, 'answer')}; unsure is `maybe`"] if n_votes else notes


def _write_raters(given: Outgoing, index: dict[str, int], path: Path) -> int:
    raters: dict[str, int] = {}
    questions: dict[tuple[str, int], int] = {}
    answers: list[tuple[int, int, int]] = []
    for record in given.images():
        for sitting in one_word_each(record.sittings):
            for name, vote in sitting.votes.items():
                rater = raters.setdefault(sitting.annotator.removeprefix("rater "), len(raters))
                question = questions.setdefault((record.image, index[name]), len(questions))
                answers.append((rater, question, vote.code))
    if not answers:
        return 0
    tensor = np.zeros((len(raters), len(questions), len(VOTE_ORDER)), dtype=np.uint8)
    tensor[tuple(np.array(answers).T)] = 1
    info = np.array([(image, str(number)) for image, number in questions], dtype=str)
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, tensor=tensor, info=info, ids=np.array(list(raters), dtype=str))
    return len(answers)
