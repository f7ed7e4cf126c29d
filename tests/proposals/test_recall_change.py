"""What new proposals are worth on settled images; nothing is claimed where there is no label to find."""

from __future__ import annotations

import numpy as np

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
    assert (at_5.gain.value, at_5.gain.interval) == (0.0, (0.0, 0.0))
    assert (summary.needed.n, summary.needed.interval) == (5, (5, 5))
    assert "5 new proposals an image (95%: 5 to 5) find as many labels" in lines
