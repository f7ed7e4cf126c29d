"""The votes that the budget study replays: a project's own, or a file's."""

from __future__ import annotations

import pytest
from toy_projects import Toys

from pipeline.consensus.budget import PROJECTED_VOTES, Policy, replay
from pipeline.errors import DatasetError, ProjectError
from pipeline.stages.budget_record import read_record


def test_a_projects_votes_are_replayed_with_one_held_back(annotated: Toys):
    found = read_record(project=str(annotated.project.root))
    record = found.record
    assert record.n_each == 1
    assert 0 < record.if_absent < record.if_applies <= 1
    assert f"{record.votes.n_items:,} questions about {len(annotated.image_ids):,} images" in found.told
    assert "a vote held back" in found.told
    table = replay(record, n_resamples=50)
    assert table["policy"].tolist() == ["one for all"]
    assert 0.6 < table["f1"].iloc[0] <= 1.02


def test_where_few_votes_are_on_record_more_are_projected_and_called_so(annotated: Toys):
    found = read_record(project=str(annotated.project.root))
    assert found.projection is not None
    assert "PROJECTED" in found.told
    assert found.projection.n_each == PROJECTED_VOTES
    f1 = replay(found.projection, [Policy("one", 1, 1), Policy("six", 6, 6)], n_resamples=20)["f1"]
    assert f1.iloc[0] < f1.iloc[1]
    assert read_record().projection is None


def test_where_no_votes_are_there_the_next_step_is_named(proposed: Toys):
    with pytest.raises(ProjectError, match="mlf annotate"):
        read_record(project=str(proposed.project.root))
    with pytest.raises(DatasetError, match="one of them"):
        read_record(project="a", votes="b.csv")
    with pytest.raises(DatasetError, match="give votes"):
        read_record(predictions="models.npz")
