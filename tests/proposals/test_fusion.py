"""Merged proposals, against a plain reading of reciprocal rank fusion."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import label_sets_from_lists
from pipeline.proposals.fusion import NO_CLASS, merge_proposals_by_rank, proposal_recall

N_CLASSES = 12


@st.composite
def model_rankings(draw: st.DrawFn) -> dict[str, np.ndarray]:
    n_images = draw(st.integers(1, 4))
    rankings = {}
    for model in range(draw(st.integers(1, 5))):
        depth = draw(st.integers(1, 6))
        orders = st.permutations(range(N_CLASSES)).map(lambda order, depth=depth: order[:depth])
        rankings[f"model{model}"] = np.array(
            draw(st.lists(orders, min_size=n_images, max_size=n_images)), dtype=np.int16
        )
    return rankings


@given(model_rankings(), st.integers(1, 15))
def test_classes_come_in_order_of_their_summed_reciprocal_ranks(
    rankings: dict[str, np.ndarray], n_proposals: int
) -> None:
    merged = merge_proposals_by_rank(rankings, n_proposals)
    for row in range(len(merged.class_index)):
        score, best = defaultdict(float), {}
        for model, ranking in enumerate(rankings.values()):
            for rank, label in enumerate(ranking[row].tolist()):
                score[label] += 1 / (61 + rank)
                best[label] = min(best.get(label, (99, 99)), (rank, model))
        expected = sorted(score, key=lambda label: (-round(score[label], 12), label))[:n_proposals]
        n_found = len(expected)
        assert merged.class_index[row, :n_found].tolist() == expected
        assert (merged.class_index[row, n_found:] == NO_CLASS).all()
        assert merged.source[row, :n_found].tolist() == [best[label][1] for label in expected]
        scale = len(rankings) / 61
        np.testing.assert_allclose(merged.score[row, :n_found], [score[c] / scale for c in expected], rtol=1e-6)


@given(model_rankings())
def test_the_order_of_the_models_changes_no_proposal(rankings: dict[str, np.ndarray]) -> None:
    forward, backward = (merge_proposals_by_rank(dict(items)) for items in (rankings, reversed(rankings.items())))
    np.testing.assert_array_equal(forward.class_index, backward.class_index)
    np.testing.assert_array_equal(forward.score, backward.score)


def test_ties_go_to_the_lower_class_index() -> None:
    merged = merge_proposals_by_rank({"a": np.array([[7, 3]]), "b": np.array([[3, 7]])}, 2)
    assert merged.class_index.tolist() == [[3, 7]]


def test_places_for_which_nobody_names_a_class_stay_empty() -> None:
    merged = merge_proposals_by_rank({"a": np.array([[1, 2], [3, -1]])}, 3)
    assert merged.class_index.tolist() == [[1, 2, -1], [3, -1, -1]]


def test_models_of_different_length_are_refused_by_name() -> None:
    with pytest.raises(DatasetError, match=r"'b'.*1 images of model 'a'"):
        merge_proposals_by_rank({"a": np.array([[1]]), "b": np.array([[1], [2]])})


def test_recall_counts_labels_and_whole_images_and_leaves_empty_sets_out() -> None:
    labels = label_sets_from_lists([[1, 2], [], [3]], ["a", "b", "c"])
    recall = proposal_recall(np.array([[1, 5], [1, 2], [3, -1]]), labels)
    assert (recall.labels.n_hits, recall.labels.n) == (2, 3)
    assert (recall.complete_images.n_hits, recall.complete_images.n) == (1, 2)
    np.testing.assert_array_equal(recall.per_image, [0.5, np.nan, 1.0])
