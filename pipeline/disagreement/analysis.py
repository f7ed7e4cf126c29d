"""The disagreement of a whole votes table, as tidy tables.

The published rule selects an image where *any two label sets differ* (Anzaku et al. 2023). Beside it are measures of
how far they differ, each with the number it was counted on. One annotator alone cannot disagree: such images are left
out of shares over images, and their distances are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from pipeline.disagreement.pairs import SittingPairs, compare_sittings, confused_classes, find_sittings
from pipeline.votes.agreement import AlphaEstimate, alpha_from_counts
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.blocks import VoteBlock
from pipeline.votes.disputes import sets_differ_on
from pipeline.votes.intervals import wilson_interval
from pipeline.votes.words import NO, UNSURE, YES, Round

#: So few that what is computed of them stays in the processor's cache.
ITEMS_AT_ONCE = 65_536


@dataclass(frozen=True)
class DisagreementSummary:
    """The figures of one analysis, each with its denominator.

    ``set_disagreement_share`` is over ``n_images_compared``, the images that two or more annotators worked on; it and
    its interval are ``None`` where there are none. ``n_set_disagreements_shared`` counts differences on classes that
    both were shown: fewer, where annotators of an image were shown different classes. ``alpha`` is ``None`` where
    Krippendorff's alpha is undefined.
    """

    n_images: int
    n_images_compared: int
    n_annotators: int
    n_votes: int
    n_items: int
    n_items_compared: int
    n_items_split: int
    n_items_unsure: int
    n_set_disagreements: int
    n_set_disagreements_shared: int
    set_disagreement_share: float | None
    set_disagreement_low: float | None
    set_disagreement_high: float | None
    mean_jaccard_distance: float | None
    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None


@dataclass(frozen=True, eq=False)
class DisagreementAnalysis:
    """Where annotators differ.

    Attributes
    ----------
    per_image
        One row per image of the vocabulary: ``image``, ``n_annotators``, ``n_exposed`` (classes with a vote),
        ``n_votes``, ``set_disagreement``, ``set_disagreement_shared`` (the same on classes shown to both),
        ``mean_jaccard_distance``, ``mean_jaccard_distance_shared``, ``share_of_classes_disputed``,
        ``n_unanimous``, ``n_split``, ``n_single`` (one vote only), ``n_unsure`` (at least one `unsure`).
    per_class
        One row per class with a vote, most disputed first: ``class``, ``n_images``, ``n_compared``, ``n_split``,
        ``split_share``, ``split_low``, ``split_high``, ``n_no``, ``n_unsure``, ``n_yes``.
    confused_pairs
        ``class_a``, ``class_b``, ``n_confusions`` (pairs of annotators who differed in this way), most frequent first.
    annotator_pairs
        ``annotator_a``, ``annotator_b``, ``n_images``, ``n_shared``, ``n_agree``, ``agreement``,
        ``n_set_disagreements``, ``mean_jaccard_distance``, on classes shown to both.
    alpha
        Krippendorff's alpha.
    summary
        The figures.
    """

    per_image: pd.DataFrame
    per_class: pd.DataFrame
    confused_pairs: pd.DataFrame
    annotator_pairs: pd.DataFrame
    alpha: AlphaEstimate
    summary: DisagreementSummary


def analyze_disagreement(
    votes: pd.DataFrame | VoteArrays,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> DisagreementAnalysis:
    """Analyse where annotators differ.

    Parameters
    ----------
    votes
        A votes table, of which the annotation round is counted, or votes already coded.
    n_resamples, seed
        For alpha's bootstrap.

    Raises
    ------
    DatasetError
        If the table is not a votes table.
    """
    arrays = votes if isinstance(votes, VoteArrays) else VoteArrays.from_table(votes, rounds=(Round.ANNOTATION,))
    counts = arrays.item_counts()
    tally = _Tally(arrays.n_images, arrays.n_annotators, arrays.n_classes)
    for block in arrays.blocks():
        tally.add(block, counts[block.first_item : block.first_item + block.n_items])
    per_image = tally.per_image(arrays)
    alpha = alpha_from_counts(counts, arrays.item_image, n_resamples, seed)
    return DisagreementAnalysis(
        per_image=per_image,
        per_class=_per_class(arrays, counts),
        confused_pairs=tally.confused_pairs(arrays),
        annotator_pairs=tally.annotator_pairs(arrays),
        alpha=alpha,
        summary=_summarize(arrays, per_image, alpha),
    )


@dataclass(eq=False)
class _Tally:
    """Sums that grow block by block.

    A block holds whole images (:meth:`pipeline.votes.arrays.VoteArrays.blocks`), so what is counted within an image
    (its label sets, its pairs of annotators) is final after its block and is written into that image's row; only what
    runs across images (annotators, confused classes) is added up. Comparing pairs takes several numbers for each vote,
    and in this way only for the votes of one block: the peak of memory does not grow with the data set. The tables of
    pairs are sparse, because few of 21,841 × 21,841 classes are ever confused.
    """

    n_images: int
    n_annotators: int
    n_classes: int
    columns: dict[str, NDArray[np.int64]] = field(init=False)
    distances: dict[str, NDArray[np.float64]] = field(init=False)
    by_annotators: list[sparse.csr_array] = field(init=False)
    confusions: sparse.csr_array = field(init=False)

    def __post_init__(self) -> None:
        names = ("n_annotators", "n_exposed", "n_votes", "n_unanimous", "n_split", "n_single", "n_unsure")
        flags = ("set_disagreement", "set_disagreement_shared")
        self.columns = {name: np.zeros(self.n_images, dtype=np.int32) for name in names}
        self.columns |= {name: np.zeros(self.n_images, dtype=bool) for name in flags}
        distances = ("mean_jaccard_distance", "mean_jaccard_distance_shared")
        self.distances = {name: np.full(self.n_images, np.nan) for name in distances}
        self.by_annotators = [sparse.csr_array((self.n_annotators, self.n_annotators)) for _ in range(5)]
        self.confusions = sparse.csr_array((self.n_classes, self.n_classes), dtype=np.int64)

    def add(self, block: VoteBlock, counts: NDArray[np.integer]) -> None:
        sittings = find_sittings(block, self.n_annotators)
        pairs, ticks = compare_sittings(block, sittings)
        here = slice(block.first_image, block.first_image + block.n_images)
        n_annotators = sittings.n_by_image
        self._count_items(block, counts, n_annotators, here)
        any_differ = np.zeros(block.n_images, dtype=bool)
        any_differ[pairs.image[pairs.n_differ > 0]] = True
        self.columns["set_disagreement_shared"][here] = any_differ
        n_pairs = n_annotators * (n_annotators - 1) // 2
        for name, distance in (
            ("mean_jaccard_distance", pairs.jaccard_distance),
            ("mean_jaccard_distance_shared", pairs.jaccard_distance_shared),
        ):
            total = np.bincount(pairs.image, weights=distance, minlength=block.n_images)
            with np.errstate(invalid="ignore", divide="ignore"):
                self.distances[name][here] = np.where(n_pairs > 0, total / n_pairs, np.nan)
        self._count_annotators(pairs)
        lower, upper = confused_classes(ticks)
        shape = self.confusions.shape
        self.confusions += sparse.csr_array((np.ones(len(lower), dtype=np.int64), (lower, upper)), shape=shape)

    def _count_items(
        self, block: VoteBlock, counts: NDArray[np.integer], n_annotators: NDArray[np.int64], here: slice
    ) -> None:
        totals, top = totals_and_top(counts)
        is_apart = sets_differ_on(counts[:, YES], n_annotators[block.item_image])
        tallies = {
            "n_exposed": np.ones(len(totals), dtype=bool),
            "n_unanimous": (totals > 1) & (top == totals),
            "n_split": top < totals,
            "n_single": totals == 1,
            "n_unsure": counts[:, UNSURE] > 0,
        }
        for name, chosen in tallies.items():
            self.columns[name][here] = np.bincount(block.item_image[chosen], minlength=block.n_images)
        self.columns["n_annotators"][here] = n_annotators
        self.columns["n_votes"][here] = np.bincount(block.item_image[block.item], minlength=block.n_images)
        differs = np.zeros(block.n_images, dtype=bool)
        differs[block.item_image[is_apart]] = True
        self.columns["set_disagreement"][here] = differs

    def _count_annotators(self, pairs: SittingPairs) -> None:
        has_shared = pairs.n_shared > 0
        values = (has_shared, pairs.n_shared, pairs.n_agree, pairs.n_differ > 0, pairs.jaccard_distance_shared)
        where = (pairs.annotator_a[has_shared], pairs.annotator_b[has_shared])
        for position, value in enumerate(values):
            part = sparse.csr_array((value[has_shared].astype(float), where), shape=self.by_annotators[0].shape)
            self.by_annotators[position] += part

    def per_image(self, arrays: VoteArrays) -> pd.DataFrame:
        columns = self.columns
        share = np.full(self.n_images, np.nan)
        compared = columns["n_annotators"] > 1
        share[compared] = columns["n_split"][compared] / columns["n_exposed"][compared]
        first = ("n_annotators", "n_exposed", "n_votes", "set_disagreement", "set_disagreement_shared")
        return pd.DataFrame(
            {
                "image": arrays.images,
                **{name: columns[name] for name in first},
                **self.distances,
                "share_of_classes_disputed": share,
                **{name: columns[name] for name in ("n_unanimous", "n_split", "n_single", "n_unsure")},
            }
        )

    def annotator_pairs(self, arrays: VoteArrays) -> pd.DataFrame:
        n_images, *rest = (matrix.tocoo() for matrix in self.by_annotators)
        one, other = n_images.coords
        n_shared, n_agree, n_differ, distance = (_values(part, one, other) for part in rest)
        return pd.DataFrame(
            {
                "annotator_a": arrays.annotators[one],
                "annotator_b": arrays.annotators[other],
                "n_images": n_images.data.astype(np.int64),
                "n_shared": n_shared.astype(np.int64),
                "n_agree": n_agree.astype(np.int64),
                "agreement": n_agree / n_shared,
                "n_set_disagreements": n_differ.astype(np.int64),
                "mean_jaccard_distance": distance / n_images.data,
            }
        )

    def confused_pairs(self, arrays: VoteArrays) -> pd.DataFrame:
        found = self.confusions.tocoo()
        lower, upper = found.coords
        order = np.lexsort((upper, lower, -found.data))
        return pd.DataFrame(
            {
                "class_a": arrays.classes[lower[order]],
                "class_b": arrays.classes[upper[order]],
                "n_confusions": found.data[order],
            }
        )


def totals_and_top(counts: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return how many votes each item has, and how many the commonest word: a tenth of the time of `sum` and `max`."""
    no, unsure, yes = counts.T
    return no + unsure + yes, np.maximum(np.maximum(no, unsure), yes)


