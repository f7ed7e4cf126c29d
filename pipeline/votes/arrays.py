"""Votes: who said what about which class of which image, and what they were shown.

The *votes table* is a long :class:`pandas.DataFrame`, one row for each (image, class, annotator, round). It is
exposure-aware: a class that was not shown to an annotator has no row, or one with ``shown=False``; neither is a ``no``.
Everything that counts votes runs on :class:`VoteArrays`, the same votes as small integers (two bytes per vote and nine
per image and class, where there are few annotators),
sorted so that the votes of an image, and within it those of a class, lie side by side.

A *sitting* is one annotator at one image in one round: the votes they left there together, their label set, the time it
took. (A *session* is another thing: what a widget opens to work through many images, `pipeline.annotation.session`.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DatasetError
from pipeline.votes.blocks import VoteBlock
from pipeline.votes.by_item import Numbers
from pipeline.votes.vote_table import IntArray, check_vote_table, counted_rounds, factorize, vote_codes
from pipeline.votes.words import N_VOTES, Round

_KEYS_AT_ONCE = 1_000_000
_MAX_KEY, _MAX_CODE = np.iinfo(np.int64).max, np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class VoteArrays:
    """Votes as integers, sorted by image, class and annotator.

    An *item* is an (image, class) pair on which at least one annotator voted. Images, classes and annotators are coded
    by their position in the vocabularies, which may name some that have no vote at all.

    Attributes
    ----------
    images, classes, annotators
        Vocabularies, one-dimensional, without repeats.
    item_image, item_class
        int32 ``(n_items,)``: codes of each item, ascending by image, then class.
    n_each
        ``(n_items,)``: how many votes each item has, one or more; of :func:`annotator_dtype`.
    annotator
        ``(n_votes,)``: ascending within an item; of :func:`annotator_dtype`.
    vote
        int8 ``(n_votes,)``: 0 no, 1 unsure, 2 yes (the order of :data:`VOTE_ORDER`).
    """

    images: NDArray[Any]
    classes: NDArray[Any]
    annotators: NDArray[Any]
    item_image: NDArray[np.int32]
    item_class: NDArray[np.int32]
    n_each: NDArray[np.signedinteger]
    annotator: NDArray[np.signedinteger]
    vote: NDArray[np.int8]

    @property
    def item(self) -> NDArray[np.int32]:
        """Return the item of each vote, ascending: ``(n_votes,)``, made anew each time."""
        return np.repeat(np.arange(self.n_items, dtype=np.int32), self.n_each)

    @property
    def n_images(self) -> int:
        """Return the number of images in the vocabulary, those without votes included."""
        return len(self.images)

    @property
    def n_classes(self) -> int:
        """Return the number of classes in the vocabulary."""
        return len(self.classes)

    @property
    def n_annotators(self) -> int:
        """Return the number of annotators in the vocabulary, those without votes included."""
        return len(self.annotators)

    @property
    def n_items(self) -> int:
        """Return the number of (image, class) pairs with at least one vote."""
        return len(self.item_image)

    @property
    def n_votes(self) -> int:
        """Return the number of votes."""
        return len(self.vote)

    @property
    def count_dtype(self) -> type[np.integer]:
        """Return the type of counts of an item's votes."""
        return np.int16 if self.n_annotators < np.iinfo(np.int16).max else np.int32

    @classmethod
    def from_codes(
        cls,
        image: ArrayLike,
        class_: ArrayLike,
        annotator: ArrayLike,
        vote: ArrayLike,
        *,
        images: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        annotators: ArrayLike | None = None,
    ) -> VoteArrays:
        """Build from integer codes, one entry per vote, in any order.

        Parameters
        ----------
        image, class_, annotator
            Non-negative integers ``(n_votes,)``: positions in the vocabularies.
        vote
            ``(n_votes,)``: 0 no, 1 unsure, 2 yes.
        images, classes, annotators
            The vocabularies; the codes themselves (``0 … max``) where left out.

        Raises
        ------
        DatasetError
            If lengths differ, a code lies outside its vocabulary, a vote is not 0, 1 or 2, or one annotator voted twice
            on the same (image, class).
        """
        codes = {"image": np.asarray(image), "class": np.asarray(class_), "annotator": np.asarray(annotator)}
        votes = np.asarray(vote)
        if any(column.shape != votes.shape or votes.ndim != 1 for column in codes.values()):
            shapes = {name: column.shape for name, column in codes.items()}
            raise DatasetError(f"votes {votes.shape} and their codes {shapes} differ in length; give one code per vote")
        given = {"image": images, "class": classes, "annotator": annotators}
        names = {what: _vocabulary(codes[what], given[what], what) for what in codes}
        if len(votes) and votes.dtype.kind not in "iu":
            raise DatasetError(f"votes are {votes.dtype}; use the integers 0 for no, 1 for unsure, 2 for yes")
        wrong = np.flatnonzero((votes < 0) | (votes >= N_VOTES))
        if len(wrong):
            raise DatasetError(f"vote {wrong[0]} is {votes[wrong[0]]}; use 0 for no, 1 for unsure, 2 for yes")
        item_key, rater, ballot = _sorted(codes, votes, names)
        is_first = np.ones(len(item_key), dtype=bool)
        np.not_equal(item_key[1:], item_key[:-1], out=is_first[1:])
        is_same = ~is_first[1:] & (rater[1:] == rater[:-1])
        starts = np.flatnonzero(is_first)
        item_codes = item_key[starts]
        n_classes = max(len(names["class"]), 1)
        arrays = cls(
            names["image"],
            names["class"],
            names["annotator"],
            (item_codes // n_classes).astype(np.int32),
            (item_codes % n_classes).astype(np.int32),
            np.diff(starts, append=len(item_key)).astype(rater.dtype),
            rater,
            ballot,
        )
        if len(repeat := np.flatnonzero(is_same)):  # there may be more of an item's votes than `n_each` can count
            arrays._refuse_repeats(repeat, int(np.searchsorted(starts, repeat[0], side="right")) - 1)
        return arrays

    @classmethod
    def from_table(cls, votes: pd.DataFrame, rounds: Sequence[Round] | None = None) -> VoteArrays:
        """Build from a votes table.

        Rows with ``shown=False`` are not votes; their images, classes and annotators stay in the vocabularies.

        Parameters
        ----------
        votes
            Columns ``image, class, annotator, vote`` and, where present, ``round`` and ``shown``.
        rounds
            Count these rounds only. Left out: all; where an annotator voted on the same (image, class) in both, the
            vote of the refinement round stands.

        Raises
        ------
        DatasetError
            As :func:`check_vote_table` and :meth:`from_codes`.
        """
        check_vote_table(votes)
        coded = {name: factorize(votes[name]) for name in ("image", "class", "annotator")}
        counted = np.ones(len(votes), dtype=bool) if "shown" not in votes else votes["shown"].to_numpy(dtype=bool)
        if "round" in votes:
            counted = counted & counted_rounds(votes["round"], rounds, [codes for codes, _ in coded.values()], counted)
        ballots = vote_codes(votes["vote"])
        del votes  # where the caller keeps none of it, its memory is free for sorting
        image, class_, annotator, vote = (
            column if counted.all() else column[counted]
            for column in (*(codes for codes, _ in coded.values()), ballots)
        )
        return cls.from_codes(
            image,
            class_,
            annotator,
            vote,
            images=coded["image"][1],
            classes=coded["class"][1],
            annotators=coded["annotator"][1],
        )

    def without_annotators(self, names: Collection[str]) -> VoteArrays:
        """Return the votes of everybody else; the vocabularies stay, and an item without votes is no item.

        Raise `DatasetError` if somebody named is not in the vocabulary of annotators.
        """
        known = [str(name) for name in self.annotators.tolist()]
        unknown = sorted(set(names) - set(known))
        if unknown:
            near = get_close_matches(unknown[0], known, n=3) or known[:5]
            raise DatasetError(
                f"{unknown[0]!r} is to be left out and has no votes; there are votes of {', '.join(near)}"
            )
        if not names:
            return self
        return self.part(~np.isin(known, list(names))[self.annotator])

    def part(self, kept: NDArray[np.bool_]) -> VoteArrays:
        """Return some of the votes; the vocabularies stay, and an item without votes is no item.

        Parameters
        ----------
        kept
            bool ``(n_votes,)``.
        """
        if self.n_items == 0:
            return self
        starts = np.cumsum(self.n_each, dtype=np.int64) - self.n_each
        n_each = np.add.reduceat(kept, starts, dtype=self.n_each.dtype)
        has_votes = n_each > 0
        return replace(
            self,
            item_image=self.item_image[has_votes],
            item_class=self.item_class[has_votes],
            n_each=n_each[has_votes],
            annotator=self.annotator[kept],
            vote=self.vote[kept],
        )

    def items_of(self, votes: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return the items that some votes are on, from the votes' places in any order."""
        dtype = np.int32 if self.n_votes <= _MAX_CODE else np.int64
        return np.searchsorted(np.cumsum(self.n_each, dtype=dtype), votes.astype(dtype), side="right")

    def item_keys(self, chosen: slice | NDArray[Any] = slice(None)) -> NDArray[np.int64]:
        """Return one number an item, ascending, that names its image and class: int64 ``(n_items,)``.

        Parameters
        ----------
        chosen
            Which items; all where left out.
        """
        keys: NDArray[np.int64] = self.item_image[chosen].astype(np.int64)
        keys *= max(self.n_classes, 1)
        keys += self.item_class[chosen]
        return keys

    def places_of(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the items that these :meth:`item_keys` name, in any order of theirs: -1 where there is none."""
        # Not all keys of the items at once: on 25 million, they would be the largest array of a whole stage.
        places = np.full(len(keys), -1, dtype=np.intp)
        is_ascending = not (keys[1:] < keys[:-1]).any()
        order = None if is_ascending else np.argsort(keys, kind="stable")
        ascending = keys if order is None else keys[order]
        for first_item in range(0, self.n_items if len(keys) else 0, _KEYS_AT_ONCE):
            own = self.item_keys(slice(first_item, first_item + _KEYS_AT_ONCE))
            start, stop = np.searchsorted(ascending, [own[0], own[-1] + 1]).tolist()
            some = ascending[start:stop]
            place = np.searchsorted(own, some)
            found = np.where(own[place] == some, place + first_item, -1)
            if order is None:
                places[start:stop] = found
            else:
                places[order[start:stop]] = found
        return places

    def item_counts(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.integer]:
        """Return how many annotators voted no, unsure and yes on each item: ``(n_items, 3)``, signed.

        Parameters
        ----------
        chosen
            ``(n_items,)``: which items; all where left out.
        """
        counts = np.zeros((self.n_items if chosen is None else int(chosen.sum()), N_VOTES), dtype=self.count_dtype)
        first = 0
        for block in self.blocks():
            found = block.item_counts()
            if chosen is not None:
                found = found[chosen[block.first_item : block.first_item + block.n_items]]
            counts[first : first + len(found)] = found
            first += len(found)
        return counts

    def sum_by_image(self, values: NDArray[Any] | Numbers) -> NDArray[np.float64]:
        """Return the sum of the items' values on each image: float64 ``(n_images,)``.

        Parameters
        ----------
        values
            ``(n_items,)`` numbers or truth values.
        """
        found = np.zeros(self.n_images)
        for block in self.blocks():
            here, images = slice(block.first_item, block.first_item + block.n_items), block.n_images
            found[block.first_image : block.first_image + images] = np.bincount(
                block.item_image, weights=values[here], minlength=images
            )
        return found

    def n_by_annotator(self) -> NDArray[np.int64]:
        """Return how many votes each annotator has given: ``(n_annotators,)``."""
        counts = np.zeros(self.n_annotators, dtype=np.int64)
        for block in self.blocks():
            counts += np.bincount(block.annotator, minlength=self.n_annotators)
        return counts

    def item_frame(self) -> pd.DataFrame:
        """Return one row per item: its image and its class, as they are named outside."""
        return pd.DataFrame({"image": self.images.take(self.item_image), "class": self.classes.take(self.item_class)})

    def blocks(self, n_votes: int = 250_000) -> Iterator[VoteBlock]:
        """Yield runs of whole images of about `n_votes` votes each, so that work on them needs flat memory."""
        first_item = first_vote = 0
        while first_item < self.n_items:
            first_image = int(self.item_image[first_item])
            n_before = np.cumsum(self.n_each[first_item : first_item + n_votes], dtype=np.int64)
            last_item = first_item + min(int(np.searchsorted(n_before, n_votes)), len(n_before) - 1)
            last_image = int(self.item_image[last_item])
            # A key of the array's own type: any other and the search would first copy the whole array.
            end_item = int(np.searchsorted(self.item_image, np.int32(last_image), side="right"))
            items, n_each = slice(first_item, end_item), self.n_each[first_item:end_item]
            end_vote = first_vote + int(n_each.sum())
            votes = slice(first_vote, end_vote)
            yield VoteBlock(
                first_image=first_image,
                n_images=last_image - first_image + 1,
                first_item=first_item,
                item_image=self.item_image[items] - np.int32(first_image),
                item_class=self.item_class[items],
                item=np.repeat(np.arange(len(n_each), dtype=np.int32), n_each),
                annotator=self.annotator[votes],
                vote=self.vote[votes],
            )
            first_item, first_vote = end_item, end_vote

    def _refuse_repeats(self, repeat: NDArray[np.intp], item: int) -> NoReturn:
        annotator = self.annotators[self.annotator[repeat[:1]]].tolist()[0]
        image, class_ = (
            names[of_item[[item]]].tolist()[0]
            for names, of_item in ((self.images, self.item_image), (self.classes, self.item_class))
        )
        raise DatasetError(
            f"annotator {annotator!r} voted more than once on image {image!r}, class {class_!r} ({len(repeat)} such "
            "repeats); keep one vote for each annotator, image and class"
        )


def annotator_dtype(n_annotators: int) -> type[np.signedinteger]:
    """Return the smallest type of annotators' codes that holds a number for each annotator and word, too."""
    fitting = (dtype for dtype in (np.int8, np.int16) if n_annotators * N_VOTES < np.iinfo(dtype).max)
    return next(fitting, np.int32)


def _vocabulary(codes: IntArray, names: ArrayLike | None, what: str) -> NDArray[Any]:
    if len(codes) and not np.issubdtype(codes.dtype, np.integer):
        raise DatasetError(f"{what} codes are {codes.dtype}; give integers, or use VoteArrays.from_table")
    top = int(codes.max()) if len(codes) else -1
    if top > _MAX_CODE:
        raise DatasetError(f"{what} codes run up to {top}; codes are positions, so use VoteArrays.from_table for ids")
    vocabulary = np.arange(top + 1) if names is None else np.asarray(names)
    if len(codes) and (int(codes.min()) < 0 or top >= len(vocabulary)):
        raise DatasetError(f"{what} codes run from {codes.min()} to {top}; the vocabulary holds {len(vocabulary)}")
    return vocabulary


def _sorted(
    codes: dict[str, IntArray], votes: NDArray[Any], names: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.signedinteger], NDArray[np.int8]]:
    """Return item keys, annotators and votes, ascending by item and annotator."""
    n_classes, n_annotators = max(len(names["class"]), 1), max(len(names["annotator"]), 1)
    rater_dtype = annotator_dtype(n_annotators)
    if len(names["image"]) * n_classes * n_annotators * N_VOTES > _MAX_KEY:
        item_key = codes["image"].astype(np.int64) * n_classes + codes["class"]
        order = np.lexsort((codes["annotator"], item_key))
        return item_key[order], codes["annotator"][order].astype(rater_dtype), votes[order].astype(np.int8)
    # All of a vote in one integer, sorted and taken apart in place: a third of the memory of sorting by an index.
    packed = codes["image"].astype(np.int64)
    for column, size in ((codes["class"], n_classes), (codes["annotator"], n_annotators), (votes, N_VOTES)):
        packed *= size
        packed += column if np.can_cast(column.dtype, np.int64) else column.astype(np.int64)
    if (packed[1:] < packed[:-1]).any():
        packed.sort()
    ballot = (packed % N_VOTES).astype(np.int8)
    packed //= N_VOTES
    rater = (packed % n_annotators).astype(rater_dtype)
    packed //= n_annotators
    return packed, rater, ballot
