"""The votes of a project, read from its store; stages 3 to 5 count them.

The store keeps states (one per annotator, image and round). Here they become votes on exposed (image, class) pairs:
images and classes are named by their index in the project, annotators by name. The store is read once, streamed image
by image, so memory holds seven bytes per vote, whatever the number of images.

Hidden gold images measure people, not the data set. So where an image is gold for everyone who has it, its votes are
kept apart in :attr:`ProjectVotes.probes`.
"""

from __future__ import annotations

import shlex
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.annotation.events import ImageState
from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table
from pipeline.store import SqlStore, VoteRow
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.disputes import is_agreed
from pipeline.votes.words import VOTE_ORDER, YES, Round

#: How many comments are kept for a report; all are counted.
MAX_COMMENTS = 200
_CODES = {word: code for code, word in enumerate(VOTE_ORDER)}
_VOTES_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Comment:
    """What an annotator wrote about an image."""

    image_index: int
    annotator: str
    round: Round
    text: str


@dataclass(frozen=True, eq=False)
class ProjectVotes:
    """All votes of a project; the three arrays share their vocabularies.

    Attributes
    ----------
    annotation, refinement
        The votes of each round, without hidden gold images. A class that was on screen and left alone is a `no`, with
        one exception: a refiner who leaves an agreed class alone has not voted on it. A class is agreed if everyone who
        was shown it ticked it, and they are two or more people or the image's only annotator.
    probes
        The annotation round's votes on images that are hidden gold for everyone who has them.
    sittings
        One row per annotator and image that they decided in the annotation round (without gold): ``image``,
        ``annotator``, ``active_ms``, ``decided_at`` (the store's running number of the last event, which gives the
        order in time).
    refinement_sittings
        The same for the refinement round.
    simulated
        Annotators who are programs.
    comments
        The first :data:`MAX_COMMENTS`, by image; ``n_comments`` counts all.
    left_out
        Annotators whose votes are not counted and appear nowhere in this object.
    """

    annotation: VoteArrays
    refinement: VoteArrays
    probes: VoteArrays
    sittings: pd.DataFrame
    refinement_sittings: pd.DataFrame
    simulated: frozenset[str]
    comments: tuple[Comment, ...]
    n_comments: int
    left_out: tuple[str, ...] = ()

    @property
    def n_probe_images(self) -> int:
        """Return how many gold images were left out of the statistics because all their votes are in `probes`."""
        return len(np.unique(self.probes.item_image))

    @property
    def voters(self) -> tuple[str, ...]:
        """Return who voted in the annotation round, gold included, by name."""
        codes = np.union1d(np.unique(self.annotation.annotator), np.unique(self.probes.annotator))
        return tuple(str(name) for name in self.annotation.annotators[codes])

    @property
    def refiners(self) -> tuple[str, ...]:
        """Return who voted in the refinement round, by name."""
        return tuple(str(name) for name in self.refinement.annotators[np.unique(self.refinement.annotator)])

    def all_votes(self) -> VoteArrays:
        """Return the votes of both rounds and on gold images together.

        Where someone voted on the same (image, class) in both rounds, the vote of the refinement round stands.
        """
        return merge_votes(merge_votes(self.annotation, self.probes), self.refinement)


def nothing_decided(project: Project, verb: str) -> ProjectError:
    """Return the error for a stage that needs votes and has none; it says what cannot be done and how to vote."""
    return ProjectError(
        f"{project.root}: nobody has decided an image yet, so there is nothing to {verb}; annotators work in "
        f"2_annotate.ipynb; open it with: mlf annotate {shlex.quote(str(project.root))} --annotator NAME"
    )


def read_project_votes(project: Project, store: SqlStore) -> ProjectVotes:
    """Read a project's votes, without those of annotators that its settings leave out.

    Parameters
    ----------
    project
        An open project with images.
    store
        Its store.

    Raises
    ------
    ProjectError
        If the project has no images yet, or its settings leave out somebody whom the store does not know.
    StoreError
        If the store cannot be read.
    """
    import pyarrow.parquet as pq

    n_images = pq.read_metadata(image_table(project)).num_rows
    kinds = store.annotator_kinds()
    left_out = tuple(project.settings.consensus.annotators_left_out)
    unknown = [name for name in left_out if name not in kinds]
    if unknown:
        raise ProjectError(
            f"{project.root}: {unknown[0]!r} is to be left out and is not known; there are {', '.join(sorted(kinds))}"
        )
    vocabularies = _Vocabularies(n_images, len(project.label_space), tuple(sorted(kinds)))
    ordinary, probing = _RoundReader(vocabularies), _RoundReader(vocabularies)
    probes = store.probe_images(Round.ANNOTATION)
    for row in _states(store, Round.ANNOTATION, left_out):
        reader = probing if row.image_index in probes else ordinary
        reader.add(Round.ANNOTATION, row.annotator, row.image_index, row.state)
    annotation = ordinary.votes()
    sittings = ordinary.sittings()
    has_refinement = bool(store.assigned_images(Round.REFINEMENT))
    spared = _agreed(annotation, sittings) if has_refinement else np.empty(0, dtype=np.int64)
    refining = _RoundReader(vocabularies, spared)
    for row in _states(store, Round.REFINEMENT, left_out):
        refining.add(Round.REFINEMENT, row.annotator, row.image_index, row.state)
    comments = sorted([*ordinary.comments, *refining.comments], key=lambda comment: comment.image_index)
    return ProjectVotes(
        annotation=annotation,
        refinement=refining.votes(),
        probes=probing.votes(),
        sittings=sittings,
        refinement_sittings=refining.sittings(),
        simulated=frozenset(name for name, kind in kinds.items() if kind == "simulated"),
        comments=tuple(comments[:MAX_COMMENTS]),
        n_comments=ordinary.n_comments + refining.n_comments,
        left_out=left_out,
    )


