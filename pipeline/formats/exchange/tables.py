"""CSV and Parquet: a row a label or a row a vote, with the columns that somebody chooses.

A table of labels has `image` and `class`, or `image` and a column of 0 and 1 for each class; what else it has is read
where the column bears one of our names. A table of votes has `annotator` and `vote`, too; it is the file that
`mlf analyze` and `mlf aggregate` read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

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
from pipeline.formats.exchange.rows import PEOPLE, as_number, column_names, in_short, is_missing, table_rows
from pipeline.project.files import write_table
from pipeline.project.names import column_name, did_you_mean, first_few
from pipeline.project.notices import tell
from pipeline.project.wording import so_many
from pipeline.votes.words import Round, Source, Vote

_IMAGE = ("image", "image_id", "file_name", "filename", "file", "path")
CLASS_COLUMNS = ("class", "label", "class_key", "labels", "classes")
#: What stands between several classes in one cell.
_SEPARATOR = ";"
_COUNTS = ("n_yes", "n_no", "n_unsure")
_CELLS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_NOT_SHOWN = frozenset({"false", "0", "no"})


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read tables of labels or of votes; a row that lacks something is refused by its place."""
    left_out = _left_out(paths, options)
    for path in paths:
        columns = [name for name in column_names(path) if name not in left_out]
        image = _column(columns, _IMAGE, "the image", path)
        of_class = {column_name(key): key for key in options.classes if column_name(key) in columns}
        is_wide = not set(CLASS_COLUMNS) & set(columns) and bool(of_class)
        who = next((name for name in PEOPLE if name in columns and not (is_wide and name in of_class)), None)
        if who is not None and (is_wide or "vote" not in columns):
            raise DatasetError(
                f"{path}: the column {who!r} says whose word a row is, and none is called 'vote': labels of several "
                "people are no settled labels; give a row a vote (image, class, annotator, vote), or leave "
                f"{who!r} out"
            )
        if is_wide:
            others = [name for name in columns if name and name not in of_class and name != image]
            marked = _columns_of_marks(path, others)
            if left := [name for name in others if name not in marked]:
                tell(f"{path}: columns that hold no 0 and 1 are no classes, and are left out: {first_few(left)}")
            yield from _multi_hot(path, image, of_class | {name: name for name in others if name in marked})
            continue
        named = _column(columns, CLASS_COLUMNS, "the class", path)
        if "vote" in columns:
            if who is None and not options.annotator:
                raise DatasetError(f"{path}: no column names the annotator; say whose votes they are with --annotator")
            yield from _votes(path, image, named, who, options.annotator, left_out)
        else:
            yield from _labels(path, image, named, frozenset(options.classes), left_out)


def _left_out(paths: Sequence[Path], options: ReadOptions) -> set[str]:
    """Return the columns that are read as if they were not there; one that no table has is an error."""
    left_out = {column_name(name) for name in options.leave_out}
    if left_out:
        columns = dict.fromkeys(name for path in paths for name in column_names(path))
        for name in sorted(left_out - columns.keys()):
            there = first_few(map(in_short, columns), 10)
            raise DatasetError(f"{first_few(map(str, paths))}: no column {name!r} (--leave-out); there are {there}")
        tell(f"columns left out (--leave-out): {', '.join(sorted(left_out))}")
    return left_out


def _column(columns: list[str], names: tuple[str, ...], what: str, path: Path) -> str:
    found = next((name for name in names if name in columns), None)
    if found is None:
        there = first_few(map(in_short, columns), 10)
        raise DatasetError(f"{path}: no column names {what}; expected one of {', '.join(names)}, found {there}")
    return found


def _votes(
    path: Path, image: str, named: str, who: str | None, annotator: str, left_out: Collection[str]
) -> Iterator[ImageContent | Refused]:
    """Yield a record for each person and image, once the whole table is read: its rows may stand in any order."""
    votes: dict[tuple[str, str, Round], dict[str, Vote]] = {}
    first: dict[tuple[str, str, Round], str] = {}
    comments: dict[tuple[str, str, Round], dict[str, None]] = {}
    used = [image, named, "vote", "round", "shown", "comment", *([who] if who else ())]
    for place, row in _rows_of_text(path, used, left_out):
        name, word = row[named], row["vote"].lower()
        person = (row[who] if who else "") or annotator
        round_ = row.get("round", "").lower() or Round.ANNOTATION.value
        is_shown = str(row.get("shown", "")).lower() not in _NOT_SHOWN
        wrong = (
            "it names no image" if not row[image]
            else "it names no annotator" if not person
            else f"{round_!r} is no round; give annotation or refinement" if round_ not in set(Round)
            else ""
        )  # fmt: skip
        key = (row[image], person, Round(round_) if not wrong else Round.ANNOTATION)
        if not wrong and row.get("comment"):
            comments.setdefault(key, {})[row["comment"]] = None
            first.setdefault(key, place)
        if not wrong and not name and row.get("comment"):
            continue
        if not wrong and is_shown:
            before = votes.get(key, {}).get(name)
            wrong = (
                "it names no class" if not name
                else f"{word!r} is no vote; give yes, no or unsure" if word not in set(Vote)
                else f"{person} says {word} here and {before} in an earlier row" if before not in {None, word}
                else ""
            )  # fmt: skip
        if wrong:
            yield Refused(place, row[image], wrong)
        elif not is_shown:
            yield Refused(place, row[image], f"{name} was not shown to {person}: no vote", is_skip=True)
        else:
            votes.setdefault(key, {})[name] = Vote(word)
            first.setdefault(key, place)
    for key, place in first.items():
        image_name, person, round_key = key
        given = votes.get(key, {})
        comment = "\n".join(comments.get(key, ()))
        sitting = Sitting(person, given, tuple(given), comment=comment, round=round_key, place=place)
        yield ImageContent(image_name, place, sittings=(sitting,))


