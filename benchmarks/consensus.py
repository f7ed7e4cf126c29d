"""Dawid-Skene on 924,810 real votes: what each part of the method is worth, and speed and memory next to crowd-kit.

    python benchmarks/consensus.py ../shared/data/imagenet_val

Quality is F1 against the published final labels on the questions that were asked. The threshold is not tuned on them:
0.8 is the publishers' stated rule, and our default for every data set (a wrong label costs as much as four missed
ones). The method was developed with the answers for *half* of the images in view; the other half is reported apart.

Times and memory come from one run: each library loads the same file of votes in a process of its own. Times are the
best of three. Memory is the peak of the whole process, including libraries and votes. crowd-kit is left out where it is
not installed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from other_em import fit_counting, hardened, sharpened
from peak_memory import peak_mb
from scipy.stats import bootstrap

from pipeline.consensus import fit_dawid_skene, majority, match_original, reach_consensus, weighted_majority
from pipeline.consensus.calibration import expected_calibration_error, reliability
from pipeline.consensus.known import UNKNOWN, keep_where_unsure
from pipeline.consensus.result import DEFAULT_THRESHOLD
from pipeline.evaluation.label_scores import score_labels
from pipeline.formats.known_answers import read_known_table
from pipeline.formats.real_votes import read_final_labels, read_raters, read_scores
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import UNSURE, YES, Method

LIMIT = DEFAULT_THRESHOLD[Method.DAWID_SKENE]
#: ImageNet-1k's first 398 classes are its animals.
N_ANIMALS = 398
FIELDS = ("images", "classes", "annotators", "item_image", "item_class", "n_each", "annotator", "vote")


class Variant(NamedTuple):
    """One way to settle the votes: a score for each item, and the threshold above which the label is kept."""

    name: str
    score: NDArray[np.float64]
    threshold: float


class Cost(NamedTuple):
    """What one fit cost, in a process of its own."""

    seconds: float
    peak_mb: float
    fit_mb: float
    n_steps: int


def main() -> None:
    """Print quality, ablation, speed and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds raters.npz, scores.npz, real.json, images.csv")
    folder = parser.parse_args().folder
    votes = read_raters(folder / "raters.npz")
    compare_quality(votes, folder)
    compare_cost(votes, match_original(votes, read_known_table(folder / "images.csv", votes)))


def compare_quality(votes: VoteArrays, folder: Path) -> None:
    """Print every variant's F1, precision, recall and correlation with the publishers' scores."""
    truth, published = read_final_labels(folder / "real.json", votes), read_scores(folder / "scores.npz", votes)
    original = match_original(votes, read_known_table(folder / "images.csv", votes))
    is_explored = explored_half(votes)
    print(f"{votes.n_votes:,} votes on {votes.n_items:,} questions, {int(truth.sum()):,} of them published as labels")
    print(f"{'':54s} above  F1     precision recall  corr.  F1 explored half, other half")
    variants = list_variants(votes, original)
    for name, score, threshold in variants:
        label = score > threshold
        whole = score_labels(label, truth)
        halves = [score_labels(label[part], truth[part]).f1 for part in (is_explored, ~is_explored)]
        correlation = np.corrcoef(score, published)[0, 1]
        print(
            f"{name:54s} {threshold:.1f}    {whole.f1:.4f} {whole.precision.value:.4f}    {whole.recall.value:.4f}  "
            f"{correlation:.4f} {halves[0]:.4f}, {halves[1]:.4f}"
        )
    ours = next(variant for variant in variants if variant.name.endswith("(ours)"))
    for part, name in ((np.ones(votes.n_items, dtype=bool), "all"), (~is_explored, "other half")):
        low, high = f1_interval(votes, (ours.score > LIMIT) & part, truth & part)
        print(f"ours, {name}: 95% interval of F1 over images {low:.4f} to {high:.4f}")
    swept = ", ".join(
        f"{limit}: {score_labels(ours.score > limit, truth).f1:.4f}" for limit in (0.5, 0.6, 0.7, 0.8, 0.9)
    )
    print(f"ours at other thresholds, for the curious: {swept}")
    error = expected_calibration_error(reliability(ours.score, truth))
    print(f"ours, expected calibration error against the published labels: {error:.4f}")


