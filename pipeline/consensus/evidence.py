"""Evidence for a label besides votes: models' ranks and scores, how far they agree, and the original label.

Each kind becomes a column that rises with the support, on the scale of log odds. So a label's prior can be learnt from
few coefficients (:mod:`pipeline.consensus.prior`). Columns are shares over models, so they mean the same with one model
as with 47. Only one ranking at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays

#: What may be taken as evidence. With `original` alone, models have no say.
EvidenceKind = Literal["rank", "agreement", "score", "original"]
EVIDENCE_KINDS: Final[tuple[EvidenceKind, ...]] = get_args(EvidenceKind)
#: The column of :func:`original_evidence`.
ORIGINAL_COLUMN: Final = "original label"
#: How many of a model's first classes count towards agreement.
_WITHIN = 5
#: Scores closer to 0 or 1 than this count as this close: their log odds would grow without bound.
_LEAST_SCORE = 1e-4
_CELLS_AT_ONCE = 50_000_000
_CELLS_IN_CACHE = 250_000


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence on every item of some votes.

    Attributes
    ----------
    columns
        Name of each column.
    values
        float32 ``(n_items, n_columns)``: they rise with the support.
    models
        Names of the models that were asked, for the provenance.
    """

    columns: tuple[str, ...]
    values: NDArray[np.float32]
    models: tuple[str, ...] = ()

    def joined(self, other: Evidence | None) -> Evidence:
        """Return both side by side."""
        if other is None:
            return self
        return Evidence(
            (*self.columns, *other.columns),
            np.concatenate([self.values, other.values], axis=1),
            (*self.models, *other.models),
        )


@dataclass(frozen=True, eq=False)
class ModelRanking:
    """One model: class indices ``(n_images, k)``, best first, -1 for none; scores of the same shape, or None.

    `has_scores` says whether there are any scores, where these are some of the model's images; None looks.
    """

    name: str
    class_index: NDArray[np.integer]
    score: NDArray[np.floating] | None = None
    has_scores: bool | None = None


class ModelSupport:
    """Sums up what models say about (image, class) pairs, one model at a time.

    Parameters
    ----------
    image, class_index
        ``(n_pairs,)``: each pair's row in the rankings, and its class; -1 where the models do not know it.
    """

    def __init__(self, image: NDArray[np.integer], class_index: NDArray[np.integer]) -> None:
        self._image, self._class = image, class_index
        # Pairs that a model can know, in order of their rows: those of a few rows at a time are looked up together.
        self._known = np.flatnonzero((image >= 0) & (class_index >= 0))
        if (np.diff(image[self._known]) < 0).any():
            self._known = self._known[np.argsort(image[self._known], kind="stable")]
        n = len(image)
        self.models: list[str] = []
        self.n_first, self.n_within = np.zeros(n, dtype=np.uint16), np.zeros(n, dtype=np.uint16)
        self.reciprocal_rank, self.sureness = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
        self.n_scoring = 0

    def add(self, ranking: ModelRanking) -> None:
        """Count one more model."""
        self.models.append(ranking.name)
        score = ranking.score
        has_score = score is not None and (
            bool(np.isfinite(score).any()) if ranking.has_scores is None else ranking.has_scores
        )
        self.n_scoring += has_score
        if has_score and score is not None and score.shape[1] == 0:  # it ranks none of these images
            score = np.full((len(score), 1), np.nan, dtype=np.float32)
        worth = np.append(0, 1 / np.arange(1, ranking.class_index.shape[1] + 1)).astype(np.float32)
        least = np.float32(np.log(_LEAST_SCORE / (1 - _LEAST_SCORE)))
        for pairs, rows, rank in self._ranks(ranking.class_index):
            self.n_first[pairs] += rank == 1
            self.n_within[pairs] += (rank > 0) & (rank <= _WITHIN)
            self.reciprocal_rank[pairs] += worth[rank]
            if has_score and score is not None:
                given = np.nan_to_num(score[rows, np.maximum(rank, 1) - 1], nan=_LEAST_SCORE)
                bounded = np.clip(given, _LEAST_SCORE, 1 - _LEAST_SCORE)
                self.sureness[pairs] += np.where(rank > 0, np.log(bounded) - np.log1p(-bounded), least)
        if has_score and len(self._known) < len(self._image):
            self.sureness[(self._image < 0) | (self._class < 0)] += least

    def _ranks(
        self, order: NDArray[np.integer]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.integer], NDArray[np.int32]]]:
        """Yield some pairs, their rows and the rank of each one's class there, from 1; 0 where it has none.

        Where there are many pairs, the ranks of a few rows are written into a table by class, which fits in the
        processor's cache. So each pair is looked up once instead of being compared with every rank.
        """
        if len(self._known) == 0:
            return
        n_classes = int(max(order.max(initial=-1), self._class.max())) + 1
        if len(self._known) < 2 * len(order):  # so few that filling a table takes longer than looking each one up
            step = max(_CELLS_IN_CACHE // max(order.shape[1], 1), 1)
            for start in range(0, len(self._known), step):
                pairs = self._known[start : start + step]
                rows = self._image[pairs]
                is_same = order[rows] == self._class[pairs, None]
                rank = np.where(is_same.any(axis=1), is_same.argmax(axis=1) + 1, 0) if is_same.shape[1] else pairs * 0
                yield pairs, rows, rank.astype(np.int32)
            return
        step = max(_CELLS_IN_CACHE // (n_classes + 1), 1)
        ranks = np.arange(order.shape[1], 0, -1, dtype=np.int32)
        table = np.zeros((step, n_classes + 1), dtype=np.int32)
        starts = np.arange(0, len(order) + step, step)
        for first, (start, stop) in zip(
            starts.tolist(), pairwise(np.searchsorted(self._image[self._known], starts).tolist()), strict=False
        ):
            if start == stop:
                continue
            here = order[first : first + step, ::-1]
            local = np.arange(len(here))[:, None]
            table[local, here] = ranks  # -1, for none, lands in the spare last column; of equal classes the best stands
            pairs = self._known[start:stop]
            rows = self._image[pairs]
            yield pairs, rows, table[rows - first, self._class[pairs]]
            table[local, here] = 0

    def evidence(self, kinds: Iterable[EvidenceKind] = EVIDENCE_KINDS) -> Evidence:
        """Return the columns of the wanted kinds."""
        n, wanted = len(self.models), set(kinds)
        columns: dict[str, NDArray[np.float32]] = {}
        if n and "rank" in wanted:
            columns["rank"] = _log_odds(self.reciprocal_rank, n)
        if n and "agreement" in wanted:
            columns["models that rank it first"] = _log_odds(self.n_first, n)
            columns[f"models that rank it among their first {_WITHIN}"] = _log_odds(self.n_within, n)
        if self.n_scoring and "score" in wanted:
            columns["score"] = self.sureness / np.float32(self.n_scoring)
        values = np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(self._image), 0), np.float32)
        return Evidence(tuple(columns), values, tuple(self.models) if columns else ())


