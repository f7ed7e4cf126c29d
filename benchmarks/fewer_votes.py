"""Labels from two or three of five votes, with and without 47 models, compared with the votes that were not drawn.

    python benchmarks/fewer_votes.py ../shared/data/imagenet_val

The reference for a question comes from the people who were *not* drawn: yes plus half of maybe is at least one half. It
shares common mistakes with the drawn votes, so the figures compare methods; they do not measure the distance from
experts. The method was chosen on one half of the images. The figures printed are for the other half, as the mean of
three draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus import Aim, AimKind, reach_consensus
from pipeline.consensus.budget import first_votes
from pipeline.consensus.evidence import EVIDENCE_KINDS
from pipeline.consensus.majority import majority
from pipeline.evaluation.label_scores import score_labels
from pipeline.formats.model_evidence import read_model_evidence
from pipeline.formats.real_votes import read_raters
from pipeline.project.label_space import load_label_space
from pipeline.votes.arrays import VoteArrays

N_DRAWS, N_EACH = 3, 5


def main() -> None:
    """Print F1 of each method at two and three votes per question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds raters.npz, images.csv, top5_predictions.npz")
    folder = parser.parse_args().folder
    votes = kept_aside(read_raters(folder / "raters.npz"))
    paired = read_model_evidence(
        folder / "images.csv",
        folder / "top5_predictions.npz",
        votes,
        load_label_space("imagenet-1k"),
        kinds=EVIDENCE_KINDS,
    )
    for n_votes in (2, 3):
        scores: dict[str, list[float]] = {}
        for seed in range(N_DRAWS):
            drawn, others = deal(votes, n_votes, seed)
            reference = majority(others) >= 0.5
            labels = {
                "yes plus half of maybe": majority(drawn) >= 0.5,
                "beyer2020": reach_consensus(drawn, aim=Aim(AimKind.BEYER2020)).label,
                "votes alone, greatest expected F1": reach_consensus(drawn).label,
                "with 47 models": reach_consensus(drawn, original=paired.original, evidence=paired.evidence).label,
            }
            for name, label in labels.items():
                scores.setdefault(name, []).append(score_labels(label, reference).f1 or 0.0)
        for name, found in scores.items():
            print(f"{n_votes} votes, {name:34s} F1 {np.mean(found):.3f}")


def kept_aside(votes: VoteArrays) -> VoteArrays:
    """Return the votes on the half of the images that were not used to choose the method."""
    numbers = np.array([int(name.rsplit("_", 1)[1].split(".")[0]) for name in votes.images.tolist()])
    is_aside = (numbers * 2_246_822_519 >> 9) % 2 == 1
    kept = is_aside[votes.item_image[votes.item]]
    item = votes.item[kept]
    return VoteArrays.from_codes(
        votes.item_image[item],
        votes.item_class[item],
        votes.annotator[kept],
        votes.vote[kept],
        images=votes.images,
        classes=votes.classes,
        annotators=votes.annotators,
    )


def deal(votes: VoteArrays, n_votes: int, seed: int) -> tuple[VoteArrays, VoteArrays]:
    """Return `n_votes` of each question's votes, drawn at random, and the remaining votes."""
    order = np.random.default_rng(seed).random((votes.n_items, N_EACH)).argsort(axis=1)
    turn: NDArray[np.int64] = order.argsort(axis=1).ravel()
    wanted = np.full(votes.n_items, n_votes)
    return first_votes(votes, turn, wanted), first_votes(votes, N_EACH - 1 - turn, N_EACH - wanted)


if __name__ == "__main__":
    main()
