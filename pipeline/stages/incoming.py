"""What a file of another tool means in a project: its images and classes found, every row with what became of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Refused, Sitting
from pipeline.formats.exchange.rows import in_short
from pipeline.project.class_references import ClassNumbers, read_class_references
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.images_by_name import SEVERAL, images_named
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import first_few, settled
from pipeline.project.notices import tell
from pipeline.project.wording import so_many
from pipeline.votes.words import Vote

TAKEN, CHANGED, THERE, SKIPPED, REFUSED = OUTCOMES = ("taken", "changed", "there already", "skipped", "refused")
#: What an empty list of labels says where a tool leaves the same for a skipped image: nothing, or that none applies.
EMPTY_MEANINGS: Final = ("skip", "none")
#: What to do about a class that the project does not have.
_REMEDY: Final = "add it with `mlf classes add`, or take it out of the file (--leave-out: columns of a table)"
#: The table of refined labels counts votes in 16 bits.
_MOST_VOTES: Final = 2**15 - 1
_UPLOADED: Final = re.compile(r"^[0-9a-f]{8}-(?=.)")


@dataclass(slots=True)
class Row:
    """One row of a file, and what became of it."""

    place: str
    image: str
    annotator: str
    what: str
    outcome: str
    reason: str = ""


@dataclass(slots=True)
class Rows:
    """All rows of an import, in the order in which they were dealt with."""

    rows: list[Row] = field(default_factory=list)

    def add(self, place: str, image: str, what: str, outcome: str, reason: str = "", annotator: str = "") -> None:
        """Note what became of a row."""
        self.rows.append(Row(place, image, annotator, what, outcome, reason))

    def count(self, outcome: str, what: str = "") -> int:
        """Return how many rows came to this."""
        return sum(row.outcome == outcome and (not what or row.what == what) for row in self.rows)


@dataclass(frozen=True, eq=False)
class Incoming:
    """Records whose images and classes are known: `index_of` has each image's index, `class_of` each name's class."""

    records: Sequence[ImageContent]
    image_index: Sequence[int]
    class_of: Mapping[str, int]


def understood(
    project: Project,
    read: Iterable[ImageContent | Refused],
    rows: Rows,
    where: str,
    *,
    numbers: ClassNumbers = "auto",
    empty: str = "",
) -> Incoming:
    """Find the images and classes that records name; rows that cannot be used go into `rows` with their reasons.

    Parameters
    ----------
    read
        What a reader yields.
    rows
        Takes what cannot be used, or is used in part.
    where
        What messages call the files.
    numbers
        How class numbers are read (:mod:`pipeline.project.class_references`).
    empty
        What an empty list of labels means where its format cannot tell: one of :data:`EMPTY_MEANINGS`; else it is
        skipped, with a reason that names the option.

    Raises
    ------
    DatasetError
        If class numbers fit two readings.
    """
    given: list[ImageContent] = []
    for each in read:
        if isinstance(each, Refused):
            rows.add(each.place, each.image, "", SKIPPED if each.is_skip else REFUSED, each.reason)
        else:
            given.append(_meant(each, rows, empty))
    index = _images(project, given, rows)
    known = [(record, at) for record, at in zip(given, index, strict=True) if at >= 0]
    class_of = _classes(project, known, where, numbers)
    _tell_of_originals(project, known, class_of, where)
    usable = [_with_known_classes(record, class_of, project.label_space, rows) for record, _ in known]
    return Incoming(usable, [position for _, position in known], class_of)


def _meant(record: ImageContent, rows: Rows, empty: str) -> ImageContent:
    """Return the record with its emptiness understood: an empty list is never taken for *none applies* unasked."""
    if record.empty_is_meant or empty == "none":
        return record
    reason = "an empty list, which says nothing here: it may mean that none applies, or that the image was skipped"
    if empty != "skip":
        reason += "; --empty none takes it for none applies"
    kept = tuple(sitting for sitting in record.sittings if not sitting.none)
    for sitting in record.sittings:
        if sitting.none:
            rows.add(sitting.place or record.place, record.image, "votes", SKIPPED, reason, sitting.annotator)
            if sitting.comment:
                kept += (replace(sitting, none=False, votes={}),)
    labels = record.labels
    if labels == ():
        rows.add(record.place, record.image, "labels", SKIPPED, reason)
        labels = None
    return replace(record, labels=labels, sittings=kept)


def _images(project: Project, records: Sequence[ImageContent], rows: Rows) -> list[int]:
    """Return the index of each record's image, -1 where it has none; two names never become one image unasked."""
    ways = {name: spellings(name) for name in dict.fromkeys(record.image for record in records)}
    names = list(dict.fromkeys(spelling for of_name in ways.values() for spelling in of_name))
    index_of = dict(zip(names, images_named(project, names).tolist(), strict=True))
    found: dict[str, int] = {}
    for name, of_name in ways.items():
        positions = [index_of[spelling] for spelling in of_name]
        found[name] = next((position for position in positions if position >= 0), positions[0])
    claims = Counter(position for position in found.values() if position >= 0)
    result = []
    for record in records:
        position = found[record.image]
        reason = (
            "several images of the project fit this name; give their ids or paths" if position == SEVERAL
            else "no image of the project has this name" if position < 0
            else "other names in the file fit the same image; give its id or path" if claims[position] > 1
            else ""
        )  # fmt: skip
        if reason:
            rows.add(record.place, record.image, "", REFUSED, reason)
        result.append(-1 if reason else position)
    return result


