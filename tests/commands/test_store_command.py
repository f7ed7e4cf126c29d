"""`mlf store`: what it derives is what the log says, whatever state it was in before."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from command_line import run_mlf

from pipeline.annotation.events import Event, EventKind
from pipeline.project.folder import Project, create_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.settings import Settings
from pipeline.store import Assignment, open_project_store
from pipeline.votes.words import Round


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project in which ada has ticked a class on two of her three images."""
    made = create_project(tmp_path / "project", Settings(), label_space_from_keys(["cup", "bat"]))
    with open_project_store(made) as store:
        store.add_annotators(["ada"])
        store.assign(Round.ANNOTATION, [Assignment("ada", image) for image in range(3)])
        payload = {"class_index": 1, "vote": "yes"}
        made_votes = [
            Event(f"event-{image:04}", Round.ANNOTATION, "ada", image, EventKind.VOTE, payload, shown=(1,))
            for image in range(2)
        ]
        assert all(result.seq for result in store.append(made_votes))
    return made


def derived(project: Project) -> tuple[list[object], int]:
    with open_project_store(project) as store:
        return list(store.iter_states(Round.ANNOTATION)), store.annotators_of(Round.ANNOTATION)["ada"].n_done


def test_states_that_were_spoilt_by_hand_are_derived_from_the_log_again(project: Project) -> None:
    before = derived(project)
    with sa.create_engine(project.store_url).begin() as connection:
        connection.execute(sa.text("DELETE FROM states WHERE image_index = 0"))
        connection.execute(sa.text("UPDATE tasks SET is_decided = (image_index = 2)"))
    assert derived(project) != before
    assert "2 states derived from the log" in run_mlf("store", "rebuild", project.root)
    assert derived(project) == before


def test_a_folder_that_is_no_project_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in run_mlf("store", "rebuild", tmp_path, code=2)
