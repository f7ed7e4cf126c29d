"""Original labels that are wrong: planted in toybox scenes, and found by what models and (simulated) people say."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score

from pipeline.datasets.create import init_project
from pipeline.demo.run import ANNOTATORS, simulated_annotators
from pipeline.project.image_table import original_labels
from pipeline.project.secret import make_secret
from pipeline.project.settings import ProposalSection, Settings
from pipeline.reports.settle_report import suspicious_originals as shown
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose
from pipeline.stages.settle import settle_project
from pipeline.stages.suspicious import doubt_originals, models_weight
from pipeline.toybox import toybox_checkpoint, write_toybox

N_SCENES = 150


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory):
    """Return a settled project, some of whose original labels were replaced by wrong ones, and which."""
    folder = tmp_path_factory.mktemp("suspicious")
    box = write_toybox(folder / "toys", n_scenes=N_SCENES, n_reference=2, seed=5)
    truth = pd.read_json(box.truth, typ="series")
    keys = pd.read_csv(box.classes)["key"].tolist()
    rows = list(csv.DictReader(box.scenes_csv.open(newline="", encoding="utf-8")))
    generator = np.random.default_rng(0)
    is_planted = generator.random(N_SCENES) < 0.15
    for number, row in enumerate(rows):
        if is_planted[number]:
            row["label"] = str(generator.choice([key for key in keys if key not in truth.iloc[number]]))
    manifest = box.root / "planted.csv"
    pd.DataFrame(rows).to_csv(manifest, index=False)
    settings = Settings(proposals=ProposalSection(n_proposals=12))
    project = init_project(folder / "project", manifest, box.classes, box.reference, settings=settings)
    make_secret(project.root, bytes(32))
    propose(project, checkpoint=toybox_checkpoint(), views=1, device="cpu", n_workers=0)
    assign_project(project, list(ANNOTATORS), 2, kind="simulated")
    for annotator in simulated_annotators(project, box, ANNOTATORS):
        annotator.work(images_at_once=50)
    return project, settle_project(project), is_planted


def test_planted_errors_are_found_better_than_by_cleanlab_on_the_same_scores(
    planted, record_property: pytest.RecordProperty
) -> None:
    project, settlement, is_planted = planted
    found = settlement.suspicious
    assert found["p_wrong"].is_monotonic_decreasing
    listed = pd.read_csv(project.results_dir / "settle" / "suspicious_originals.csv")
    assert listed["image_index"].tolist() == found["image_index"].tolist()
    ours = np.zeros(N_SCENES)
    ours[found["image_index"]] = found["p_wrong"]
    (path,) = project.predictions_dir.glob("*.parquet")
    table = pq.read_table(path).to_pydict()
    original, n_classes = original_labels(project), len(project.label_space)
    scores = np.zeros((N_SCENES, n_classes))
    for image, (classes, values) in enumerate(zip(table["class_index"], table["score"], strict=True)):
        scores[image, classes] = values
    scores += (1 - scores.sum(axis=1, keepdims=True)) / n_classes
    precision = {"ours": average_precision_score(is_planted, ours)}
    for method in ("self_confidence", "normalized_margin"):
        quality = get_label_quality_scores(original, scores, method=method)
        precision[method] = average_precision_score(is_planted, -quality)
    record_property("average_precision", {name: round(float(value), 3) for name, value in precision.items()})
    assert precision["ours"] > max(precision["self_confidence"], precision["normalized_margin"])
    assert precision["ours"] > 0.8


def test_the_report_shows_the_surest_with_their_pictures(planted) -> None:
    project, settlement, _ = planted
    page = shown(project, settlement).text
    first = settlement.suspicious.iloc[0]
    assert first["image_id"] in page
    n_rather_wrong = int((settlement.suspicious["p_wrong"] > 0.5).sum())
    assert n_rather_wrong > 0
    assert page.count("<img") == min(12, n_rather_wrong)
    assert f"rather wrong than right: {n_rather_wrong}" in page
    assert f"All {len(settlement.suspicious)} that the models speak against" in page


def test_votes_and_models_are_combined_as_independent_witnesses() -> None:
    generator = np.random.default_rng(1)
    applies = generator.random(4000) < 0.8
    support = (applies * 1.5 + generator.normal(size=4000))[:, None]
    asked_applies = generator.random(9000) < 0.2
    asked_support = (asked_applies * 1.5 + generator.normal(size=9000))[:, None]
    # Two classes of normal support, one and a half apart: the log of the likelihood ratio is linear in it.
    exact = 1.5 * support[:, 0] - 1.5**2 / 2
    weight = models_weight(support, asked_support, asked_applies)
    assert np.abs(weight - exact).mean() < 0.15
    # Only labels that models support are asked about: their share says too little of the others.
    posterior = np.where(support[:, 0] < 1, np.nan, np.where(applies, 0.95, 0.1))
    unasked = np.isnan(posterior)
    found = doubt_originals(posterior, exact)
    np.testing.assert_array_equal(np.isnan(found.p_people), unasked)
    np.testing.assert_allclose(found.p_wrong[unasked], 1 - found.p_models[unasked])
    assert abs((1 - found.p_wrong).mean() - 0.8) < 0.03
    np.testing.assert_allclose(found.p_models, 1 / (1 + np.exp(-exact) / 4), atol=0.04)
    odds = posterior / (1 - posterior) * np.exp(exact)
    np.testing.assert_allclose(found.p_wrong[~unasked], 1 / (1 + odds[~unasked]), rtol=1e-6)
    counted = doubt_originals(posterior, exact, is_in_posterior=True)
    np.testing.assert_allclose(counted.p_wrong[~unasked], 1 - posterior[~unasked], rtol=1e-6)
    np.testing.assert_array_equal(models_weight(support[:, :0], asked_support[:, :0], asked_applies), 0)