def spellings(name: str) -> list[str]:
    r"""Return how a project may call an image that a tool calls by a path: as it is, with `/` for `\`, its end alone.

    The last one is without the eight digits that Label Studio puts before the name of an uploaded file.
    """
    usual = settled(name.replace("\\", "/"))
    end = usual.rstrip("/").rpartition("/")[2] or usual
    return list(dict.fromkeys([name, usual, end, _UPLOADED.sub("", end)]))


def _classes(
    project: Project, known: Sequence[tuple[ImageContent, int]], where: str, numbers: ClassNumbers
) -> dict[str, int]:
    """Return the class of every name in the records; names of no class are absent."""
    space = project.label_space
    form = {name: settled(name) for record, _ in known for name in class_names(record)}
    named = set(form.values())
    original = original_labels(project)

    def agreement(index_of: Mapping[str, int]) -> int:
        """Count the images whose original label is among their labels or somebody's ticks."""
        return sum(
            any(index_of.get(form[name], -1) == original[at] for name in _said(record))
            for record, at in known
            if original[at] >= 0
        )

    reading = read_class_references(named, space, where, numbers, agreement)
    if reading.told:
        tell(reading.told)
    found = dict(reading.index_of)
    by_name = _by_names(named - set(found), space)
    if by_name:
        told = so_many(len(by_name), "class is found by its name", "classes are found by their names")
        tell(f"{where}: {told} or a synonym, not by key")
    found |= by_name
    now = project.current_classes
    meant = {name: now.of(index)[0] for name, index in found.items() if len(now.of(index)) == 1}
    return {name: meant[usual] for name, usual in form.items() if usual in meant}


def class_names(record: ImageContent) -> set[str]:
    """Return every class that a record names."""
    names = {*(label.name for label in record.labels or ()), *(proposal.name for proposal in record.proposals)}
    for sitting in record.sittings:
        names |= {*sitting.votes, *(sitting.shown or ())}
    return names | ({record.original} if record.original else set())


def _tell_of_originals(
    project: Project, known: Sequence[tuple[ImageContent, int]], class_of: Mapping[str, int], where: str
) -> None:
    """Tell how many images have another original label in the files: they may be another data set's."""
    original = original_labels(project)
    given = [(class_of.get(record.original), original[at]) for record, at in known if record.original is not None]
    n_others = sum(there is not None and here >= 0 and there != here for there, here in given)
    if n_others:
        told = so_many(n_others, "image has", "images have")
        tell(f"{where}: {told} another original label there than in the project")


def _said(record: ImageContent) -> set[str]:
    return {
        *(label.name for label in record.labels or ()),
        *(name for sitting in record.sittings for name in sitting.label_set),
    }


