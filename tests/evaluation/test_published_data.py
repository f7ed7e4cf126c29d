"""Evaluation of the published data, figure by figure, against plain counting."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.commands.score import score
from pipeline.formats.outside_data import OutsideData, read_outside_data
from pipeline.project.label_space import load_label_space
from pipeline.proposals.fusion import merge_proposals_by_rank, proposal_recall

pytestmark = pytest.mark.shared_data
IMAGENET_V2, IMAGENET_VAL = "imagenetv2_matched_frequency", "imagenet_val"
LABEL_FILES = {IMAGENET_V2: "refined_labels.json", IMAGENET_VAL: "real.json"}


@dataclass(frozen=True)
class Run:
    name: str
    folder: Path
    out: Path
    table: pd.DataFrame
    summary: dict
    printed: str


def plain_figures(rankings: list[list[int]], originals: list[int], refined: list[set[int]]) -> dict[str, float]:
    """Count Top-1, Top-5, ReaL and Real@5 in plain Python."""
    top1 = top5 = real = real_at_5 = n_labelled = 0
    for ranking, original, labels in zip(rankings, originals, refined, strict=True):
        top1 += ranking[0] == original
        top5 += original in ranking[:5]
        if labels:
            n_labelled += 1
            real += ranking[0] in labels
            real_at_5 += any(label in ranking[:5] for label in labels)
    n = len(rankings)
    return {"top1": top1 / n, "top5": top5 / n, "real": real / n_labelled, "real_at_5": real_at_5 / n_labelled}


def read_published(folder: Path) -> tuple[list[str], list[int], list[set[int]], dict[str, np.ndarray]]:
    """Read a published data set without the code under test: names, originals, refined labels, predictions."""
    with (folder / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    index_of = {wnid: index for index, wnid in enumerate(sorted(_imagenet_wnids()))}
    names, originals = [row["image"] for row in rows], [index_of[row["wnid"]] for row in rows]
    if (folder / "real.json").exists():
        lists = json.loads((folder / "real.json").read_text())
        refined = [set(lists[int(name[len("ILSVRC2012_val_") :].split(".")[0]) - 1]) for name in names]
    else:
        by_name = json.loads((folder / "refined_labels.json").read_text())
        refined = [{int(label) for label in by_name[f"{name}.jpeg"]} for name in names]
    with np.load(folder / "top5_predictions.npz") as archive:
        predictions = {model: archive[model] for model in archive.files}
    return names, originals, refined, predictions


def _imagenet_wnids() -> list[str]:
    from timm.data import ImageNetInfo

    return list(ImageNetInfo("imagenet-1k").label_names())


@pytest.fixture(scope="module", params=list(LABEL_FILES))
def run(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, out = shared_data / request.param, tmp_path_factory.mktemp("out")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.echo", lambda line="": lines.append(str(line)))
        score(
            images=folder / "images.csv",
            labels=folder / LABEL_FILES[request.param],
            predictions=folder / "top5_predictions.npz",
            out=out,
            draws={IMAGENET_V2: 50, IMAGENET_VAL: 0}[request.param],
        )
    table = pd.read_csv(out / "evaluation.csv", dtype=str).set_index("model")
    assert set(table.pop("precision")) == {"not stated"}  # a file of predictions does not tell
    table = table.astype(float)
    return Run(request.param, folder, out, table, json.loads((out / "summary.json").read_text()), "\n".join(lines))


@pytest.fixture(scope="module")
def imagenet_v2(shared_data: Path) -> OutsideData:
    folder = shared_data / IMAGENET_V2
    paths = (folder / name for name in ("images.csv", LABEL_FILES[IMAGENET_V2], "top5_predictions.npz"))
    return read_outside_data(*paths, load_label_space("imagenet-1k"))


def test_every_model_has_the_very_figures_of_plain_counting(run: Run) -> None:
    names, originals, refined, predictions = read_published(run.folder)
    assert list(run.table.index) == list(predictions)
    assert len(predictions) == 47
    for model, ranking in predictions.items():
        for figure, value in plain_figures(ranking.tolist(), originals, refined).items():
            assert run.table.at[model, figure] == value, (model, figure)
    assert set(run.table["n_images"]) == {len(names)}
    assert set(run.table["n_labelled"]) == {sum(bool(labels) for labels in refined)}


def test_the_summary_counts_labels_as_plain_counting_does(run: Run) -> None:
    _, _, refined, _ = read_published(run.folder)
    assert run.summary["multi_label_share"] == sum(len(labels) > 1 for labels in refined) / len(refined)
    sizes = [len(labels) for labels in refined]
    assert run.summary["label_count_distribution"] == {str(n): sizes.count(n) for n in sorted(set(sizes))}
    assert run.summary["n_skipped"] == run.summary["n_labels_unused"] == 0


def test_the_fit_agrees_with_scipy(run: Run) -> None:
    from scipy.stats import linregress

    peer = linregress(run.table["top1"], run.table["real"])
    fit = run.summary["fit"]
    assert fit["n_models"] == 47
    np.testing.assert_allclose(
        [fit["slope"], fit["intercept"], fit["r2"]], [peer.slope, peer.intercept, peer.rvalue**2], rtol=1e-10
    )


def test_accuracies_by_label_count_add_up_to_the_whole(run: Run) -> None:
    parts = pd.read_csv(run.out / "accuracy_by_label_count.csv")
    for column, denominator in (("top1", "n_images"), ("top5", "n_images"), ("real", "n_labelled")):
        hits = (parts[column].fillna(0) * parts[denominator]).round().groupby(parts["model"]).sum()
        whole = (run.table[column] * run.table[denominator]).round()
        pd.testing.assert_series_equal(hits.sort_index(), whole.sort_index(), check_names=False)


def test_the_command_prints_the_multi_label_share_and_every_model(run: Run) -> None:
    share = {IMAGENET_V2: "47.88% of 10,000 images", IMAGENET_VAL: "14.89% of 50,000 images"}[run.name]
    assert f"Multi-label: {share}" in run.printed
    assert all(model in run.printed for model in run.table.index)


def test_the_one_published_ranking_stored_worst_first_is_named(run: Run) -> None:
    suspect = {IMAGENET_V2: ["fv_16k"], IMAGENET_VAL: []}[run.name]
    assert run.summary["worst_first_models"] == suspect
    assert all(f"Look at {model}:" in run.printed for model in suspect)


def test_timms_own_real_evaluator_gives_the_same_real_and_real_at_5(shared_data: Path) -> None:
    import torch
    from timm.data.real_labels import RealLabelsImagenet

    from pipeline.evaluation.models import evaluate_models

    folder, model = shared_data / IMAGENET_VAL, "pnasnet5large"
    names, _, _, predictions = read_published(folder)
    peer = RealLabelsImagenet(names, str(folder / "real.json"))
    ranking = torch.from_numpy(predictions[model].astype(np.int64))
    for batch in ranking.split(1000):
        scores = torch.zeros(len(batch), 1000)
        peer.add_result(scores.scatter_(1, batch, torch.arange(5.0, 0.0, -1.0).expand(len(batch), 5)))
    data = read_outside_data(
        folder / "images.csv",
        folder / "real.json",
        folder / "top5_predictions.npz",
        load_label_space("imagenet-1k"),
    )
    ours = evaluate_models({model: data.predictions[model]}, data.original_label, data.labels).models[0]
    assert ours.real.value == pytest.approx(peer.get_accuracy(1) / 100, rel=1e-12)
    assert ours.shares["real_at_5"] is not None
    assert ours.shares["real_at_5"].value == pytest.approx(peer.get_accuracy(5) / 100, rel=1e-12)


def test_twenty_merged_proposals_contain_most_published_labels(imagenet_v2: OutsideData) -> None:
    merged = merge_proposals_by_rank(imagenet_v2.predictions)
    recall = proposal_recall(merged.class_index, imagenet_v2.labels)
    contained = sum(
        len(set(labels.tolist()) & set(row))
        for labels, row in zip(
            map(imagenet_v2.labels.__getitem__, range(10_000)), merged.class_index.tolist(), strict=True
        )
    )
    assert (recall.labels.n_hits, recall.labels.n) == (contained, 19_077)
    best_alone = max(
        proposal_recall(ranking, imagenet_v2.labels).labels.n_hits for ranking in imagenet_v2.predictions.values()
    )
    assert recall.labels.n_hits > best_alone


def test_every_two_models_are_compared_on_the_same_images_and_ranked(run: Run) -> None:
    from scipy.stats import binomtest

    if run.name == IMAGENET_VAL:
        assert "Models are not compared nor ranked" in run.printed
        assert not (run.out / "pairs.csv").exists()
        return
    _, originals, refined, predictions = read_published(run.folder)
    pairs = pd.read_csv(run.out / "pairs.csv")
    assert len(pairs) == 2 * 47 * 46 // 2
    right = {
        "top1": lambda ranking: [label == original for label, original in zip(ranking, originals, strict=True)],
        "real": lambda ranking: [label in labels for label, labels in zip(ranking, refined, strict=True)],
    }
    for row in pairs.iloc[:: len(pairs) // 20].itertuples():
        a, b = (right[row.metric](predictions[model][:, 0].tolist()) for model in (row.a, row.b))
        only_a, only_b = sum(x > y for x, y in zip(a, b, strict=True)), sum(y > x for x, y in zip(a, b, strict=True))
        assert (row.n_only_a, row.n_only_b) == (only_a, only_b)
        assert row.p == pytest.approx(binomtest(only_b, only_a + only_b).pvalue if only_a + only_b else 1.0)
        assert row.p <= row.p_holm
        assert row.low <= row.difference <= row.high
    ranks = pd.read_csv(run.out / "ranks.csv").query("metric == 'real'").set_index("model")
    assert ranks["rank"].idxmin() == run.table["real"].idxmax()
    best, second = run.table["real"].sort_values(ascending=False).index[:2]
    assert f"{best} is not surely better than {second}" in run.printed
    assert "Top-1 and ReaL order" in run.printed
