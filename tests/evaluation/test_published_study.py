"""The published figures, each against a computation that shares no code with ours; and the study's notebook."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from pipeline.runs.execution import execute
from pipeline.stages.study import Study, read_study

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def study(shared_data: Path) -> Study:
    return read_study(shared_data, n_draws=0)


@pytest.fixture(scope="module")
def plain(shared_data: Path) -> tuple[list[int], list[set[int]], list[str]]:
    """Return originals, refined labels and class names, read by hand."""
    from timm.data import ImageNetInfo

    folder = shared_data / "imagenetv2_matched_frequency"
    info = ImageNetInfo("imagenet-1k")
    keys = list(info.label_names())
    with (folder / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    by_name = json.loads((folder / "refined_labels.json").read_text())
    refined = [{int(label) for label in by_name[f"{row['image']}.jpeg"]} for row in rows]
    return [keys.index(row["wnid"]) for row in rows], refined, [info.index_to_description(i) for i in range(1000)]


def test_47_88_percent_of_the_images_have_more_than_one_label(study: Study, plain: tuple) -> None:
    assert study.replica.multi_label.n_hits == sum(len(labels) > 1 for labels in plain[1]) == 4788
    assert study.replica.multi_label.n == 10_000


def test_images_by_number_of_labels(study: Study, plain: tuple) -> None:
    counted = Counter(min(len(labels), 5) for labels in plain[1])
    assert counted == {0: 129, 1: 5083, 2: 2385, 3: 1306, 4: 628, 5: 469}
    found = study.replica.label_counts
    assert {n: found[n] for n in range(5)} | {5: sum(found[n] for n in found if n >= 5)} == counted


def test_the_original_label_is_kept_on_87_97_percent_of_the_images(study: Study, plain: tuple) -> None:
    n_kept = sum(original in labels for original, labels in zip(*plain[:2], strict=True))
    assert study.original_kept.n_hits == n_kept == 8797


def test_the_most_frequent_pairs_of_classes(study: Study, plain: tuple) -> None:
    counted = Counter(pair for labels in plain[1] for pair in combinations(sorted(labels), 2))
    top = [(row.class_a, row.class_b, row.n_images) for row in study.pairs.head(3).itertuples()]
    assert [n for *_, n in top] == [77, 56, 45]
    assert {(a, b): n for a, b, n in study.pairs.itertuples(index=False)} == counted
    names = [{study.space.names[a], study.space.names[b]} for a, b, _ in top]
    assert [
        all(any(word in name for name in pair) for word in words)
        for pair, words in zip(
            names, [("sunglass", "sunglasses"), ("monitor", "screen"), ("computer keyboard", "space bar")], strict=True
        )
    ] == [True] * 3


def test_models_drop_by_about_12_points_under_single_labels_and_by_about_7_under_multi_labels(
    study: Study, shared_data: Path, plain: tuple
) -> None:
    originals, refined, _ = plain
    with np.load(shared_data / "imagenetv2_matched_frequency/top5_predictions.npz") as archive:
        firsts = {model: archive[model][:, 0].tolist() for model in archive.files}
    n_labelled = sum(map(bool, refined))
    for row in study.comparison.drops.itertuples():
        first = firsts[row.model]
        assert row.top1_second == pytest.approx(sum(map(int.__eq__, first, originals)) / 10_000)
        real = sum(choice in labels for choice, labels in zip(first, refined, strict=True)) / n_labelled
        assert row.real_second == pytest.approx(real)
        assert row.kept_back == pytest.approx((row.top1_first - row.top1_second) - (row.real_first - row.real_second))
    assert study.comparison.n_models == 47
    assert study.comparison.mean_top1_drop == pytest.approx(fmean(study.comparison.drops["top1_drop"]))
    assert 0.115 < study.comparison.mean_top1_drop < 0.125
    assert 0.065 < study.comparison.mean_real_drop < 0.075


def test_the_notebook_shows_these_figures(shared_data: Path, tmp_path: Path) -> None:
    import nbformat

    path = Path(__file__).parents[2] / "notebooks" / "study.ipynb"
    execute(
        nbformat.read(path, as_version=4),
        tmp_path / "study.ipynb",
        {"data": str(shared_data), "n_draws": 50},
        tmp_path,
        None,
    )
    cells = json.loads((tmp_path / "study.ipynb").read_text())["cells"]
    shown = " ".join("".join(o["data"]["text/html"]) for c in cells for o in c.get("outputs", []) if "data" in o)
    words = re.sub(r"<[^>]*>", " ", shown)
    for figure in ("47.88% of 10,000", "87.97% of 10,000", "on 77 images", "5,083", "slope of 0.5788", "75.69%"):
        assert figure in words
