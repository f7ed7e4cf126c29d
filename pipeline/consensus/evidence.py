"""Evidence for a label besides votes: models' ranks and scores, how far they agree, and the original label.

Each kind becomes a column that rises with the support, on the scale of log odds. So a label's prior can be learnt from
few coefficients (:mod:`pipeline.consensus.prior`). Columns are shares over models, so they mean the same with one model
as with 47. Only one ranking at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays

#: What may be taken as evidence. With `original` alone, models have no say.
EvidenceKind = Literal["rank", "agreement", "score", "original"]
EVIDENCE_KINDS: Final[tuple[EvidenceKind, ...]] = get_args(EvidenceKind)
#: How many of a model's first classes count towards agreement.
_WITHIN = 5
#: Scores closer to 0 or 1 than this count as this close: their log odds would grow without bound.
_LEAST_SCORE = 1e-4
_CELLS_AT_ONCE = 50_000_000


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
    """One model: class indices ``(n_images, k)``, best first, -1 for none; scores of the same shape, or None."""

    name: str
    class_index: NDArray[np.integer]
    score: NDArray[np.floating] | None = None


class ModelSupport:
    """Sums up what models say about (image, class) pairs, one model at a time.

    Parameters
    ----------
    image, class_index
        ``(n_pairs,)``: each pair's row in the rankings, and its class; -1 where the models do not know it.
    """

    def __init__(self, image: NDArray[np.integer], class_index: NDArray[np.integer]) -> None:
        self._image, self._class = image, class_index
        self._is_known = (image >= 0) & (class_index >= 0)
        n = len(image)
        self.models: list[str] = []
        self.n_first, self.n_within = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
        self.reciprocal_rank, self.sureness = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
        self.n_scoring = 0

    def add(self, ranking: ModelRanking) -> None:
        """Count one more model."""
        self.models.append(ranking.name)
        order, score = ranking.class_index, ranking.score
        has_score = score is not None and bool(np.isfinite(score).any())
        if has_score:
            self.n_scoring += 1
            least = np.float32(np.log(_LEAST_SCORE / (1 - _LEAST_SCORE)))
            sureness = np.full(len(self._image), least, dtype=np.float32)
        for rank in range(order.shape[1]):
            is_hit = self._is_known & (order[self._image, rank] == self._class)
            if rank == 0:
                self.n_first += is_hit
            if rank < _WITHIN:
                self.n_within += is_hit
            self.reciprocal_rank += is_hit * np.float32(1 / (rank + 1))
            if has_score and score is not None:
                given = np.nan_to_num(score[self._image[is_hit], rank], nan=_LEAST_SCORE)
                bounded = np.clip(given, _LEAST_SCORE, 1 - _LEAST_SCORE)
                sureness[is_hit] = np.log(bounded) - np.log1p(-bounded)
        if has_score:
            self.sureness += sureness

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
    support = np.where(original < 0, 0.0, np.where(original == 1, 1.0, -1.0))
    return Evidence(("original label",), support.astype(np.float32)[:, None])


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


def _log_odds(total: NDArray[np.float32], n_models: int) -> NDArray[np.float32]:
    """Return the log odds of a mean over models, with half a model added for and half against, so that it is finite."""
    odds: NDArray[np.float32] = np.log((total + np.float32(0.5)) / (n_models - total + np.float32(0.5)))
    return odds
