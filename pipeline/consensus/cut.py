"""Where to cut a posterior into labels: by the declared aim, never by a number tuned on one study.

For F1, the best cut of calibrated posteriors is the one with the greatest expected F1. It needs no known answers, so it
is fixed before anything is scored. Lipton, Elkan & Narayanaswamy (2014, theorem 1) show that it lies at half the F1
that it reaches: keeping one more label of posterior *p* raises ``2 E[right] / (E[kept] + E[true])`` as long as *p* is
above half that ratio. https://arxiv.org/abs/1402.1892
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.pooling import cached_slices
from pipeline.project.aim import Aim, AimKind

#: The rule of Beyer et al. (2020), made for five votes: one wrong label costs as much as four missed ones.
BEYER2020_CUT = 0.8


@dataclass(frozen=True)
class Cut:
    """Labels are kept above ``value``. The expectations come from the posterior itself; ``None`` if undefined."""

    aim: Aim
    value: float
    expected_f1: float | None
    expected_precision: float | None
    expected_recall: float | None

    def __str__(self) -> str:
        return f"{self.value:.3g}, the aim being {self.aim}"


def choose_cut(posterior: NDArray[np.float64], aim: Aim) -> Cut:
    """Choose where to cut.

    Parameters
    ----------
    posterior
        ``(n_items,)``: probabilities in [0, 1].
    aim
        ``f1``: the greatest ``2 sum(kept p) / (n_kept + sum(p))``; no label at all if it is likelier that none applies.
        ``precision``: as many labels as can be kept while their mean posterior is at least the level.
        ``posterior``: the level itself. ``beyer2020``: 0.8.

    Returns
    -------
    Cut
        A label is kept if its posterior is above the value; labels with equal posteriors are treated alike.
    """
    ranked = np.sort(posterior)[::-1]
    n_true = float(ranked.sum())
    with np.errstate(divide="ignore"):
        none_of = sum(float(np.log1p(-ranked[part]).sum()) for part in cached_slices(len(ranked)))
    nothing_applies = float(np.exp(none_of)) if len(ranked) else 0.0
    keeps_nothing = False
    if aim.kind is AimKind.F1:
        best = max((_best_f1(right, n_kept, n_true) for right, n_kept in _running(ranked)), default=0.0)
        keeps_nothing = nothing_applies > best
        value = float(ranked[0]) if keeps_nothing else best / 2
    elif aim.kind is AimKind.PRECISION:
        value = _cut_at_precision(ranked, np.cumsum(ranked) / np.arange(1, len(ranked) + 1), aim.level or 0.0)
    else:
        value = BEYER2020_CUT if aim.level is None else aim.level
    kept = posterior > value
    n_right, n_labels = float(posterior[kept].sum()), int(kept.sum())
    expected_f1 = 2 * n_right / (n_labels + n_true) if n_labels + n_true > 0 else None
    return Cut(
        aim=aim,
        value=value,
        expected_f1=nothing_applies if keeps_nothing and n_true > 0 else expected_f1,
        expected_precision=n_right / n_labels if n_labels else None,
        expected_recall=n_right / n_true if n_true > 0 else None,
    )


def _running(ranked: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Yield, part by part, how many kept labels are right and how many are kept, if all down to each one are."""
    so_far = 0.0
    for part in cached_slices(len(ranked)):
        right = ranked[part].copy()
        right[0] += so_far
        right = np.cumsum(right)
        so_far = float(right[-1])
        yield right, np.arange(part.start + 1, part.stop + 1)


def _best_f1(right: NDArray[np.float64], n_kept: NDArray[np.int64], n_true: float) -> float:
    return float((2 * right / np.maximum(n_kept + n_true, np.finfo(float).tiny)).max(initial=0.0))


def _cut_at_precision(ranked: NDArray[np.float64], precision: NDArray[np.float64], level: float) -> float:
    """Return the posterior just below the last label that keeps the precision; 1 if not even the surest label does."""
    is_last_of_equals = np.append(ranked[1:] < ranked[:-1], True) if len(ranked) else np.zeros(0, dtype=bool)
    good = np.flatnonzero(is_last_of_equals & (precision >= level))
    if len(good) == 0:
        return 1.0
    last = int(good[-1])
    return float(ranked[last + 1]) if last + 1 < len(ranked) else float(np.nextafter(ranked[last], -1.0))
