"""How many proposals are enough: the promise holds on new images, and matches plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.risk_control import MultiLabelClassificationController

from pipeline.evaluation.label_sets import label_sets_from_lists
from pipeline.proposals.how_many import cut_by_score, fewest_proposals, share_missed


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


def crowded_images(seed: int, n_images: int, n_classes: int, least_labels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return which classes apply to each image, and probabilities that a decent model gives them."""
    generator = np.random.default_rng(seed)
    n_labels = generator.integers(least_labels, 4, n_images)
    applies = np.argsort(generator.random((n_images, n_classes)), axis=1) < n_labels[:, None]
    logit = generator.normal(0, 1, (n_images, n_classes)) + 2.5 * applies - 2
    return applies, 1 / (1 + np.exp(-logit))


def ranked(applies: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares that the first 0, 1, 2, … proposals miss, and the proposals' scores."""
    order = np.argsort(-probability, axis=1)
    labels = label_sets_from_lists([np.flatnonzero(row).tolist() for row in applies], list(map(str, range(len(order)))))
    return share_missed(order, labels), np.take_along_axis(probability, order, axis=1)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
def test_the_threshold_is_that_of_mapie(rate: float) -> None:
    """MAPIE tries a grid of thresholds and keeps scores above; ours is the lowest score that is kept."""
    applies, probability = crowded_images(seed=7, n_images=90, n_classes=8, least_labels=1)
    step = 1e-3
    peer = MultiLabelClassificationController(
        lambda given: given, risk="recall", method="crc", target_level=1 - rate, predict_params=np.arange(0, 1, step)
    )
    peer.calibrate(probability, applies.astype(int))
    cut = cut_by_score(*ranked(applies, probability), rate, 0, 8)
    assert cut is not None
    (theirs,) = peer.best_predict_param
    assert theirs < cut.threshold <= theirs + 2 * step
    kept = cut.n_kept(np.sort(probability, axis=1)[:, ::-1])
    np.testing.assert_array_equal(kept, (probability > theirs).sum(axis=1))


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.1, 0.2, 0.5]), st.integers(1, 4), st.integers(4, 8))
def test_no_higher_threshold_would_keep_the_promise(seed: int, rate: float, at_least: int, at_most: int) -> None:
    missed, score = ranked(*crowded_images(seed, 30, 8))
    score = np.round(score, 2)  # some are the same
    rows = np.arange(30)

    def bound(threshold: float) -> float:
        kept = [max(at_least, min(at_most, sum(value >= threshold for value in row))) for row in score.tolist()]
        return (missed[rows, kept].sum() + 1) / 31

    enough = [threshold for threshold in (-1.0, *np.unique(score).tolist(), 2.0) if bound(threshold) <= rate]
    cut = cut_by_score(missed, score, rate, at_least, at_most)
    if cut is None:
        assert not enough
        return
    kept = cut.n_kept(score)
    assert ((kept >= at_least) & (kept <= at_most)).all()
    by_hand = [max(at_least, min(at_most, sum(value >= max(enough) for value in row))) for row in score.tolist()]
    assert kept.tolist() == by_hand


def test_the_promise_of_a_threshold_holds_with_fewer_proposals_than_one_number_for_all_needs() -> None:
    """In 95 of 100 draws or more, the share missed on 4,000 new images stays under the rate, but for sampling noise."""
    rate, on_new, n_kept_promises, n_by_score, n_by_number = 0.1, [], 0, [], []
    for seed in range(100):
        missed, score = ranked(*crowded_images(seed, 4400, 12))
        cut = cut_by_score(missed[:400], score[:400], rate, 1, 12)
        fewest = fewest_proposals(missed[:400], rate)
        assert cut is not None
        assert fewest is not None
        kept = cut.n_kept(score[400:])
        on_new.append(missed[400:][np.arange(4000), kept].mean())
        n_kept_promises += on_new[-1] <= rate + 0.02
        n_by_score.append(kept.mean())
        n_by_number.append(fewest)
    assert np.mean(on_new) <= rate
    assert n_kept_promises >= 95
    assert np.mean(n_by_score) < np.mean(n_by_number)
