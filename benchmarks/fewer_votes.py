"""Labels from two, three or four of five votes, with and without 47 models, held against the votes that were not drawn.

    python benchmarks/fewer_votes.py ../shared/data/imagenet_val

The reference for a question comes from the people who were *not* drawn. It is used in two ways. Raw: yes plus half of
maybe is at least one half. Corrected: the mean vote of those people over a set of questions tells what share of the
labels apply, given how often people say yes where a label applies and where it does not (Rogan & Gladen 1978), as
Dawid-Skene estimates it from all five votes. Mistakes that everybody makes alike are in either, so the figures compare
methods; they do not measure the distance from experts.

The method was chosen on one half of the images. The figures printed are for the other half (`--few 256`: for as many of
its images, as in a small project), as means over the draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus import Aim, AimKind, choose_cut, fit_dawid_skene, reach_consensus
from pipeline.consensus.budget import first_votes
from pipeline.consensus.evidence import EVIDENCE_KINDS
from pipeline.consensus.majority import VOTE_VALUE, majority
from pipeline.evaluation.label_scores import score_labels
from pipeline.formats.model_evidence import read_model_evidence
from pipeline.formats.real_votes import read_raters
from pipeline.project.label_space import load_label_space
from pipeline.votes.arrays import VoteArrays

N_EACH = 5


def main() -> None:
    """Print F1 of each method at two, three and four votes per question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds raters.npz, images.csv, top5_predictions.npz")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--few", type=int, default=0, help="use only so many images")
    given = parser.parse_args()
    votes = kept_aside(read_raters(given.folder / "raters.npz"), given.few)
    paired = read_model_evidence(
        given.folder / "images.csv",
        given.folder / "top5_predictions.npz",
        votes,
        load_label_space("imagenet-1k"),
        kinds=EVIDENCE_KINDS,
    )
    if_absent, if_applies = fit_dawid_skene(votes).pooled_confusion @ VOTE_VALUE
    print(f"{votes.n_items:,} questions; mean vote {if_applies:.3f} where a label applies, {if_absent:.3f} elsewhere")
    for n_votes in (2, 3, 4):
        scores: dict[str, list[tuple[float, float]]] = {}
        for seed in range(given.draws):
            drawn, others = deal(votes, n_votes, seed)
            said = majority(others)
            posterior = fit_dawid_skene(drawn).posterior
            labels = {
                "yes plus half of maybe": majority(drawn) >= 0.5,
                "beyer2020": reach_consensus(drawn, aim=Aim(AimKind.BEYER2020)).label,
                "plain Dawid-Skene, greatest expected F1": posterior > choose_cut(posterior, Aim()).value,
                "votes alone": reach_consensus(drawn).label,
                "votes and original label": reach_consensus(drawn, original=paired.original).label,
                "with 47 models": reach_consensus(drawn, original=paired.original, evidence=paired.evidence).label,
            }
            for name, label in labels.items():
                raw = score_labels(label, said >= 0.5).f1 or 0.0
                n_right, n_true = (
                    (part - if_absent * n) / (if_applies - if_absent)
                    for part, n in ((said[label].sum(), label.sum()), (said.sum(), len(said)))
                )
                scores.setdefault(name, []).append((raw, 2 * n_right / (label.sum() + n_true)))
        for name, found in scores.items():
            raw, corrected = np.mean(found, axis=0)
            print(f"{n_votes} votes, {name:40s} F1 raw {raw:.3f}, corrected {corrected:.3f}", flush=True)


def kept_aside(votes: VoteArrays, few: int = 0) -> VoteArrays:
    """Return the votes on the half of the images that were not used to choose the method, or on a few of these."""
    numbers = np.array([int(name.rsplit("_", 1)[1].split(".")[0]) for name in votes.images.tolist()])
    is_aside = (numbers * 2_246_822_519 >> 9) % 2 == 1
    if few:
        is_aside &= np.isin(
            np.arange(votes.n_images), np.random.default_rng(0).permutation(np.flatnonzero(is_aside))[:few]
        )
    return votes.part(is_aside[votes.item_image[votes.item]])


def deal(votes: VoteArrays, n_votes: int, seed: int) -> tuple[VoteArrays, VoteArrays]:
    """Return `n_votes` of each question's votes, drawn at random, and the remaining votes."""
    order = np.random.default_rng(seed).random((votes.n_items, N_EACH)).argsort(axis=1)
    turn: NDArray[np.int64] = order.argsort(axis=1).ravel()
    wanted = np.full(votes.n_items, n_votes)
    return first_votes(votes, turn, wanted), first_votes(votes, N_EACH - 1 - turn, N_EACH - wanted)


if __name__ == "__main__":
    main()