def merge_votes(earlier: VoteArrays, later: VoteArrays) -> VoteArrays:
    """Return the votes of both; where both have a vote by the same annotator on an image and class, `later` wins.

    Parameters
    ----------
    earlier, later
        Votes with the same vocabularies.
    """
    if earlier.n_votes == 0 or later.n_votes == 0:
        return later if earlier.n_votes == 0 else earlier
    return _joined((_merged(*couple, earlier) for couple in _image_ranges(earlier, later)), earlier)


def _states(store: SqlStore, round_: Round, left_out: tuple[str, ...]) -> Iterator[VoteRow]:
    return (row for row in store.iter_states(round_) if row.annotator not in left_out)


@dataclass(frozen=True)
class _Vocabularies:
    n_images: int
    n_classes: int
    annotators: tuple[str, ...]

    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.object_]]:
        names = np.empty(len(self.annotators), dtype=object)
        names[:] = self.annotators
        return np.arange(self.n_images, dtype=np.int32), np.arange(self.n_classes, dtype=np.int32), names


@dataclass(eq=False)
class _RoundReader:
    """Collects the states of one round into votes, in order of image.

    States come from the store one at a time, as dictionaries of several kilobytes each. A million of them at once would
    not fit into memory, so their votes go into plain arrays of small integers. Every `_VOTES_AT_ONCE` votes are packed
    into :class:`VoteArrays`, always between two images. The parts then follow one another without overlap, and can be
    joined by concatenation instead of another sort.
    """

    vocabularies: _Vocabularies
    #: Keys, ascending, of the items on which a vote counts only if it was given, not if the class was left alone.
    spared: NDArray[np.int64] | None = None
    comments: list[Comment] = field(default_factory=list)
    n_comments: int = 0

    def __post_init__(self) -> None:
        self._empty = VoteArrays.from_codes([], [], [], [], **self._names())
        self._code = {name: code for code, name in enumerate(self.vocabularies.annotators)}
        self._parts: list[VoteArrays] = []
        self._image, self._class, self._annotator, self._vote = array("i"), array("i"), array("i"), array("b")
        self._is_given = array("b")
        self._decided: tuple[array[int], ...] = (array("i"), array("i"), array("q"), array("q"))
        self._last_image = -1

    def add(self, round_: Round, annotator: str, image_index: int, state: ImageState) -> None:
        if state.comment.strip():
            self.n_comments += 1
            if len(self.comments) < MAX_COMMENTS:
                self.comments.append(Comment(image_index, annotator, round_, state.comment))
        if not state.is_decided:
            return
        votes = state.exposed_votes()
        if image_index != self._last_image and len(self._vote) >= _VOTES_AT_ONCE:
            self._flush()
        self._last_image = image_index
        code = self._code[annotator]
        self._image.extend([image_index] * len(votes))
        self._annotator.extend([code] * len(votes))
        self._class.extend(votes)
        self._vote.extend([_CODES[word] for word in votes.values()])
        if self.spared is not None:
            self._is_given.extend([state.none or class_index in state.votes for class_index in votes])
        for column, value in zip(self._decided, (image_index, code, state.active_ms, state.last_seq), strict=True):
            column.append(value)

    def votes(self) -> VoteArrays:
        self._flush()
        return _joined(_drained(self._parts), self._empty)

    def sittings(self) -> pd.DataFrame:
        image, annotator, active_ms, last_seq = (np.frombuffer(column, column.typecode) for column in self._decided)
        people = pd.CategoricalDtype(list(self.vocabularies.annotators))
        return pd.DataFrame(
            {
                "image": image.copy(),
                "annotator": pd.Categorical.from_codes(annotator.tolist(), dtype=people),
                "active_ms": active_ms.copy(),
                "decided_at": last_seq.copy(),
            }
        )

    def _flush(self) -> None:
        if not self._vote:
            return
        image, class_, annotator, vote = (
            np.frombuffer(column, column.typecode) for column in (self._image, self._class, self._annotator, self._vote)
        )
        kept = slice(None) if self.spared is None else self._counted(image, class_)
        self._parts.append(
            VoteArrays.from_codes(image[kept], class_[kept], annotator[kept], vote[kept], **self._names())
        )
        self._image, self._class, self._annotator, self._vote = array("i"), array("i"), array("i"), array("b")
        self._is_given = array("b")

    def _counted(self, image: NDArray[np.int32], class_: NDArray[np.int32]) -> NDArray[np.bool_]:
        keys = image.astype(np.int64) * self.vocabularies.n_classes + class_
        is_given = np.frombuffer(self._is_given, "b").astype(bool)
        spared = np.empty(0, dtype=np.int64) if self.spared is None else self.spared
        counted: NDArray[np.bool_] = is_given | ~np.isin(keys, spared)
        return counted

    def _names(self) -> dict[str, NDArray[Any]]:
        return dict(zip(("images", "classes", "annotators"), self.vocabularies.arrays(), strict=True))


