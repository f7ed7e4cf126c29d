"""Where to cut a posterior into labels: by the declared aim, never by a number tuned on one study.

For F1, the best cut of calibrated posteriors is the one with the greatest expected F1. It needs no known answers, so it
is fixed before anything is scored. Lipton, Elkan & Narayanaswamy (2014, theorem 1) show that it lies at half the F1
that it reaches: keeping one more label of posterior *p* raises ``2 E[right] / (E[kept] + E[true])`` as long as *p* is
above half that ratio. https://arxiv.org/abs/1402.1892
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError

#: The rule of Beyer et al. (2020), made for five votes: one wrong label costs as much as four missed ones.
BEYER2020_CUT = 0.8
_WORDING = "say f1, precision 0.9, posterior 0.8 or beyer2020"


class AimKind(StrEnum):
    """What labels are to be good at."""

    F1 = "f1"
    PRECISION = "precision"
    POSTERIOR = "posterior"
    BEYER2020 = "beyer2020"


@dataclass(frozen=True)
class Aim:
    """A declared aim; ``level`` is the least precision or the fixed posterior, for the kinds that take a number."""

    kind: AimKind = AimKind.F1
    level: float | None = None

    @classmethod
    def parse(cls, words: str) -> Aim:
        """Parse an aim as people write it: ``f1``, ``precision 0.9``, ``posterior 0.8``, ``beyer2020``.

        Raises
        ------
        DatasetError
            If it is none of these, or the number lies outside [0, 1].
        """
        kind, *rest = re.split(r"\s*(?:>=|[\s:=])\s*", words.strip().lower())
        if kind not in list(AimKind) or len(rest) > 1:
            raise DatasetError(f"the aim {words!r} is not known; {_WORDING}")
        takes_number = kind in (AimKind.PRECISION, AimKind.POSTERIOR)
        if takes_number != (len(rest) == 1):
            wanted = "needs a number between 0 and 1" if takes_number else "takes no number"
            raise DatasetError(f"the aim {words!r}: {kind} {wanted}; {_WORDING}")
        if not takes_number:
            return cls(AimKind(kind))
        try:
            level = float(rest[0])
        except ValueError:
            level = -1.0
        if not 0 <= level <= 1:
            raise DatasetError(f"the aim {words!r}: {rest[0]} is no number between 0 and 1")
        return cls(AimKind(kind), level)

    def __str__(self) -> str:
        return self.kind.value if self.level is None else f"{self.kind} {self.level:g}"


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
        ``f1``: the greatest ``2 sum(kept p) / (n_kept + sum(p))``. ``precision``: as many labels as can be kept while
        their mean posterior is at least the level. ``posterior``: the level itself. ``beyer2020``: 0.8.

    Returns
    -------
    Cut
        A label is kept if its posterior is above the value; labels with equal posteriors are treated alike.
    """
    ranked = np.sort(posterior)[::-1]
    n_true = float(ranked.sum())
    right = np.cumsum(ranked)
    n_kept = np.arange(1, len(ranked) + 1)
    if aim.kind is AimKind.F1:
        reached = 2 * right / np.maximum(n_kept + n_true, np.finfo(float).tiny)
        value = float(reached.max(initial=0.0)) / 2
    elif aim.kind is AimKind.PRECISION:
        value = _cut_at_precision(ranked, right / n_kept, aim.level or 0.0)
    else:
        value = BEYER2020_CUT if aim.level is None else aim.level
    kept = posterior > value
    n_right, n_labels = float(posterior[kept].sum()), int(kept.sum())
    return Cut(
        aim=aim,
        value=value,
        expected_f1=2 * n_right / (n_labels + n_true) if n_labels + n_true > 0 else None,
        expected_precision=n_right / n_labels if n_labels else None,
        expected_recall=n_right / n_true if n_true > 0 else None,
    )


def _cut_at_precision(ranked: NDArray[np.float64], precision: NDArray[np.float64], level: float) -> float:
    """Return the posterior just below the last label that keeps the precision; 1 if not even the surest label does."""
    is_last_of_equals = np.append(ranked[1:] < ranked[:-1], True) if len(ranked) else np.zeros(0, dtype=bool)
    good = np.flatnonzero(is_last_of_equals & (precision >= level))
    if len(good) == 0:
        return 1.0
    last = int(good[-1])
    return float(ranked[last + 1]) if last + 1 < len(ranked) else float(np.nextafter(ranked[last], -1.0))