def f1_interval(votes: VoteArrays, label: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95% interval of F1 over images: items of one image are not independent."""
    by_image = [np.bincount(votes.item_image, weights=column) for column in (label & truth, label, truth)]
    drawn = bootstrap(
        by_image,
        lambda right, given, true, axis: 2 * right.sum(axis) / (given.sum(axis) + true.sum(axis)),
        n_resamples=200,
        batch=20,
        paired=True,
        vectorized=True,
        method="percentile",
        random_state=0,
    )
    return tuple(map(float, drawn.confidence_interval))


def list_variants(votes: VoteArrays, original: NDArray[np.int8]) -> list[Variant]:
    """Settle the votes in every way, from the simplest to ours, one change at a time."""
    counts = votes.item_counts()
    n_each = counts.sum(axis=1)
    is_animal = votes.classes[votes.item_class] < N_ANIMALS

    def fit(**options: Any) -> NDArray[np.float64]:
        return fit_dawid_skene(votes, **options).posterior

    variants = [
        Variant("majority of yes", counts[:, YES] / n_each, 0.5),
        Variant("majority, unsure counted as yes", (counts[:, YES] + counts[:, UNSURE]) / n_each, 0.5),
        Variant("majority, unsure counted as half", majority(votes), 0.5),
        Variant("weighted majority", weighted_majority(votes)[0], 0.5),
    ]
    for name, options in (("by itself", {}), ("converged", {"tol": -np.inf})):
        yes_and_half = crowd_kit_score(votes, **options)
        if yes_and_half is not None:
            variants.append(Variant(f"crowd-kit, 3 states, {name}: yes + unsure/2", yes_and_half, 0.5))
    witness = keep_where_unsure(votes, original)
    animals = np.where(is_animal, original, UNKNOWN).astype(np.int8)
    return [
        *variants,
        Variant("2 states, no pooling", fit(prior_votes=0.0), LIMIT),
        Variant("+ pooled confusions (ours without original labels)", fit(), LIMIT),
        Variant("+ original label in every class", fit(original=original), LIMIT),
        Variant("+ original label where people are unsure (ours)", fit(original=witness), LIMIT),
        Variant("ours, sharpened EM", fit_counting(votes, witness, sharpened), LIMIT),
        Variant("ours, hard EM", fit_counting(votes, witness, hardened), LIMIT),
        Variant("not blind: original label on animals alone", fit(original=animals), LIMIT),
    ]


def crowd_kit_score(votes: VoteArrays, **options: Any) -> NDArray[np.float64] | None:
    """Return P(yes) + P(unsure) / 2 of each item by crowd-kit's three-state model; None where it is not installed.

    Its stopping rule ends the fit after two steps on these votes; ``tol=-inf`` lets it take a hundred.
    """
    try:
        from crowdkit.aggregation import DawidSkene
    except ImportError:
        return None
    posterior = DawidSkene(n_iter=100, **options).fit_predict_proba(crowd_table(votes)).sort_index()
    return posterior[YES].to_numpy() + posterior[UNSURE].to_numpy() / 2


def crowd_table(votes: VoteArrays) -> pd.DataFrame:
    """Return the votes as a table that crowd-kit can read."""
    return pd.DataFrame({"task": votes.item, "worker": votes.annotator, "label": votes.vote})


def explored_half(votes: VoteArrays) -> NDArray[np.bool_]:
    """Return which items belong to the images whose published answers were used to develop the method.

    The other half was only scored for finished variants and in the budget study: it is nearly held out, but not blind.
    """
    numbers = pd.Series(votes.images).str.extract(r"_(\d+)\.")[0].astype(np.int64).to_numpy()
    half: NDArray[np.bool_] = ((numbers * 2_654_435_761 >> 7) % 2 == 0)[votes.item_image]
    return half


def compare_cost(votes: VoteArrays, original: NDArray[np.int8]) -> None:
    """Print seconds and peak memory of our fit and crowd-kit's, each in a process of its own, and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.npz"
        columns = {field: getattr(votes, field) for field in FIELDS}
        np.savez(path, original=original, **columns)
        ours = in_own_process(cost_of_ours, path)
        print(f"ours, to convergence ({ours.n_steps} steps): {told(ours)}")
        for name, options in (("as it stops by itself", {}), ("as many steps as ours", {"tol": -np.inf})):
            theirs = in_own_process(cost_of_crowd_kit, path, ours.n_steps, options)
            if theirs is None:
                print("crowd-kit is not installed: no ratio")
                return
            print(f"crowd-kit, {name} ({theirs.n_steps} steps): {told(theirs)}")
            print(
                f"  ratio ours / crowd-kit: time {ours.seconds / theirs.seconds:.2f}, peak of the whole process "
                f"{ours.peak_mb / theirs.peak_mb:.2f}, allocated by the fit {ours.fit_mb / theirs.fit_mb:.2f}"
            )


def cost_of_ours(path: Path) -> Cost:
    """Fit our model to the votes of a file."""
    with np.load(path) as columns:
        votes = VoteArrays(**{field: columns[field] for field in FIELDS})
        original = columns["original"]
    model = reach_consensus(votes, original=original).model
    return measure(lambda: reach_consensus(votes, original=original), 0 if model is None else model.n_iterations)


def cost_of_crowd_kit(path: Path, n_steps: int, options: dict[str, Any]) -> Cost | None:
    """Fit crowd-kit's model to the votes of a file."""
    try:
        from crowdkit.aggregation import DawidSkene
    except ImportError:
        return None
    warnings.simplefilter("ignore")
    with np.load(path) as columns:
        table = pd.DataFrame({"task": columns["item"], "worker": columns["annotator"], "label": columns["vote"]})
    n_taken = len(DawidSkene(n_iter=n_steps, **options).fit(table).loss_history_)
    return measure(lambda: DawidSkene(n_iter=n_steps, **options).fit_predict_proba(table), n_taken)


def measure(fit: Callable[[], object], n_steps: int) -> Cost:
    """Return the best of three times, this process's peak so far, and what one more fit allocates, run with tracing."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        fit()
        times.append(time.perf_counter() - start)
    peak = peak_mb()
    tracemalloc.start()
    fit()
    fit_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return Cost(min(times), peak, fit_mb, n_steps)


def in_own_process(step: Callable[..., Any], *arguments: object) -> Any:
    """Run a step in a new process, where nothing else has been loaded."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(step, arguments)


def told(cost: Cost) -> str:
    """Describe a cost in words."""
    return f"{cost.seconds:.2f} s, peak {cost.peak_mb:.0f} MB of the whole process, {cost.fit_mb:.0f} MB by the fit"


if __name__ == "__main__":
    main()