def _agreed(votes: VoteArrays, sittings: pd.DataFrame) -> NDArray[np.int64]:
    """Return the keys, ascending, of the items that are already agreed when a refiner sees them.

    The rule is :func:`pipeline.votes.disputes.is_agreed`, which the refinement widget uses as well.
    """
    n_annotators = np.bincount(sittings["image"].to_numpy(dtype=np.int64), minlength=votes.n_images)
    found = [np.empty(0, dtype=np.int64)]
    for block in votes.blocks():
        n_yes = np.bincount(block.item[block.vote == YES], minlength=block.n_items)
        image = block.item_image.astype(np.int64) + block.first_image
        n_votes = np.bincount(block.item, minlength=block.n_items)
        stands = is_agreed(n_yes, n_votes, n_annotators[image])
        found.append(image[stands] * max(votes.n_classes, 1) + block.item_class[stands])
    return np.concatenate(found)


def _drained(parts: list[VoteArrays]) -> Iterator[VoteArrays]:
    """Yield the parts and let go of each, so that its memory can be freed."""
    parts.reverse()
    while parts:
        yield parts.pop()


def _joined(parts: Iterable[VoteArrays], names: VoteArrays) -> VoteArrays:
    """Join parts that follow each other by image."""
    columns: dict[str, list[NDArray[Any]]] = {
        "item_image": [],
        "item_class": [],
        "item": [],
        "annotator": [],
        "vote": [],
    }
    n_items = 0
    for part in parts:
        np.add(part.item, np.int32(n_items), out=part.item)
        n_items += part.n_items
        for name, column in columns.items():
            column.append(getattr(part, name))
    if n_items == 0:
        return names
    # One column at a time, freeing its parts as soon as it is whole: two copies of all votes would not fit in memory.
    whole = {name: np.concatenate(columns.pop(name)) for name in tuple(columns)}
    return VoteArrays(images=names.images, classes=names.classes, annotators=names.annotators, **whole)


def _image_ranges(one: VoteArrays, other: VoteArrays) -> Iterator[tuple[VoteArrays, VoteArrays]]:
    """Cut both into ranges of the same whole images, so that the memory for merging stays constant."""
    starts = [block.first_image for block in one.blocks(_VOTES_AT_ONCE)]
    edges = [0, *starts[1:], one.n_images]
    for first, stop in pairwise(edges):
        yield _of_images(one, first, stop), _of_images(other, first, stop)


def _of_images(votes: VoteArrays, first: int, stop: int) -> VoteArrays:
    low, high = np.searchsorted(votes.item_image, np.array([first, stop], dtype=votes.item_image.dtype))
    start, end = np.searchsorted(votes.item, np.array([low, high], dtype=votes.item.dtype))
    return replace(
        votes,
        item_image=votes.item_image[low:high],
        item_class=votes.item_class[low:high],
        item=votes.item[start:end] - np.int32(low),
        annotator=votes.annotator[start:end],
        vote=votes.vote[start:end],
    )


def _merged(earlier: VoteArrays, later: VoteArrays, names: VoteArrays) -> VoteArrays:
    keys = [votes.item_keys()[votes.item] * max(votes.n_annotators, 1) + votes.annotator for votes in (earlier, later)]
    stands = ~np.isin(keys[0], keys[1])
    return VoteArrays.from_codes(
        np.concatenate([earlier.item_image[earlier.item][stands], later.item_image[later.item]]),
        np.concatenate([earlier.item_class[earlier.item][stands], later.item_class[later.item]]),
        np.concatenate([earlier.annotator[stands], later.annotator]),
        np.concatenate([earlier.vote[stands], later.vote]),
        images=names.images,
        classes=names.classes,
        annotators=names.annotators,
    )
