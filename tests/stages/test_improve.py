"""Stage 6: what is settled about some toybox scenes, and what is proposed for the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project
from pipeline.project.results import read_summary
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.improve import ImproveSummary, improve_project
from pipeline.stages.propose import propose
from pipeline.toybox import toybox_checkpoint, write_toybox

N_SCENES, N_SETTLED = 120, 70
CPU = {"device": "cpu", "n_workers": 0}


@pytest.fixture(scope="module")
def toybox_project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[set[int]], Path]:
    """Return a project whose scenes were looked at once, the truth, and a file with the truth of the first scenes."""
    folder = tmp_path_factory.mktemp("improve")
    box = write_toybox(folder / "toys", n_scenes=N_SCENES, n_reference=2, seed=11)
    project = init_project(folder / "project", box.scenes_csv, box.classes, box.reference)
    propose(project, checkpoint=toybox_checkpoint(), views=1, **CPU)
    named = json.loads(box.truth.read_text())
    truth = [{project.label_space.index_of(key) for key in keys} for keys in named.values()]
    settled = folder / "settled.json"
    settled.write_text(json.dumps(dict(list(named.items())[:N_SETTLED])))
    return project, truth, settled


def n_found(project: Project, truth: list[set[int]], k: int) -> int:
    classes = ProposalReader(project.proposals_path).as_arrays().class_index
    unseen = range(N_SETTLED, N_SCENES)
    return sum(len(truth[image] & set(classes[image, :k].tolist())) for image in unseen)


def test_settled_labels_make_better_proposals_for_the_other_images_and_again_the_same(
    toybox_project: tuple[Project, list[set[int]], Path],
) -> None:
    project, truth, settled = toybox_project
    before = {k: n_found(project, truth, k) for k in (5, 10)}
    first = ProposalReader(project.proposals_path).as_arrays().class_index
    found = improve_project(project, settled, **CPU)
    assert (found.n_settled, found.n_renewed) == (N_SETTLED, N_SCENES - N_SETTLED)
    n_labels = sum(map(len, truth[N_SETTLED:]))
    for k, least in ((5, 0.04), (10, 0.04)):
        assert n_found(project, truth, k) - before[k] > least * n_labels
    renewed = ProposalReader(project.proposals_path)
    np.testing.assert_array_equal(renewed.as_arrays().class_index[:N_SETTLED, :20], first[:N_SETTLED])
    assert found.recall[0].after.value > found.recall[0].before.value
    summary = read_summary(project, "improve", ImproveSummary)
    assert [row.k for row in summary.recall] == [5, 10, 20]
    listed = pd.read_csv(project.results_dir / "improve" / "next_images.csv")
    assert len(listed) == found.n_renewed
    assert listed["uncertainty"].is_monotonic_decreasing
    table = pq.read_table(project.proposals_path)
    again = improve_project(project, settled, **CPU)
    assert again.recall == found.recall
    assert pq.read_table(project.proposals_path).equals(table)


def test_what_it_cannot_learn_from_is_said(
    toybox_project: tuple[Project, list[set[int]], Path], tmp_path: Path
) -> None:
    project, _, settled = toybox_project
    with pytest.raises(ProjectError, match="run `mlf settle"):
        improve_project(project, **CPU)
    few = tmp_path / "few.json"
    few.write_text(json.dumps(dict(list(json.loads(settled.read_text()).items())[:6])))
    with pytest.raises(DatasetError, match="images are settled"):
        improve_project(project, few, **CPU)
