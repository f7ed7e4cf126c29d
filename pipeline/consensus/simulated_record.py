"""Votes of simulated annotators, for trying out what has no votes yet. They are called simulated wherever they show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.evidence import Evidence, model_evidence
from pipeline.votes.arrays import VoteArrays

N_CLASSES, _N_ASKED, _N_MODELS, _N_RANKED, _N_PEOPLE = 60, 8, 6, 5, 12
#: Chances of no, unsure and yes where the label is absent and where it applies, as on the published votes of ReaL.
_CHANCES = np.array([[0.92, 0.055, 0.025], [0.23, 0.21, 0.56]])


def simulated_record(
    n_images: int = 2500, n_each: int = 6, alike: float = 0.2, seed: int = 0
) -> tuple[VoteArrays, NDArray[np.bool_], Evidence]:
    """Draw votes of simulated annotators, the truth, and what simulated models say.

    Parameters
    ----------
    n_images, n_each
        How many images, and how many of a dozen annotators vote on each.
    alike
        Share of the (image, class) pairs on which all annotators give the same vote, right or wrong.
    """
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(n_images, N_CLASSES)) - 2.2
    truth = rng.random(looks.shape) < 1 / (1 + np.exp(-2.5 * looks))
    seen = looks + 1.5 * truth
    rankings = {
        f"simulated model {number}": np.argsort(-(seen + rng.normal(size=looks.shape)), axis=1)[:, :_N_RANKED]
        for number in range(_N_MODELS)
    }
    asked = np.argsort(-(seen + rng.normal(size=looks.shape)), axis=1)[:, :_N_ASKED]
    image = np.repeat(np.arange(n_images), _N_ASKED)
    limits = _CHANCES[truth[image, asked.ravel()].astype(int)].cumsum(axis=1)
    luck = rng.random((n_each, len(image)))
    is_alike = rng.random(len(image)) < alike
    luck[:, is_alike] = luck[0, is_alike]
    vote = (luck[:, :, None] > limits).sum(axis=2)
    people = rng.random((n_images, _N_PEOPLE)).argsort(axis=1)[:, :n_each]
    votes = VoteArrays.from_codes(
        np.tile(image, n_each),
        np.tile(asked.ravel(), n_each),
        people[image].T.ravel(),
        vote.ravel(),
        images=np.arange(n_images),
        classes=np.arange(N_CLASSES),
        annotators=np.array([f"simulated {number}" for number in range(_N_PEOPLE)]),
    )
    return votes, truth[votes.item_image, votes.item_class], model_evidence(votes, rankings)
