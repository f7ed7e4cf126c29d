"""How long it takes to evaluate 47 models on 60,000 images, compared with plain Python that counts image by image.

    python benchmarks/evaluation.py [--n-models 47] [--n-images 60000] [--n-classes 1000] [--n-draws 1000]

Labels and rankings are drawn at random, with label counts as in ImageNetV2's refined labels. The script prints the
median time, the time of the plain loop in the same run, and their ratio. It stops if the two disagree on any figure.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists
from pipeline.evaluation.models import FIGURES, evaluate_models

#: Images of ImageNetV2 with 0, 1, 2, … refined labels.
LABEL_COUNTS = (129, 5083, 2385, 1306, 628, 237, 127, 48, 23, 18, 13, 1, 2)
DEPTH = 5


def draw(
    n_models: int, n_images: int, n_classes: int, seed: int
) -> tuple[dict[str, NDArray[np.int16]], NDArray[np.int64], LabelSets]:
    """Draw rankings, original labels and label sets; about six in ten rankings start with the original label."""
    random = np.random.default_rng(seed)
    sizes = random.choice(len(LABEL_COUNTS), size=n_images, p=np.array(LABEL_COUNTS) / sum(LABEL_COUNTS))
    original = random.integers(n_classes, size=n_images)
    chosen = [
        {int(label), *random.integers(n_classes, size=size - 1).tolist()} if size else set()
        for label, size in zip(original, sizes, strict=True)
    ]
    labels = label_sets_from_lists(chosen, [str(image) for image in range(n_images)])
    rankings = {}
    for model in range(n_models):
        start = np.where(random.random(n_images) < 0.6, original, random.integers(n_classes, size=n_images))
        steps = np.arange(DEPTH) * random.integers(1, n_classes // DEPTH, size=(n_images, 1))
        rankings[f"model{model}"] = ((start[:, None] + steps) % n_classes).astype(np.int16)
    return rankings, original, labels


def plain_loop(
    rankings: dict[str, NDArray[np.int16]], original: NDArray[np.int64], labels: LabelSets
) -> list[tuple[float, float, float, float]]:
    """Count each figure image by image."""
    n_labelled = int(np.count_nonzero(labels.n_labels))
    sets = [set(labels[image].tolist()) for image in range(len(labels))]
    originals = original.tolist()
    figures = []
    for ranking in rankings.values():
        counts = [0, 0, 0, 0]
        for named, label, refined in zip(ranking.tolist(), originals, sets, strict=True):
            counts[0] += named[0] == label
            counts[1] += label in named
            if refined:
                counts[2] += named[0] in refined
                counts[3] += not refined.isdisjoint(named)
        n = len(originals)
        figures.append((counts[0] / n, counts[1] / n, counts[2] / n_labelled, counts[3] / n_labelled))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-models", type=int, default=47)
    parser.add_argument("--n-images", type=int, default=60_000)
    parser.add_argument("--n-classes", type=int, default=1000)
    parser.add_argument("--n-draws", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rankings, original, labels = draw(options.n_models, options.n_images, options.n_classes, seed=0)
    seconds = []
    for _ in range(options.repeats):
        begin = time.perf_counter()
        table = evaluate_models(rankings, original, labels, options.n_classes).table()
        seconds.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    plain = plain_loop(rankings, original, labels)
    plain_seconds = time.perf_counter() - begin
    if plain != [tuple(row) for row in table[list(FIGURES[:4])].to_numpy().tolist()]:
        raise SystemExit("the plain loop finds other figures")
    median = statistics.median(seconds)
    print(f"{options.n_models} models × {options.n_images:,} images, {len(labels.class_index):,} refined labels")
    print(f"evaluate_models, all tables: median {median:.2f} s of {options.repeats} (goal: at most 2 s)")
    begin = time.perf_counter()
    evaluate_models(rankings, original, labels, options.n_classes, n_draws=options.n_draws)
    with_draws = time.perf_counter() - begin
    print(
        f"the same with {options.n_draws:,} bootstrap draws of every metric, all pairs and ranks: {with_draws:.1f} s, "
        f"{with_draws / median:.1f} times as long (goal: at most 20 s)"
    )
    print(f"plain Python loop, four figures alone: {plain_seconds:.2f} s, {plain_seconds / median:.1f} times as long")


if __name__ == "__main__":
    main()
