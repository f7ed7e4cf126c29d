"""Label sets of a demo, counted by hand."""

from __future__ import annotations

from pipeline.annotation.events import ImageState
from pipeline.demo.scores import majority_labels, multi_label


def test_images_with_two_labels_or_more_are_multi_label() -> None:
    share = multi_label({0: frozenset({1, 2}), 1: frozenset({3}), 2: frozenset(), 3: frozenset({1, 2, 3})})
    assert (share.n_hits, share.n) == (2, 4)
    assert multi_label({}).value is None


def test_a_majority_is_of_those_who_were_shown_the_class() -> None:
    both = ImageState(votes={1: "yes", 2: "yes", 4: "yes"}, shown=(1, 2, 4))
    other = ImageState(votes={1: "yes", 3: "yes", 2: "unsure"}, shown=(1, 2, 3))
    undecided = ImageState(shown=(1, 2, 3, 4))
    assert majority_labels([both, other, undecided]) == {1, 2, 3, 4}
    refused = ImageState(votes={1: "no"}, shown=(1, 3, 4))
    assert majority_labels([both, refused]) == {2}
