"""Label sets of a demo, counted by hand."""

from __future__ import annotations

import numpy as np

from pipeline.consensus import majority
from pipeline.demo.against_truth import kept_labels, multi_label
from pipeline.votes.arrays import VoteArrays


def test_images_with_two_labels_or_more_are_multi_label() -> None:
    share = multi_label({0: frozenset({1, 2}), 1: frozenset({3}), 2: frozenset(), 3: frozenset({1, 2, 3})})
    assert (share.n_hits, share.n) == (2, 4)
    assert multi_label({}).value is None


def test_a_majority_is_of_those_who_were_shown_the_class() -> None:
    both, other = {1: 2, 2: 2, 4: 2}, {1: 2, 3: 2, 2: 1}  # from class to vote: 0 no, 1 unsure, 2 yes
    assert majority_labels(both, other) == {1, 2, 3, 4}
    assert majority_labels(both, {1: 0, 3: 0, 4: 0}) == {2}


def majority_labels(*people: dict[int, int]) -> frozenset[int]:
    rows = [(0, class_, person, vote) for person, said in enumerate(people) for class_, vote in said.items()]
    votes = VoteArrays.from_codes(*zip(*rows, strict=True))
    return kept_labels(votes, np.flatnonzero(majority(votes) > 0.5), [0])[0]