def _rows_of_text(
    path: Path, used: Sequence[str], left_out: Collection[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a table; a list where one text is expected is an error."""
    for place, cells in table_rows(path):
        row = {name: cell for name, cell in cells.items() if name not in left_out} if left_out else cells
        listed = next((name for name in used if isinstance(row.get(name), list)), None)
        if listed is not None:
            raise DatasetError(
                f"{path}: {place}: the column {listed!r} holds a list, and a row is to hold one; if it is a file of "
                "Hugging Face datasets, give --format hugging-face"
            )
        yield place, row


def _labels(
    path: Path, image: str, named: str, keys: Collection[str], left_out: Collection[str]
) -> Iterator[ImageContent | Refused]:
    labels: dict[str, list[Label]] = {}
    place_of: dict[str, str] = {}
    empty: dict[str, str] = {}
    broken: dict[str, tuple[str, str]] = {}
    for place, row in _rows_of_text(path, (image, "source", "posterior", *_COUNTS), left_out):
        source = row.get("source", "").lower()
        cell = row[named]
        is_one = isinstance(cell, str) and cell in keys  # a key may hold a semicolon
        listed = cell if isinstance(cell, list) else [cell] if is_one else cell.split(_SEPARATOR)
        odd = next((each for each in listed if not (each is None or isinstance(each, str))), None)
        names = [name for each in listed if isinstance(each, str) and (name := each.strip())]
        if not row[image]:
            yield Refused(place, "", "it names no image")
        elif source == Source.UNLABELLED:
            yield Refused(place, row[image], "nobody has decided it (source: unlabelled)", is_skip=True)
        elif odd is not None:
            broken.setdefault(row[image], (place, f"{in_short(odd)} is no class; give its name as text"))
        elif not names and labels.get(row[image]):
            yield Refused(place, row[image], "it names no class, and an earlier row does")
        elif reason := _wrong_number(row):
            broken.setdefault(row[image], (place, reason))
        else:
            mine = labels.setdefault(row[image], [])
            place_of.setdefault(row[image], place)
            empty.setdefault(row[image], source)
            known = {label.name for label in mine}
            mine += [_label(name, row, source) for name in dict.fromkeys(names) if name not in known]
    for name, (place, reason) in broken.items():
        labels.pop(name, None)
        yield Refused(place, name, f"{reason}, so that the set is not whole")
    for name, mine in labels.items():
        source = "" if mine else empty[name]
        yield ImageContent(
            name, place_of[name], labels=tuple(mine), empty_source=source, empty_is_meant=bool(mine or source)
        )


def _columns_of_marks(path: Path, names: Sequence[str]) -> set[str]:
    """Return which of these columns hold nothing but 0 and 1: classes, in a table with a column for each class."""
    found = set(names)
    for _, row in table_rows(path):
        found = {name for name in found if str(row[name]).lower() in _CELLS}
        if not found:
            break
    return found


def _multi_hot(path: Path, image: str, of_class: Mapping[str, str]) -> Iterator[ImageContent | Refused]:
    """Yield the labels of a table with a column for each class: 1 where it applies, 0 where it does not.

    A 1 in a column of 0 and 1 that is no class of the project is a label like any other that the project does not know.
    """
    for place, row in _rows_of_text(path, (image, *of_class)):
        cells = {key: str(row[column]).lower() for column, key in of_class.items()}
        odd = next(((key, cell) for key, cell in cells.items() if cell not in _CELLS), None)
        if not row[image]:
            yield Refused(place, "", "it names no image")
        elif odd is not None:
            yield Refused(place, row[image], f"class {odd[0]!r} is {odd[1]!r} there; expected 1 or 0")
        else:
            labels = tuple(Label(key) for key, cell in cells.items() if _CELLS[cell])
            yield ImageContent(row[image], place, labels=labels, empty_is_meant=bool(labels))


def _wrong_number(row: Mapping[str, Any]) -> str:
    """Return why a row's numbers cannot be read; empty where they can, or where it has none."""
    for column in ("posterior", *_COUNTS):
        number = as_number(row.get(column))
        if is_missing(row.get(column)):
            continue
        if number is None or (column in _COUNTS and not number.is_integer()):
            return f"its {column} is {row[column]!r}; expected a {'whole ' if column in _COUNTS else ''}number"
    return ""


def _label(name: str, row: Mapping[str, Any], source: str) -> Label:
    counts = [as_number(row.get(column, "")) for column in _COUNTS]
    return Label(name, source, as_number(row.get("posterior", "")), *(None if n is None else int(n) for n in counts))


#: The columns of a table of labels, and how each cell is made from the image and its label (None where it has none).
LABEL_COLUMNS: Mapping[str, Callable[[ImageContent, Label | None, Mapping[str, int], Outgoing], Any]] = {
    "image": lambda record, _l, _i, _o: record.image,
    "class": lambda _r, label, _i, _o: label and label.name,
    "class_index": lambda _r, label, index, _o: label and index[label.name],
    "class_name": lambda _r, label, index, given: label and given.class_names[index[label.name]],
    "source": lambda record, label, _i, _o: (label.source if label else _source(record)) or None,
    "posterior": lambda _r, label, _i, _o: label and label.posterior,
    "n_yes": lambda _r, label, _i, _o: label and label.n_yes,
    "n_no": lambda _r, label, _i, _o: label and label.n_no,
    "n_unsure": lambda _r, label, _i, _o: label and label.n_unsure,
    "yes": lambda record, label, _i, _o: _who(record, label, Vote.YES),
    "no": lambda record, label, _i, _o: _who(record, label, Vote.NO),
    "unsure": lambda record, label, _i, _o: _who(record, label, Vote.UNSURE),
    "shown": lambda record, _l, _i, _o: _SEPARATOR.join(record.shown) or None,
    "path": lambda record, _l, _i, _o: record.path,
    "original": lambda record, _l, _i, _o: record.original,
}
VOTE_COLUMNS = ("image", "class", "annotator", "vote", "round", "shown", "comment", "at")


def write(given: Outgoing, path: Path) -> list[str]:
    """Write a table of labels or of votes with the columns that are wanted."""
    known = list(LABEL_COLUMNS) if given.table == "labels" else list(VOTE_COLUMNS)
    chosen = list(given.columns or known)
    for name in chosen:
        if name not in known:
            hint = did_you_mean(name, known, f"there are {', '.join(known)}")
            raise DatasetError(f"--columns {name}: a table of {given.table} has no such column; {hint}")
    rows = list(_label_rows(given, chosen) if given.table == "labels" else _vote_rows(given, chosen))
    table = pd.DataFrame(rows, columns=pd.Index(chosen, dtype=object))
    for name in ("class_index", *_COUNTS):
        if name in table:
            table[name] = table[name].astype("Int32")
    write_table(table, path)
    if given.table == "labels":
        return []
    n_bare = sum(not sitting.votes for record in given.images() for sitting in record.sittings)
    words = "decision or comment without a vote on a class has", "decisions and comments without a vote on a class have"
    return [f"{so_many(n_bare, *words)} no row"] if n_bare else []


def _label_rows(given: Outgoing, chosen: list[str]) -> Iterator[list[Any]]:
    index = {name: position for position, name in enumerate(given.classes)}
    makers = [LABEL_COLUMNS[name] for name in chosen]
    for record in given.images():
        for label in record.labels or (None,):
            yield [make(record, label, index, given) for make in makers]


def _vote_rows(given: Outgoing, chosen: list[str]) -> Iterator[list[Any]]:
    for record in given.images():
        for sitting in record.sittings:
            for number, (name, vote) in enumerate(sitting.votes.items()):
                cells = {
                    "image": record.image, "class": name, "annotator": sitting.annotator, "vote": vote.value,
                    "round": sitting.round.value, "shown": True,
                    "comment": (sitting.comment or None) if number == 0 else None, "at": sitting.at or None,
                }  # fmt: skip
                yield [cells[column] for column in chosen]


def _source(record: ImageContent) -> str:
    return Source.UNLABELLED.value if record.labels is None else record.empty_source


def _who(record: ImageContent, label: Label | None, vote: Vote) -> str | None:
    if label is None:
        return None
    names = [one.annotator for one in one_word_each(record.sittings) if one.votes.get(label.name) is vote]
    return _SEPARATOR.join(names) or None
