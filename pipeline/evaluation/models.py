"""Stage 5: score models under the original and the refined labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.evaluation.accuracy import ModelAccuracy, hit_ranks, is_worst_first, model_accuracy
from pipeline.evaluation.differences import Comparison, compare_models
from pipeline.evaluation.fit import LinearFit, linear_fit
from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.multilabel import (
    LabelCountAccuracy,
    accuracy_by_label_count,
    label_count_distribution,
    multi_label_share,
)
from pipeline.evaluation.resampling import OutcomesBuilder
from pipeline.evaluation.shares import Share
from pipeline.evaluation.underrating import UnderratingByClass

FIGURES = tuple(metric.name for metric in METRICS)
COLUMNS = ("model", *FIGURES, "n_images", "n_labelled")


@dataclass(frozen=True)
class EvaluationFigures:
    """The figures about the data set and the fit, as summaries keep them; ``None`` is undefined."""

    multi_label_share: float | None
    multi_label_interval_95: tuple[float, float] | None
    n_multi_label: int
    n_images: int
    n_original: int
    n_labelled: int
    worst_first_models: tuple[str, ...]
    #: Number of images by number of labels.
    label_count_distribution: dict[str, int]
    fit: LinearFit


@dataclass(frozen=True)
class Evaluation:
    """What stage 5 found.

    Parameters
    ----------
    models
        Each model's figures, in the order given.
    by_label_count
        The same, separately for each number of refined labels.
    multi_label
        Images with two or more refined labels, over all.
    label_counts
        Number of images by number of labels.
    fit
        ReaL on Top-1 over the models.
    n_images, n_original, n_labelled
        All images; those with an original label (denominator of Top-1 and Top-5); those with a non-empty refined label
        set (denominator of ReaL and Real@5).
    worst_first_models
        Models whose rankings look stored the wrong way round; their figures are those of the ranking as given.
    underrating
        How far Top-1 underrates the models on the images of each original label
        (:class:`pipeline.evaluation.underrating.UnderratingByClass`).
    comparison
        Every two models compared, and all of them ranked; ``None`` where that was not asked for, or is no question.
    """

    models: tuple[ModelAccuracy, ...]
    by_label_count: tuple[LabelCountAccuracy, ...]
    multi_label: Share
    label_counts: dict[int, int]
    fit: LinearFit
    n_images: int
    n_original: int
    n_labelled: int
    worst_first_models: tuple[str, ...] = ()
    underrating: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    comparison: Comparison | None = field(default=None, compare=False)

    @property
    def shallow_models(self) -> tuple[str, ...]:
        """Return the models whose rankings are too short for Top-5 and Real@5."""
        return tuple(accuracy.model for accuracy in self.models if accuracy.shares["top5"] is None)

    def table(self) -> pd.DataFrame:
        """Return model, each metric (top1, top5, real, …), n_images and n_labelled: one row a model, NaN for undefined.

        `n_images` is the denominator of Top-1 and Top-5, `n_labelled` that of ReaL and Real@5.
        """
        return pd.DataFrame([_record(accuracy) for accuracy in self.models], columns=list(COLUMNS))

    def label_count_table(self) -> pd.DataFrame:
        """Return the columns of :meth:`table` after n_labels: one row per model and number of labels."""
        records = [{"n_labels": row.n_labels} | _record(row.accuracy) for row in self.by_label_count]
        return pd.DataFrame(records, columns=["n_labels", *COLUMNS])

    def interval_table(self) -> pd.DataFrame:
        """Return model, figure, n_hits, n, value, low and high (95%): one row per model and defined figure.

        Shares have Wilson intervals. Means have no `n_hits`, and the intervals of :class:`Mean`.
        """
        records = []
        for accuracy in self.models:
            for figure in FIGURES:
                share = accuracy.shares[figure]
                if share is None or share.interval is None:
                    continue
                low, high = share.interval
                n_hits = share.n_hits if isinstance(share, Share) else None
                records.append((accuracy.model, figure, n_hits, share.n, share.value, low, high))
        table = pd.DataFrame(records, columns=["model", "figure", "n_hits", "n", "value", "low", "high"])
        return table.astype({"n_hits": "Int64"})

    def summary(self) -> EvaluationFigures:
        """Return the figures about the data set and the fit."""
        return EvaluationFigures(
            multi_label_share=self.multi_label.value,
            multi_label_interval_95=self.multi_label.interval,
            n_multi_label=self.multi_label.n_hits,
            n_images=self.n_images,
            n_original=self.n_original,
            n_labelled=self.n_labelled,
            worst_first_models=self.worst_first_models,
            label_count_distribution={str(count): n for count, n in self.label_counts.items()},
            fit=self.fit,
        )


#: Answers (images times models) up to which images and labels are drawn anew; the draws hold all of them in memory.
MOST_ANSWERS_DRAWN = 20_000_000
_N_DRAWS = 1000
#: Answers times draws that a minute pays for, and the fewest draws that an interval of 95% is read from.
_AFFORDABLE, _FEWEST_DRAWS = 3_000_000_000, 200


def draws_for(n_answers: int, asked: int | None = None) -> int:
    """Return how often to draw so many answers (images times models) anew: as asked, else 1,000 times or less often.

    Where there are many, their intervals are narrow: with 200 draws the edge of one moves by a fifth of a standard
    error. Beyond `MOST_ANSWERS_DRAWN` it is 0.
    """
    if n_answers > MOST_ANSWERS_DRAWN:
        return 0
    return min(_N_DRAWS, max(_FEWEST_DRAWS, _AFFORDABLE // max(1, n_answers))) if asked is None else asked


def evaluate_models(
    predictions: Mapping[str, NDArray[np.integer]],
    original_label: NDArray[np.integer],
    labels: LabelSets,
    n_classes: int | None = None,
    *,
    n_draws: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Score every model's ranking of the same images.

    Parameters
    ----------
    predictions
        Model name to ``(n_images, k)`` class indices, the best first; -1 (nothing ranked) hits no class.
    original_label
        ``(n_images,)`` class indices; -1 where the data set has none.
    labels
        Refined labels of the images in the same order.
    n_classes
        Size of the label space; rankings of fewer than five that cover it define Top-5 all the same.
    n_draws
        How often to draw the images anew, to compare every two models and to rank them; 0 does neither.

    Raises
    ------
    DatasetError
        If there is no image, or shapes do not fit; the message names the model.
    """
    if len(labels) == 0:
        raise DatasetError("no images to evaluate on")
    has_original, has_refined = original_label >= 0, labels.n_labels > 0
    models: list[ModelAccuracy] = []
    by_count: list[LabelCountAccuracy] = []
    worst_first: list[str] = []
    underrating = UnderratingByClass(original_label, labels)
    outcomes = OutcomesBuilder(original_label, n_classes) if n_draws and len(predictions) > 1 else None
    for model, ranking in predictions.items():
        try:
            hits = hit_ranks(ranking, original_label, labels)
        except DatasetError as error:
            raise DatasetError(f"model {model!r}: {error}") from error
        if is_worst_first(hits):
            worst_first.append(model)
        models.append(model_accuracy(model, hits, n_classes))
        by_count.extend(accuracy_by_label_count(model, hits, labels, n_classes))
        underrating.add(hits)
        if outcomes is not None:
            outcomes.add(model, hits)
    scored = [(m.top1.value, m.real.value) for m in models if m.top1.value is not None and m.real.value is not None]
    return Evaluation(
        models=tuple(models),
        by_label_count=tuple(by_count),
        multi_label=multi_label_share(labels),
        label_counts=label_count_distribution(labels),
        fit=linear_fit([top1 for top1, _ in scored], [real for _, real in scored]),
        n_images=len(labels),
        n_original=int(has_original.sum()),
        n_labelled=int(has_refined.sum()),
        worst_first_models=tuple(worst_first),
        underrating=underrating.table(),
        comparison=None if outcomes is None else compare_models(outcomes.outcomes(), n_draws, seed),
    )


def _record(accuracy: ModelAccuracy) -> dict[str, object]:
    values: dict[str, object] = {
        figure: np.nan if share is None or share.value is None else share.value
        for figure, share in accuracy.shares.items()
    }
    return {"model": accuracy.model} | values | {"n_images": accuracy.top1.n, "n_labelled": accuracy.real.n}
