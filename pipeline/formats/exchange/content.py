"""The neutral table between a project and every other tool: one record an image, classes and images by name.

A reader makes these records from a file, a writer makes a file from them. Neither knows projects, stores or indices of
classes, so that a format is one small module.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.images.locations import has_image_suffix
from pipeline.images.within import file_of
from pipeline.votes.words import Round, Vote

#: Put behind the name of an annotator who is a program, wherever it leaves the project.
SIMULATED = " (simulated)"


class Part(StrEnum):
    """What a file can hold."""

    LABELS = "labels"  # the final label set of an image
    POSTERIORS = "posteriors"  # how sure each label is
    SOURCES = "sources"  # where each label comes from
    VOTES = "votes"  # who ticked what
    EXPOSURE = "exposure"  # which classes somebody was shown; without it, an unticked class has no vote
    NOT_ASKED = "exposure without a question"  # what a refiner was shown, but had no say in: others had agreed on it
    UNSURE = "unsure votes"
    PROPOSALS = "proposals"
    COMMENTS = "comments"


@dataclass(frozen=True, slots=True)
class Sitting:
    """One person's word on one image.

    Parameters
    ----------
    annotator
        Their name.
    votes
        Class to vote, for the classes on which something was said.
    shown
        Classes that were on screen; None where the file does not tell. A refiner sees classes that others agreed on,
        and has no vote on those that they leave alone.
    none
        They said that no class applies.
    comment
        Free text; alone it decides nothing.
    round
        The round it belongs to.
    at
        When, as the file says it; for the record only.
    place
        Where in the file it stands.
    """

    annotator: str
    votes: Mapping[str, Vote] = field(default_factory=dict)
    shown: tuple[str, ...] | None = None
    none: bool = False
    comment: str = ""
    round: Round = Round.ANNOTATION
    at: str = ""
    place: str = ""

    @property
    def is_decided(self) -> bool:
        """Return whether anything was decided about the labels."""
        return bool(self.votes) or self.none

    @property
    def label_set(self) -> list[str]:
        """Return the classes voted `yes`."""
        return [name for name, vote in self.votes.items() if vote is Vote.YES]

    @property
    def not_asked(self) -> list[str]:
        """Return the classes that were on screen and have no vote."""
        return [name for name in self.shown or () if name not in self.votes]


def one_word_each(sittings: Iterable[Sitting]) -> list[Sitting]:
    """Return one sitting for each person, for formats without rounds: of both, the vote in refinement stands.

    A class that they were not asked about again keeps its vote; different comments are put below each other.
    """
    found: dict[str, Sitting] = {}
    for one in sorted(sittings, key=lambda one: one.round is Round.REFINEMENT):
        before = found.get(one.annotator)
        found[one.annotator] = one if before is None else _put_together(before, one)
    return list(found.values())


def _put_together(first: Sitting, last: Sitting) -> Sitting:
    votes = {**first.votes, **last.votes}
    are_told = first.shown is not None and last.shown is not None
    return replace(
        last if last.is_decided else first,
        votes=votes,
        shown=tuple(dict.fromkeys((*(first.shown or ()), *(last.shown or ())))) if are_told else None,
        none=(first.none or last.none) and Vote.YES not in votes.values(),
        comment="\n".join(dict.fromkeys(each.comment for each in (first, last) if each.comment)),
    )


@dataclass(frozen=True, slots=True)
class Label:
    """One label of an image, with where it comes from and how sure it is, as far as that is known."""

    name: str
    source: str = ""
    posterior: float | None = None
    n_yes: int | None = None
    n_no: int | None = None
    n_unsure: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A class offered for an image, the best first in its list."""

    name: str
    score: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class ImageContent:
    """Everything that is known about one image.

    Parameters
    ----------
    image
        Its name.
    place
        Where in the file it stands; empty on the way out.
    path
        Where its file lies, relative to the project's images.
    original
        Its original label, if any.
    labels
        Its final label set: empty where none applies, None where nothing was settled.
    empty_source
        Where an empty label set comes from.
    empty_is_meant
        Whether an empty label set, or a sitting with `none`, can only mean that none applies. Some tools leave the same
        empty list where somebody skipped an image.
    sittings, proposals
        What people said, and what was offered.
    """

    image: str
    place: str = ""
    path: str | None = None
    original: str | None = None
    labels: tuple[Label, ...] | None = None
    empty_source: str = ""
    empty_is_meant: bool = True
    sittings: tuple[Sitting, ...] = ()
    proposals: tuple[Proposal, ...] = ()

    @property
    def file_name(self) -> str:
        """Return what other tools call its file: its path; its name, where it has none or lies inside a larger file.

        Rows may have names without an ending, by which other tools know files of images: it is added.
        """
        if self.path and file_of(self.path) == self.path:
            return self.path
        if not self.path or not has_image_suffix(self.path) or has_image_suffix(self.image):
            return self.image
        return self.image + posixpath.splitext(self.path)[1]

    @property
    def shown(self) -> tuple[str, ...]:
        """Return every class that somebody was shown on this image."""
        return tuple(dict.fromkeys(name for sitting in self.sittings for name in sitting.shown or ()))


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that a reader cannot use, or leaves out on purpose (somebody skipped the image)."""

    place: str
    image: str
    reason: str
    is_skip: bool = False


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader is told beside the files.

    Parameters
    ----------
    image_ids
        The project's images in order, for formats that name none.
    classes
        Keys of the project's classes in order, for formats that number them.
    annotator
        Who did the work, for formats that do not say; empty where nobody was named.
    as_votes
        Whether label sets are taken for the votes of `annotator`.
    controls
        Which controls of a labelling interface hold labels, for formats that have several.
    leave_out
        Columns of tables that are read as if they were not there.
    """

    image_ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    annotator: str = ""
    as_votes: bool = False
    controls: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a writer is given.

    Parameters
    ----------
    images
        Called for the records, in the project's order; each call begins anew.
    classes
        What the classes are called in the records, in order of index.
    class_names
        What people call them.
    name
        The project's name.
    columns
        The columns or fields that are wanted; none for the usual ones.
    table
        ``labels`` or ``votes``, for formats that hold one of them.
    locate
        Returns where the file of an image lies, from its record.
    link_images
        Whether the images go along, for formats that hold them: as links, or not at all.
    """

    images: Callable[[], Iterator[ImageContent]]
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str = "project"
    columns: tuple[str, ...] = ()
    table: str = "labels"
    locate: Callable[[ImageContent], str | None] = lambda _: None
    link_images: bool = True


def parts_of(images: Iterable[ImageContent]) -> dict[Part, int]:
    """Return how many of each kind of thing some records hold: labels, votes, comments and so on."""
    n = dict.fromkeys(Part, 0)
    for record in images:
        for label in record.labels or ():
            n[Part.LABELS] += 1
            n[Part.POSTERIORS] += label.posterior is not None
            n[Part.SOURCES] += bool(label.source)
        n[Part.LABELS] += record.labels == ()
        n[Part.PROPOSALS] += len(record.proposals)
        for sitting in record.sittings:
            n[Part.COMMENTS] += bool(sitting.comment)
            n[Part.VOTES] += sitting.is_decided
            n[Part.EXPOSURE] += sitting.is_decided and sitting.shown is not None
            n[Part.NOT_ASKED] += len(sitting.not_asked) if sitting.is_decided else 0
            n[Part.UNSURE] += sum(vote is Vote.UNSURE for vote in sitting.votes.values())
    return n
