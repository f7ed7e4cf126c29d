"""Where nobody ever differed, alpha is 1, and its interval says how little that may mean."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.votes.agreement import alpha_from_counts
from pipeline.votes.intervals import wilson_interval


def agreed(n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two votes on each of four classes per image, all in agreement: one class of four applies."""
    counts = np.tile([[0, 0, 2], [2, 0, 0], [2, 0, 0], [2, 0, 0]], (n_images, 1)).astype(np.int32)
    return counts, np.repeat(np.arange(n_images), 4).astype(np.int32)


def test_the_interval_without_disagreement_narrows_with_the_images_and_never_has_no_width() -> None:
    lows = []
    for n_images in (3, 30, 3_000):
        found = alpha_from_counts(*agreed(n_images))
        assert found.value == found.high == 1.0
        assert found.low is not None
        assert found.low < 1.0
        lows.append(found.low)
    assert lows == sorted(lows)
    assert lows[0] < 0 < lows[1] < 0.9 < lows[2]


def test_its_lower_end_is_the_alpha_of_the_most_disagreement_that_wilson_leaves_possible() -> None:
    n_images = 40
    found = alpha_from_counts(*agreed(n_images))
    n_votes = n_images * 8
    expected = (n_votes**2 - (n_votes / 4) ** 2 - (3 * n_votes / 4) ** 2) / (n_votes * (n_votes - 1))
    assert found.low == pytest.approx(1 - float(wilson_interval(0, n_images)[1]) / expected)


def test_one_disagreement_is_resampled_and_no_resampling_gives_no_interval() -> None:
    counts, images = agreed(20)
    counts[0] = [1, 0, 1]
    found = alpha_from_counts(counts, images)
    assert found.low is not None
    assert found.high is not None
    assert found.low < (found.value or 0) <= found.high
    assert alpha_from_counts(*agreed(20), n_resamples=0).low is None
