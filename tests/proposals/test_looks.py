"""What looks at parts of an image are worth, learnt from settled labels; held against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.errors import DatasetError
from pipeline.inference.views import views
from pipeline.proposals.learned import Judged
from pipeline.proposals.logistic import fit_logistic
from pipeline.proposals.looks import Looks, look, weigh
from pipeline.proposals.refined_head import head_candidates, own_candidates

N_IMAGES, N_CLASSES = 40, 6


def made_up_looks(seed: int = 0) -> tuple[Looks, np.ndarray]:
    """Return looks at images in five views, and the probabilities they were made from."""
    generator = np.random.default_rng(seed)
    probability = generator.dirichlet(np.full(N_CLASSES, 0.3), (N_IMAGES, 5)).astype(np.float32)
    parts = [(np.arange(0, 25), probability[:25]), (np.arange(25, N_IMAGES), probability[25:])]
    return look(parts, lambda part: part, np.arange(N_CLASSES), 4), probability


def test_looks_hold_the_likeliest_classes_and_what_each_kind_of_look_says_sorted() -> None:
    looks, probability = made_up_looks()
    trust = [view.trust for view in views(5)]
    for image in range(N_IMAGES):
        trusted = {c: [probability[image, v, c] * trust[v] for v in range(5)] for c in range(N_CLASSES)}
        likeliest = sorted(trusted, key=lambda c: -max(trusted[c]))[:4]
        assert looks.class_index[image].tolist() == likeliest
        for place, c in enumerate(likeliest):
            assert looks.view[image, place] == int(np.argmax(trusted[c]))
            clipped = [min(max(float(probability[image, v, c]), 1e-7), 1 - 1e-7) for v in range(5)]
            logits = [np.log(p / (1 - p)) for p in clipped]
            np.testing.assert_allclose(
                looks.says[image, place], [logits[0], *sorted(logits[1:], reverse=True)], rtol=2e-3, atol=2e-3
            )


def test_looks_are_weighed_as_logistic_regression_does_and_what_nobody_was_shown_counts_neither_way() -> None:
    looks, probability = made_up_looks()
    true = probability.mean(axis=1) > 0.25
    shown = np.random.default_rng(1).random((N_IMAGES, N_CLASSES)) < 0.6
    image, class_index = np.nonzero(shown)
    judged = Judged(image, class_index, true[image, class_index], is_complete=False, images=np.arange(N_IMAGES))
    found = weigh(looks, judged, N_CLASSES)
    rows = [(i, k) for i in range(N_IMAGES) for k in range(4) if shown[i, looks.class_index[i, k]]]
    design = np.array([looks.says[i, k] for i, k in rows], dtype=np.float64)
    target = np.array([true[i, looks.class_index[i, k]] for i, k in rows])
    reference = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(design, target)
    np.testing.assert_allclose(found[:-1], reference.coef_[0], atol=1e-3)
    np.testing.assert_allclose(found[-1], reference.intercept_[0], atol=5e-3)


def test_a_settled_image_is_scored_by_what_was_learnt_from_others() -> None:
    looks, probability = made_up_looks()
    true = probability.mean(axis=1) > 0.25

    def scores(labels: np.ndarray) -> np.ndarray:
        judged = Judged(*np.nonzero(labels), np.ones(labels.sum(), dtype=bool), True, np.arange(N_IMAGES))
        return own_candidates(looks, judged, N_IMAGES, N_CLASSES, 4).score

    other = true.copy()
    other[7] = ~other[7]
    changed = (scores(true) != scores(other)).any(axis=1)
    assert not changed[7]
    assert changed.sum() == N_IMAGES - N_IMAGES / 5  # those of its own fold learn from others, too


def test_what_two_crops_see_is_learnt_to_outweigh_what_one_crop_fancies() -> None:
    generator = np.random.default_rng(5)
    true = generator.random((200, N_CLASSES)) < 0.25
    probability = generator.uniform(0.01, 0.1, (200, 5, N_CLASSES)).astype(np.float32)
    for image in range(200):
        for c in range(N_CLASSES):
            seen_in = generator.choice(np.arange(1, 5), 2 if true[image, c] else 1, replace=False)
            probability[image, seen_in, c] = generator.uniform(0.3, 0.9, len(seen_in)) * (0.8 if true[image, c] else 1)
    looks = look([(np.arange(200), probability)], lambda part: part, np.arange(N_CLASSES), N_CLASSES)
    judged = Judged(*np.nonzero(true[:60]), np.ones(true[:60].sum(), dtype=bool), True, np.arange(60))
    weighed = own_candidates(looks, judged, 200, N_CLASSES, N_CLASSES).class_index

    def n_right(classes: np.ndarray) -> int:
        return sum(int(true[i, classes[i, : true[i].sum()]].sum()) for i in range(60, 200))

    assert n_right(weighed) > 0.95 * true[60:].sum() > 1.3 * n_right(looks.class_index)


def test_a_head_that_looks_at_parts_finds_small_objects_that_whole_images_hide() -> None:
    generator = np.random.default_rng(3)
    own = generator.normal(size=(N_CLASSES, 24))
    true = generator.random((300, N_CLASSES)) < 0.3
    features = generator.normal(0, 0.3, (300, 5, 24))
    for image, c in zip(*np.nonzero(true), strict=True):
        features[image, 0] += 0.08 * own[c]
        features[image, generator.integers(1, 5)] += own[c]
    features = features.astype(np.float16)
    settled = np.arange(100)
    judged = Judged(*np.nonzero(true[:100]), np.ones(true[:100].sum(), dtype=bool), True, settled)

    def n_right(n_views: int) -> int:
        seen = features[:, :n_views]
        found = head_candidates(
            seen[:100], judged, [(np.arange(100, 300), seen[100:])], lambda f: f.astype(np.float32), 300, N_CLASSES, 6
        )
        return sum(int(true[i, found.class_index[i, : true[i].sum()]].sum()) for i in range(100, 300))

    assert n_right(5) > n_right(1) * 1.1


def test_outcomes_that_are_all_alike_are_refused() -> None:
    with pytest.raises(DatasetError, match="nothing can be learnt"):
        fit_logistic(np.ones((4, 1)), np.ones(4, dtype=bool), 1.0)