def _values(
    matrix: sparse.coo_array, row: NDArray[np.integer[Any]], column: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    if len(row) == 0:  # an empty index of a sparse array gives another sparse array
        return np.zeros(0)
    return np.asarray(matrix.tocsr()[row, column]).ravel()


def _per_class(arrays: VoteArrays, counts: NDArray[np.integer]) -> pd.DataFrame:
    n_classes = arrays.n_classes
    n_images, n_compared, n_split = (np.zeros(n_classes, dtype=np.int64) for _ in range(3))
    codes = {"n_no": NO, "n_unsure": UNSURE, "n_yes": YES}
    by_vote = {name: np.zeros(n_classes, dtype=np.int64) for name in codes}
    for first in range(0, arrays.n_items, ITEMS_AT_ONCE):
        part = slice(first, first + ITEMS_AT_ONCE)
        item_class, (totals, top) = arrays.item_class[part], totals_and_top(counts[part])
        n_images += np.bincount(item_class, minlength=n_classes)
        n_compared += np.bincount(item_class[totals > 1], minlength=n_classes)
        n_split += np.bincount(item_class[top < totals], minlength=n_classes)
        for name, code in codes.items():
            by_vote[name] += np.bincount(item_class, weights=counts[part, code], minlength=n_classes).astype(np.int64)
    low, high = wilson_interval(n_split.astype(float), n_compared.astype(float))
    with np.errstate(invalid="ignore"):
        share = n_split / n_compared
    table = pd.DataFrame(
        {
            "class": arrays.classes,
            "n_images": n_images,
            "n_compared": n_compared,
            "n_split": n_split,
            "split_share": share,
            "split_low": low,
            "split_high": high,
            **by_vote,
        }
    )
    table = table[n_images > 0]
    order = ["n_split", "split_share"]
    return table.sort_values(order, ascending=False, kind="stable").reset_index(drop=True)


def _summarize(arrays: VoteArrays, per_image: pd.DataFrame, alpha: AlphaEstimate) -> DisagreementSummary:
    compared = per_image[per_image["n_annotators"] > 1]
    n_compared, n_differ = len(compared), int(compared["set_disagreement"].sum())
    low, high = (float(bound) for bound in wilson_interval(float(n_differ), float(n_compared)))
    has_any = n_compared > 0
    return DisagreementSummary(
        n_images=int((per_image["n_annotators"] > 0).sum()),
        n_images_compared=n_compared,
        n_annotators=int(np.count_nonzero(arrays.n_by_annotator())),
        n_votes=arrays.n_votes,
        n_items=arrays.n_items,
        n_items_compared=int((per_image["n_unanimous"] + per_image["n_split"]).sum()),
        n_items_split=int(per_image["n_split"].sum()),
        n_items_unsure=int(per_image["n_unsure"].sum()),
        n_set_disagreements=n_differ,
        n_set_disagreements_shared=int(compared["set_disagreement_shared"].sum()),
        set_disagreement_share=n_differ / n_compared if has_any else None,
        set_disagreement_low=low if has_any else None,
        set_disagreement_high=high if has_any else None,
        mean_jaccard_distance=float(compared["mean_jaccard_distance"].mean()) if has_any else None,
        alpha=alpha.value,
        alpha_low=alpha.low,
        alpha_high=alpha.high,
    )