def model_evidence(
    votes: VoteArrays,
    rankings: Mapping[str, NDArray[np.integer]],
    *,
    row_of_image: NDArray[np.integer] | None = None,
    class_index: NDArray[np.integer] | None = None,
    kinds: Iterable[EvidenceKind] = EVIDENCE_KINDS,
) -> Evidence:
    """Return what models say about each item.

    Parameters
    ----------
    votes
        The votes whose items are meant.
    rankings
        Model name to ``(n_images, k)`` class indices, best first, -1 for none.
    row_of_image, class_index
        For each image of the vocabulary, its row in the rankings; for each class, the models' index of it; -1 where
        there is none. If left out, the codes themselves are used.
    kinds
        Which evidence to use.

    Raises
    ------
    DatasetError
        If there is no model, or a row is outside a ranking.
    """
    rows = np.arange(votes.n_images) if row_of_image is None else row_of_image
    classes = np.arange(votes.n_classes) if class_index is None else class_index
    support = ModelSupport(rows[votes.item_image], classes[votes.item_class])
    if not rankings:
        raise DatasetError("no model gives evidence; give predictions of one model or more")
    for name, order in rankings.items():
        if len(rows) and int(rows.max()) >= len(order):
            raise DatasetError(f"model {name!r} ranks {len(order):,} images; row {int(rows.max())} is asked for")
        support.add(ModelRanking(name, order))
    return support.evidence(kinds)


def original_evidence(original: NDArray[np.int8]) -> Evidence:
    """Return the original label as evidence: 1 for this class, -1 for another, 0 where the image has none.

    Parameters
    ----------
    original
        ``(n_items,)``, from :func:`pipeline.consensus.match_original`.
    """
    support = np.array([-1, 1, 0], dtype=np.float32)[original]  # of -1, for none, the last
    return Evidence((ORIGINAL_COLUMN,), support[:, None])


def ranked_but_not_asked(
    rankings: Iterable[NDArray[np.integer]],
    n_classes: int,
    image: NDArray[np.integer],
    class_index: NDArray[np.integer],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (image, class) pairs that some model ranks first to fifth and that nobody was asked about.

    Parameters
    ----------
    rankings
        One array per model: ``(n_images, k)`` class indices, -1 for none. All have the same rows.
    n_classes
        Size of the label space.
    image, class_index
        The pairs that were asked about; -1 stands for a class that the models do not know.

    Returns
    -------
    images, classes
        int64 ``(n_pairs,)`` each.
    """
    orders = [order[:, :_WITHIN] for order in rankings]
    n_images = len(orders[0]) if orders else 0
    found: list[NDArray[np.int64]] = [np.empty((2, 0), dtype=np.int64)]
    step = max(1, _CELLS_AT_ONCE // max(n_classes, 1))
    for start in range(0, n_images, step):
        is_ranked = np.zeros((min(step, n_images - start), n_classes + 1), dtype=bool)
        rows = np.arange(len(is_ranked))[:, None]
        for order in orders:
            is_ranked[rows, order[start : start + step]] = True  # -1, for none, lands in the spare last column
        here = (image >= start) & (image < start + len(is_ranked))
        is_ranked[image[here] - start, class_index[here]] = False
        row, column = np.nonzero(is_ranked[:, :n_classes])
        found.append(np.stack([row + start, column]))
    images, classes = np.concatenate(found, axis=1)
    return images, classes


def _log_odds(total: NDArray[np.float32] | NDArray[np.uint16], n_models: int) -> NDArray[np.float32]:
    """Return the log odds of a mean over models, with half a model added for and half against, so that it is finite."""
    odds: NDArray[np.float32] = np.log((total + np.float32(0.5)) / (n_models - total + np.float32(0.5)))
    return odds