def _by_names(names: Iterable[str], space: LabelSpace) -> dict[str, int]:
    """Return the classes that have these names, or these synonyms, alone."""
    of_names: dict[str, set[int]] = {}
    of_synonyms: dict[str, set[int]] = {}
    for info in space:
        of_names.setdefault(info.name, set()).add(info.index)
        for synonym in info.synonyms:
            of_synonyms.setdefault(synonym, set()).add(info.index)
    found = {}
    for name in names:
        fitting = of_names.get(name) or of_synonyms.get(name, set())
        if len(fitting) == 1:
            found[name] = next(iter(fitting))
    return found


def _with_known_classes(
    record: ImageContent, class_of: Mapping[str, int], space: LabelSpace, rows: Rows
) -> ImageContent:
    """Return a record without what names unknown classes: votes go one by one, a label set goes as a whole."""
    is_unknown: Callable[[str], bool] = lambda name: name not in class_of  # noqa: E731
    labels = record.labels
    strange = sorted({label.name for label in labels or () if is_unknown(label.name)})
    odd = next((reason for label in labels or () if (reason := _odd_number(label))), "")
    if strange or odd:
        reason = f"{_unknown(strange, space)}, so that the set is not whole; {_REMEDY}" if strange else odd
        rows.add(record.place, record.image, "labels", REFUSED, reason)
        labels = None
    sittings = []
    for sitting in record.sittings:
        strange = sorted(filter(is_unknown, {*sitting.votes, *(sitting.shown or ())}))
        votes = {name: vote for name, vote in sitting.votes.items() if not is_unknown(name)}
        shown = None if sitting.shown is None else tuple(name for name in sitting.shown if not is_unknown(name))
        if not strange:
            sittings.append(sitting)
            continue
        place = sitting.place or record.place
        is_emptied = not votes and not sitting.none
        outcome, end = (
            (REFUSED, "and nothing else was said") if is_emptied else (CHANGED, "left out, the rest is taken")
        )
        rows.add(place, record.image, "votes", outcome, f"{_unknown(strange, space)}: {end}", sitting.annotator)
        if not is_emptied or sitting.comment:
            sittings.append(replace(sitting, votes=votes, shown=shown))
    proposals = tuple(each for each in record.proposals if not is_unknown(each.name))
    if len(proposals) < len(record.proposals):
        strange = sorted({each.name for each in record.proposals if is_unknown(each.name)})
        rows.add(record.place, record.image, "proposals", CHANGED, f"{_unknown(strange, space)}: left out")
    return replace(record, labels=labels, sittings=tuple(sittings), proposals=proposals)


def _odd_number(label: Label) -> str:
    """Return why the numbers of a label cannot be its posterior and its votes; empty where they can."""
    if label.posterior is not None and not 0 <= label.posterior <= 1:
        return f"a posterior is {label.posterior:g}; expected a probability, from 0 to 1"
    counts = (n for n in (label.n_yes, label.n_no, label.n_unsure) if n is not None)
    wrong = next((n for n in counts if not 0 <= n <= _MOST_VOTES), None)
    return "" if wrong is None else f"{in_short(wrong)} votes on a label; expected a number from 0 to {_MOST_VOTES}"


def _unknown(names: Sequence[str], space: LabelSpace) -> str:
    first = first_few(map(in_short, names))
    return f"{first}: not among the {len(space)} classes of {space.name}"


def as_votes_of(annotator: str, record: ImageContent) -> ImageContent:
    """Return a record whose label set is taken for somebody's votes, with nothing said about other classes."""
    if record.labels is None or record.sittings:
        return record
    votes = {label.name: Vote.YES for label in record.labels}
    sitting = Sitting(annotator, votes, none=not votes, place=record.place)
    return replace(record, labels=None, sittings=(sitting,))


def refuse_meaning(empty: str) -> None:
    """Refuse a meaning of empty lists that is not one of :data:`EMPTY_MEANINGS`."""
    if empty and empty not in EMPTY_MEANINGS:
        raise DatasetError(f"--empty {empty!r}: an empty list is taken for one of {', '.join(EMPTY_MEANINGS)}")
