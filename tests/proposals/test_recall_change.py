"""What new proposals are worth on settled images; nothing is claimed where there is no label to find."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from pipeline.evaluation.label_sets import label_sets_from_lists
from pipeline.proposals.recall_change import proposals_needed, recall_change
from pipeline.reports.headlines import improve_headline
from pipeline.stages.improve import RATES, ImproveSummary, recall_table

OLD = np.tile(np.arange(5, dtype=np.int32), (40, 1))
NEW = OLD[:, ::-1]


def told(labels: list[list[int]]) -> tuple[ImproveSummary, str]:
    """Return the summary of images with these labels, and what the stage says of it."""
    sets = label_sets_from_lists(labels, [str(image) for image in range(len(labels))])
    summary = ImproveSummary(
        n_settled=len(labels),
        n_renewed=0,
        recall=(recall_change(2, OLD, OLD, NEW, sets), recall_change(5, OLD, OLD, NEW, sets)),
        needed=proposals_needed(OLD, NEW, sets),
        enough=(0,) * len(RATES),
        methods=("model",),
        simulated_annotators=(),
    )
    return summary, "\n".join(improve_headline(summary))


def test_without_a_label_to_find_no_gain_no_number_and_no_interval_is_claimed() -> None:
    summary, lines = told([[]] * 40)
    assert "at 2: undefined" in lines
    assert "95%" not in lines
    assert "proposals an image" not in lines
    shown = recall_table(summary.recall)
    assert set(shown[["gain", "of it by looking", "by learning"]].to_numpy().ravel()) == {"undefined"}


def test_with_labels_to_find_gains_and_numbers_are_those_of_counting() -> None:
    summary, lines = told([[0, 4]] * 20 + [[3, 4]] * 20)
    at_2, at_5 = summary.recall
    assert (at_2.before.n_hits, at_2.after.n_hits, at_2.before.n) == (20, 60, 80)
    low, high = at_2.gain.interval
    assert low < at_2.gain.value == 0.5 < high
    assert (at_5.gain.value, at_5.gain.interval) == (0.0, (0.0, 0.0)), "both offer the same five classes"
    assert (summary.needed.n, summary.needed.interval) == (5, (5, 5))
    assert "5 new proposals an image (95%: 5 to 5) find as many labels" in lines


def paired_interval(n_new: float, n_old: float, n: int) -> tuple[float, float]:
    """Return Wald's interval of a paired difference with half an image added to each cell: Agresti and Min (2005)."""
    n_new, n_old, n = n_new + 0.5, n_old + 0.5, n + 2
    reach = NormalDist().inv_cdf(0.975) * (n_new + n_old - (n_new - n_old) ** 2 / n) ** 0.5 / n
    return max(-1.0, (n_new - n_old) / n - reach), min(1.0, (n_new - n_old) / n + reach)


@pytest.mark.parametrize(
    ("labels", "value", "n_won", "n_labelled"),
    [
        ([[2]] * 3, 0.0, 0, 3),  # neither side offers it
        ([[4]] * 3, 1.0, 3, 3),
        ([[2, 4]] * 3, 0.5, 1.5, 3),
        ([[2, 3, 4, 9]] * 3, 0.5, 1.5, 3),  # more labels of the same image are no more trials
        ([[4], [], []], 1.0, 1, 1),  # images without a label say nothing
    ],
)
def test_a_few_images_that_are_all_alike_give_a_gain_that_is_not_certain(
    labels: list[list[int]], value: float, n_won: float, n_labelled: int
) -> None:
    sets = label_sets_from_lists(labels, ["a", "b", "c"])
    gain = recall_change(2, OLD[:3], None, NEW[:3], sets).gain
    assert gain.value == value
    assert gain.interval == pytest.approx(paired_interval(n_won, 0, n_labelled))
    back = recall_change(2, NEW[:3], None, OLD[:3], sets).gain
    assert back.interval == pytest.approx(tuple(-edge for edge in reversed(gain.interval)))
