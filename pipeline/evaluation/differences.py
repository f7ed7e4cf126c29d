"""Is model A better than model B? Paired differences on the same images, tests, and ranks with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import bdtr

from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.resampling import Draws, Outcomes, draw_figures, figures_of
from pipeline.evaluation.shares import NORMAL_95

#: Metrics that say of each image whether it is hit or not, so that two models can be set against each other on it.
PAIRED = ("top1", "real")
#: Differences whose p, corrected, is below this are sure.
SURE = 0.05
#: Draws this close together differ by rounding alone.
_ALIKE = 1e-5
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class OrderChange:
    """How far two metrics order the same models alike.

    Parameters
    ----------
    n_pairs
        Pairs of models that differ under both.
    n_reversed
        Pairs of which each metric puts another one first.
    n_surely_reversed
        Those of them whose difference is significant under both metrics (McNemar, Holm over all pairs, 5%).
    examples
        Pairs that are surely reversed, or else simply reversed, as (better under the first, better under the second).
    """

    first: str
    second: str
    n_pairs: int
    n_reversed: int
    n_surely_reversed: int
    examples: tuple[tuple[str, str], ...]


def pair_table(outcomes: Outcomes, draws: Draws | None = None, metrics: Sequence[str] = PAIRED) -> pd.DataFrame:
    """Compare every two models on the same images.

    Parameters
    ----------
    outcomes
        Of the models on the images.
    draws
        Of the same outcomes. Without them, where all of them are alike, and where one has no image that counts,
        intervals are those of Agresti and Min (2005, https://doi.org/10.1002/sim.1781), which always have a width.
    metrics
        Which metrics; each must be true or false of an image.

    Returns
    -------
    pandas.DataFrame
        One row per metric and pair, the better model first: `metric`, `a`, `b`; `difference` (of the two accuracies)
        with `low` and `high` (95%); `n_only_a`, `n_only_b`, the images that only one of them hits, of `n_images`; `p`
        of McNemar's exact test (two-sided, binomial: McNemar 1947) and `p_holm`, that with Holm's (1979) correction
        over all pairs of the metric. A metric for which no image counts has no rows.
    """
    tables = [_pairs_of(outcomes, draws, metric) for metric in metrics]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def rank_table(outcomes: Outcomes, draws: Draws) -> pd.DataFrame:
    """Rank the models under every metric, with how far the ranks move when the images are drawn anew.

    Returns
    -------
    pandas.DataFrame
        `metric`, `model`, `value` with `low` and `high` (95%), `rank` (1 is the best; equals share the better rank)
        with `rank_low` and `rank_high`: 95% of the draws rank it between these. Draws without an image that counts are
        left out. Where draws never differ, and over classes, where a class of one image never varies, `low` and `high`
        are those of the figure itself (`Metric.mean`).
    """
    from scipy.stats import rankdata  # here, since it takes half a second and most stages rank no models

    tables = []
    values = figures_of(outcomes)
    for own in METRICS:
        metric, value = own.name, values[own.name]
        is_there = np.isfinite(value)
        if not is_there.any():
            continue
        figures, drawn = value[is_there], draws.figures[metric][:, is_there]
        is_drawn = np.isfinite(drawn).all(axis=1)
        drawn = drawn[is_drawn] if is_drawn.any() else figures[None]
        ranks = rankdata(-drawn, method="min", axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        for place, model in enumerate(np.flatnonzero(is_there)):
            if own.mean_over == "classes" or high[place] - low[place] < _ALIKE:
                its = outcomes.values[metric][:, model].astype(np.float64)
                figure = own.mean(its, outcomes.counted[metric], outcomes.original_label)
                low[place], high[place] = figure.interval or (low[place], high[place])
        rank_low, rank_high = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
        table = pd.DataFrame(
            {
                "metric": metric,
                "model": np.array(outcomes.models)[is_there],
                "value": figures,
                "low": low,
                "high": high,
                "rank": rankdata(-figures, method="min").astype(int),
                "rank_low": rank_low.astype(int),
                "rank_high": rank_high.astype(int),
            }
        )
        tables.append(table.sort_values("rank", kind="stable"))
    columns = ["metric", "model", "value", "low", "high", "rank", "rank_low", "rank_high"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def order_change(pairs: pd.DataFrame) -> OrderChange:
    """Tell from :func:`pair_table` where the two metrics order models differently."""
    one, other = (_winners(pairs[pairs["metric"] == metric]) for metric in PAIRED)
    both = one.keys() & other.keys()
    likely: list[tuple[str, str]] = []
    sure: list[tuple[str, str]] = []
    for pair in sorted(both, key=sorted):
        (winner, p), (other_winner, other_p) = one[pair], other[pair]
        if winner != other_winner:
            (sure if max(p, other_p) < SURE else likely).append((winner, other_winner))
    n_pairs = len(both)
    return OrderChange(*PAIRED, n_pairs, len(likely) + len(sure), len(sure), tuple([*sure, *likely][:5]))


def _winners(pairs: pd.DataFrame) -> dict[frozenset[str], tuple[str, float]]:
    """Return the better model of each pair, and p; pairs without a difference are left out."""
    differ = pairs[pairs["difference"] != 0]
    rows = zip(differ["a"], differ["b"], differ["p_holm"], strict=True)
    return {frozenset((str(a), str(b))): (str(a), float(p)) for a, b, p in rows}


def mcnemar(n_only_a: NDArray[np.integer], n_only_b: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the two-sided p of McNemar's exact test, from the images that only one of two models hits."""
    fewer = np.minimum(n_only_a, n_only_b)
    p: NDArray[np.float64] = np.minimum(1.0, 2 * bdtr(fewer, n_only_a + n_only_b, 0.5))
    return p


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values with Holm's step-down correction (1979): compared with 5%, no test at all errs with 95%."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def adjusted_interval(
    n_only_a: NDArray[np.number], n_only_b: NDArray[np.number], n_images: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Agresti and Min's interval of a difference: Wald's after half an image more of each of the four kinds."""
    n = n_images + 2
    difference, n_unlike = (n_only_a - n_only_b) / n, n_only_a + n_only_b + 1
    reach = NORMAL_95 * np.sqrt(n_unlike / n - difference**2) / n**0.5
    return np.maximum(difference - reach, -1.0), np.minimum(difference + reach, 1.0)


def _pairs_of(outcomes: Outcomes, draws: Draws | None, metric: str) -> pd.DataFrame:
    assert next(m for m in METRICS if m.name == metric).mean_over == "images"
    hits, counted = outcomes.values[metric], outcomes.counted[metric]
    both = np.zeros((hits.shape[1], hits.shape[1]))
    for first in range(0, len(hits), _ROWS_AT_ONCE):
        some = hits[first : first + _ROWS_AT_ONCE]
        both += some.T @ some  # whole numbers below 2 ** 24 are exact in float32
    n_hits, n_images = np.diag(both), int(counted.sum())
    one, other = np.triu_indices(len(n_hits) if n_images else 0, 1)  # on no image nobody can be compared
    is_worse = n_hits[one] < n_hits[other]
    a, b = np.where(is_worse, other, one), np.where(is_worse, one, other)
    n_only_a = np.rint(n_hits[a] - both[a, b]).astype(np.int64)
    n_only_b = np.rint(n_hits[b] - both[a, b]).astype(np.int64)
    difference = (n_only_a - n_only_b) / max(n_images, 1)
    low, high = adjusted_interval(n_only_a, n_only_b, n_images)
    if draws is not None:
        drawn = draws.figures[metric]
        for pair in range(len(a)):
            edges = np.quantile(drawn[:, a[pair]] - drawn[:, b[pair]], [0.025, 0.975])
            if edges[0] < edges[1]:  # a draw without an image that counts is nan, and so are the edges
                low[pair], high[pair] = edges
    p = mcnemar(n_only_a, n_only_b)
    models = np.array(outcomes.models, dtype=object)
    return pd.DataFrame(
        {
            "metric": metric,
            "a": models[a],
            "b": models[b],
            "difference": difference,
            "low": low,
            "high": high,
            "n_only_a": n_only_a,
            "n_only_b": n_only_b,
            "n_images": n_images,
            "p": p,
            "p_holm": holm(p),
        }
    )


@dataclass(frozen=True, slots=True)
class Lead:
    """How far the best model is ahead of the next under one metric, and how many pairs of models surely differ."""

    a: str
    b: str
    difference: float
    low: float
    high: float
    n_images: int
    p_holm: float
    n_pairs: int
    n_surely_different: int

    @property
    def is_sure(self) -> bool:
        """Return whether p is below 5% after Holm's correction."""
        return self.p_holm < SURE


def lead(pairs: pd.DataFrame, best: str, next_best: str) -> Lead | None:
    """Return how two models compare under ReaL, from :func:`pair_table`; None if they were not compared."""
    own = pairs[pairs["metric"] == "real"]
    found = own[own["a"].isin([best, next_best]) & own["b"].isin([best, next_best])]
    if len(found) == 0:
        return None
    row = found.iloc[0]
    return Lead(
        a=str(row["a"]),
        b=str(row["b"]),
        difference=float(row["difference"]),
        low=float(row["low"]),
        high=float(row["high"]),
        n_images=int(row["n_images"]),
        p_holm=float(row["p_holm"]),
        n_pairs=len(own),
        n_surely_different=int((own["p_holm"].astype(float) < SURE).sum()),
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Every two models compared (:func:`pair_table`), their ranks (:func:`rank_table`), and what the metrics order.

    `n_draws` is how often the images were drawn anew.
    """

    pairs: pd.DataFrame
    ranks: pd.DataFrame
    order: OrderChange
    n_draws: int


def compare_models(outcomes: Outcomes, n_draws: int, seed: int = 0) -> Comparison:
    """Compare every two models, and rank all of them.

    Parameters
    ----------
    outcomes
        Of the models on the images.
    n_draws
        How often to draw the images anew.
    """
    draws = draw_figures(outcomes, n_draws, seed)
    pairs = pair_table(outcomes, draws)
    return Comparison(pairs, rank_table(outcomes, draws), order_change(pairs), n_draws)
