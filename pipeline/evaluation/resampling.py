"""Figures of many models over redrawn images: the bootstrap behind intervals, differences and ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.metrics import METRICS, HitRanks, Metric

#: Draws that are made at once at most, and their weights: so many fit into the memory of small machines.
_DRAWS_AT_ONCE, _WEIGHTS_AT_ONCE = 32, 5_000_000


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What every model does on every image, metric by metric.

    Parameters
    ----------
    models
        Names, ``n_models``.
    values
        Metric name to float32 ``(n_images, n_models)``; 0 where an image does not count, NaN in the whole column of a
        model whose ranking is too short.
    counted
        Metric name to bool ``(n_images,)``: the images that count, for all models alike.
    original_label
        ``(n_images,)`` class indices; -1 for none.
    """

    models: tuple[str, ...]
    values: Mapping[str, NDArray[np.float32]]
    counted: Mapping[str, NDArray[np.bool_]]
    original_label: NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Draws:
    """Figures over redrawn images: metric name to float64 ``(n_draws, n_models)``, NaN where undefined."""

    models: tuple[str, ...]
    figures: Mapping[str, NDArray[np.float64]]


class OutcomesBuilder:
    """Gathers outcomes over one model after the other.

    Parameters
    ----------
    original_label
        ``(n_images,)`` class indices; -1 for none.
    n_classes
        Size of the label space.
    """

    def __init__(self, original_label: NDArray[np.integer], n_classes: int | None = None) -> None:
        self._original_label = original_label
        self._n_classes = n_classes
        self._models: list[str] = []
        self._columns: dict[str, list[NDArray[np.float32]]] = {metric.name: [] for metric in METRICS}
        self._counted: dict[str, NDArray[np.bool_]] = {}

    def add(self, model: str, hits: HitRanks) -> None:
        """Add a model."""
        self._models.append(model)
        for metric in METRICS:
            if not metric.is_defined(hits, self._n_classes):
                self._columns[metric.name].append(np.full(len(self._original_label), np.nan, dtype=np.float32))
                continue
            counted = metric.counted(hits)
            before = self._counted.get(metric.name)
            self._counted[metric.name] = counted if before is None else counted & before
            self._columns[metric.name].append(metric.values(hits).astype(np.float32))

    def outcomes(self) -> Outcomes:
        """Return the outcomes of all models added."""
        n_images = len(self._original_label)
        counted = {m.name: self._counted.get(m.name, np.zeros(n_images, dtype=np.bool_)) for m in METRICS}
        values = {}
        for name, columns in self._columns.items():
            stacked = np.stack(columns, axis=1) if columns else np.zeros((n_images, 0), dtype=np.float32)
            stacked[~counted[name]] = 0
            values[name] = stacked
        return Outcomes(tuple(self._models), values, counted, self._original_label)


def figures_of(outcomes: Outcomes) -> dict[str, NDArray[np.float64]]:
    """Return every metric over the images as they are: metric name to ``(n_models,)``, NaN where undefined."""
    found = {}
    for metric in METRICS:
        weights = _weights_of(metric, outcomes)[None]
        found[metric.name] = _weighted(outcomes, metric, weights.astype(np.float32))[0]
    return found


def draw_figures(outcomes: Outcomes, n_draws: int, seed: int = 0) -> Draws:
    """Take every metric over images drawn with replacement (Efron's bootstrap), the same draw for all models.

    A metric over images draws from all images; one over classes draws the images of each class among themselves, as the
    classes are given and not a sample.

    Parameters
    ----------
    outcomes
        Of the models on the images.
    n_draws
        How often to draw.
    """
    over_images = [metric for metric in METRICS if metric.mean_over == "images"]
    over_classes = [metric for metric in METRICS if metric.mean_over == "classes"]
    drawn: dict[str, list[NDArray[np.float64]]] = {metric.name: [] for metric in METRICS}
    for counts in _image_draws(len(outcomes.original_label), n_draws, np.random.default_rng([seed, 0])):
        for metric in over_images:
            drawn[metric.name].append(_weighted(outcomes, metric, counts))
    for number, metric in enumerate(over_classes, start=1):
        weights = _weights_of(metric, outcomes).astype(np.float32)
        random = np.random.default_rng([seed, number])
        strata = np.where(outcomes.counted[metric.name], outcomes.original_label.astype(np.int64), -1)
        for counts in _stratified_draws(strata, n_draws, random):
            drawn[metric.name].append(_weighted(outcomes, metric, counts * weights))
    empty = np.zeros((0, len(outcomes.models)))
    return Draws(outcomes.models, {name: np.concatenate(rows or [empty]) for name, rows in drawn.items()})


def _weights_of(metric: Metric, outcomes: Outcomes) -> NDArray[np.float64]:
    """Return how much each image weighs: alike, or so that each class of original labels weighs alike."""
    counted = outcomes.counted[metric.name]
    if metric.mean_over == "images":
        return counted.astype(np.float64)
    weights = np.zeros(len(counted))
    _, index, n_images = np.unique(outcomes.original_label[counted], return_inverse=True, return_counts=True)
    weights[counted] = 1 / n_images[index]
    return weights


def _weighted(outcomes: Outcomes, metric: Metric, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the weighted mean of the images that count: ``(n_draws, n_models)``; NaN where none of them is drawn."""
    total = (weights @ outcomes.counted[metric.name].astype(np.float32)).astype(np.float64)
    sums = (weights @ outcomes.values[metric.name]).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: NDArray[np.float64] = sums / total[:, None]
    return means


def _image_draws(n_images: int, n_draws: int, random: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Yield how often each draw has each image, ``(some draws, n_images)``."""
    for n_now in _in_parts(n_draws, n_images):
        yield _counts(random.integers(n_images, size=(n_now, n_images)), n_images)


def _stratified_draws(
    strata: NDArray[np.int64], n_draws: int, random: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """Yield the same, where each image stands for one of its own stratum; those of stratum -1 are never drawn."""
    order = np.argsort(strata, kind="stable")
    order = order[strata[order] >= 0]
    _, start, index, size = np.unique(strata[order], return_index=True, return_inverse=True, return_counts=True)
    for n_now in _in_parts(n_draws, len(strata)):
        place = start[index] + (random.random((n_now, len(order))) * size[index]).astype(np.int64)
        yield _counts(order[place], len(strata))


def _counts(chosen: NDArray[np.int64], n_images: int) -> NDArray[np.float32]:
    counts = np.empty((len(chosen), n_images), dtype=np.float32)
    for draw, images in enumerate(chosen):
        counts[draw] = np.bincount(images, minlength=n_images)
    return counts


def _in_parts(n_draws: int, n_images: int) -> Iterator[int]:
    """Yield how many draws are made at once until all are made; what is drawn does not depend on it."""
    at_once = max(1, min(_DRAWS_AT_ONCE, _WEIGHTS_AT_ONCE // max(1, n_images)))
    for first in range(0, n_draws, at_once):
        yield min(at_once, n_draws - first)
