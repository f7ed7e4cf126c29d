"""Proposals from models that were run elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.predictions import predictions_path, read_model_predictions
from pipeline.project.folder import Project
from pipeline.project.tables import PREDICTIONS, PROPOSALS
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.propose import propose_from_predictions, propose_summary


def make_project(tmp_path: Path, labels: str = "abcab") -> Project:
    (tmp_path / "images.csv").write_text("image,label\n" + "".join(f"i{n},{key}\n" for n, key in enumerate(labels)))
    (tmp_path / "classes.csv").write_text("key\na\nb\nc\nd\n")
    return init_project(tmp_path / "project", tmp_path / "images.csv", tmp_path / "classes.csv")


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_one_models_ranking_becomes_the_proposals_in_its_order(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    ranking = np.array([[0, 3], [1, 2], [2, 0], [3, 1], [0, 1]], dtype=np.int16)
    summary = propose_from_predictions(project, save(tmp_path / "p.npz", alone=ranking))
    assert (summary.models, summary.n_images, summary.n_with_proposals) == (("alone",), 5, 5)
    reader = ProposalReader(project.proposals_path)
    assert (reader.as_arrays().class_index == ranking).all()
    assert reader.rows([1])[1].model == ("alone", "alone")
    assert pq.read_schema(project.proposals_path).remove_metadata().equals(PROPOSALS)
    assert propose_summary(project).n_with_proposals == 5


def test_every_models_ranking_is_kept_for_evaluation(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    rankings = {"m/1": np.full((5, 1), 2), "m2": np.tile([3, 1, 0], (5, 1))}
    propose_from_predictions(project, save(tmp_path / "p.npz", **rankings))
    for name, ranking in (("m_1", rankings["m/1"]), ("m2", rankings["m2"])):
        path = predictions_path(project, name)
        assert pq.read_schema(path).remove_metadata().equals(PREDICTIONS)
        kept = read_model_predictions(path)
        assert (kept.class_index == ranking).all()
        assert np.isnan(kept.score).all()


def test_rows_follow_the_manifest_even_where_some_of_it_was_skipped(tmp_path: Path) -> None:
    project = make_project(tmp_path, labels="aXbYc")
    ranking = np.array([[0], [3], [1], [3], [2]])
    propose_from_predictions(project, save(tmp_path / "p.npz", m=ranking))
    assert ProposalReader(project.proposals_path).as_arrays().class_index.tolist() == [[0], [1], [2]]
    with pytest.raises(DatasetError) as refused:
        propose_from_predictions(project, save(tmp_path / "q.npz", m=ranking[:3]), restart=True)
    assert str(refused.value) == (
        f"{tmp_path / 'q.npz'}: array 'm' has 3 rows for 5 images of the list that {project.root} was made from "
        "(3 became images, 2 were skipped, as skipped.parquet tells: they need their row, too); "
        "make the file again with one row for each of them, in that order"
    )
    assert ProposalReader(project.proposals_path).as_arrays().class_index.tolist() == [[0], [1], [2]]


def test_other_predictions_replace_proposals_only_when_asked_to(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    first = save(tmp_path / "p.npz", m=np.full((5, 1), 2))
    propose_from_predictions(project, first)
    assert propose_from_predictions(project, first).n_done_before == 5
    other = save(tmp_path / "q.npz", m=np.full((5, 1), 3))
    with pytest.raises(ProjectError, match=r"file_sha256 was .*--restart"):
        propose_from_predictions(project, other)
    assert (ProposalReader(project.proposals_path).as_arrays().class_index == 2).all()
    assert (read_model_predictions(predictions_path(project, "m")).class_index == 2).all()
    propose_from_predictions(project, other, restart=True)
    assert (ProposalReader(project.proposals_path).as_arrays().class_index == 3).all()


def test_a_class_outside_of_the_label_space_is_refused_by_model_and_row(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    ranking = np.array([[0], [1], [4], [2], [3]])
    with pytest.raises(DatasetError, match=r"array 'm', row 2 has class index 4"):
        propose_from_predictions(project, save(tmp_path / "p.npz", m=ranking))


@pytest.mark.shared_data
def test_47_published_models_propose_for_the_10000_images_of_imagenetv2(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "imagenetv2_matched_frequency"
    project = init_project(tmp_path / "project", folder / "images.csv", "imagenet-1k")
    summary = propose_from_predictions(project, folder / "top5_predictions.npz")
    assert (len(summary.models), summary.n_images, summary.n_with_proposals) == (47, 10_000, 10_000)
    proposals = ProposalReader(project.proposals_path).as_arrays()
    assert proposals.class_index.shape == (10_000, 20)
    with np.load(folder / "top5_predictions.npz") as published:
        for image_index in range(0, 10_000, 1000):
            named = {int(c) for model in summary.models for c in published[model][image_index]}
            proposed = [int(c) for c in proposals.class_index[image_index] if c >= 0]
            assert len(set(proposed)) == len(proposed) == min(20, len(named))
            assert set(proposed) <= named
