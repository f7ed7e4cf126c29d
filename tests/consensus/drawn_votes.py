"""Votes drawn from a known truth, with models' rankings that favour it."""

from __future__ import annotations

import numpy as np

from pipeline.votes.arrays import VoteArrays

N_CLASSES = 30
GOOD = np.array([[0.9, 0.06, 0.04], [0.15, 0.15, 0.7]])


def draw_votes(n_images=600, n_asked=10, n_annotators=2, alike=0.0, n_models=5, seed=0):
    """Draw a truth, rankings that favour it, and votes; on a share of the pairs everybody gives the same vote."""
    rng = np.random.default_rng(seed)
    belief = rng.normal(size=(n_images, N_CLASSES)) - 1.2
    truth = rng.random(belief.shape) < 1 / (1 + np.exp(-2 * belief))
    rankings = {
        f"model {m}": np.argsort(-(belief + truth + rng.normal(scale=1.0, size=belief.shape)), axis=1)[:, :5]
        for m in range(n_models)
    }
    asked = np.argsort(-(belief + truth + rng.normal(scale=1.5, size=belief.shape)), axis=1)[:, :n_asked]
    image = np.repeat(np.arange(n_images), n_asked)
    true = truth[image, asked.ravel()]
    is_alike = rng.random(len(image)) < alike
    chances = GOOD[true.astype(int)].cumsum(axis=1)
    shared = (rng.random(len(image))[:, None] > chances).sum(axis=1)
    own = (rng.random((n_annotators, len(image), 1)) > chances).sum(axis=2)
    vote = np.where(is_alike, shared, own)
    votes = VoteArrays.from_codes(
        np.tile(image, n_annotators),
        np.tile(asked.ravel(), n_annotators),
        np.repeat(np.arange(n_annotators), len(image)),
        vote.ravel().clip(0, 2),
        images=np.arange(n_images),
        classes=np.arange(N_CLASSES),
    )
    return votes, truth[votes.item_image, votes.item_class], rankings, truth
