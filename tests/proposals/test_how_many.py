"""How many proposals are enough: the promise holds on new images, and matches plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.label_sets import label_sets_from_lists
from pipeline.proposals.how_many import fewest_proposals, share_missed


@given(
    st.lists(
        st.tuples(st.permutations(range(6)).map(lambda order: order[:4]), st.sets(st.integers(0, 5))),
        min_size=1,
        max_size=6,
    )
)
def test_the_share_missed_is_what_counting_gives(images: list[tuple[list[int], set[int]]]) -> None:
    proposals = np.array([order for order, _ in images])
    labels = label_sets_from_lists([sorted(of_image) for _, of_image in images], [str(i) for i in range(len(images))])
    missed = share_missed(proposals, labels)
    for row, (order, of_image) in enumerate(images):
        for k in range(5):
            expected = len(of_image - set(order[:k])) / len(of_image) if of_image else 0.0
            assert missed[row, k] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n_images", "rate", "fewest"), [(8, 0.1, None), (19, 0.1, 1), (98, 0.01, None), (99, 0.02, 1)]
)
def test_few_images_promise_little(n_images: int, rate: float, fewest: int | None) -> None:
    """Where one proposal always finds everything, the bound is 1 / (n + 1)."""
    missed = np.tile([1.0, 0.0], (n_images, 1))
    assert fewest_proposals(missed, rate) == fewest


def test_the_promise_holds_on_images_that_it_was_not_made_from() -> None:
    """Each draw: 200 images to choose on, 5,000 to check it on; the mean over draws must not exceed the rate."""
    rate, n_classes, k = 0.1, 12, 12
    on_new, n_kept = [], 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        n = 5200
        n_labels = generator.integers(0, 4, n)
        quality = generator.normal(0, 1, (n, n_classes))
        applies = np.argsort(generator.random((n, n_classes)), axis=1) < n_labels[:, None]
        order = np.argsort(-(quality + 2.0 * applies), axis=1)
        labels = label_sets_from_lists([np.flatnonzero(row).tolist() for row in applies], [str(i) for i in range(n)])
        missed = share_missed(order[:, :k], labels)
        fewest = fewest_proposals(missed[:200], rate)
        assert fewest is not None
        on_new.append(missed[200:, fewest].mean())
        n_kept += on_new[-1] <= rate + 0.015
    assert np.mean(on_new) <= rate
    assert n_kept >= 95
