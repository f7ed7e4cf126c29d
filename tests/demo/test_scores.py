"""Label sets against a truth, counted by hand."""

from __future__ import annotations

import pytest

from pipeline.annotation.events import ImageState
from pipeline.demo.scores import majority_labels, multi_label, score_labels

TRUTH = {0: frozenset({1, 2}), 1: frozenset({3}), 2: frozenset({4, 5, 6})}


def test_precision_recall_and_f1_are_over_the_labels_of_the_images_given() -> None:
    score = score_labels({0: frozenset({1, 7}), 1: frozenset()}, TRUTH)
    assert (score.n_right, score.n_given, score.n_true, score.n_images) == (1, 2, 3, 2)
    assert score.precision.value == pytest.approx(1 / 2)
    assert score.recall.value == pytest.approx(1 / 3)
    assert score.f1 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))


def test_what_is_not_defined_says_so() -> None:
    nothing = score_labels({}, TRUTH)
    assert nothing.f1 is None
    assert nothing.precision.value is None
    assert multi_label({}).value is None


def test_images_with_two_labels_or_more_are_multi_label() -> None:
    share = multi_label({0: frozenset({1, 2}), 1: frozenset({3}), 2: frozenset(), 3: frozenset({1, 2, 3})})
    assert (share.n_hits, share.n) == (2, 4)


def test_a_majority_is_of_those_who_were_shown_the_class() -> None:
    both = ImageState(votes={1: "yes", 2: "yes", 4: "yes"}, shown=(1, 2, 4))
    other = ImageState(votes={1: "yes", 3: "yes", 2: "unsure"}, shown=(1, 2, 3))
    undecided = ImageState(shown=(1, 2, 3, 4))
    assert majority_labels([both, other, undecided]) == {1, 2, 3, 4}
    refused = ImageState(votes={1: "no"}, shown=(1, 3, 4))
    assert majority_labels([both, refused]) == {2}
