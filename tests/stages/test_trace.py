"""Every refined label can be traced to the votes that it rests on, and these to events in the log."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from toy_projects import N_SCENES, Finished, Toys, copy_of

from pipeline.annotation.events import Event, EventKind
from pipeline.stages.assign import assign_project
from pipeline.stages.trace import trace_image
from pipeline.store import open_project_store
from pipeline.votes.words import VOTE_ORDER, Round


def test_each_label_is_traced_to_as_many_votes_as_the_table_of_labels_counts(finished: Finished) -> None:
    project = finished.toys.project
    rows = pq.read_table(project.refined_labels_path).to_pylist()
    with open_project_store(project) as store:
        n_refined = 0
        log = {event.event_id: event for event in store.iter_events()}
        for image_index in range(N_SCENES):
            trace = trace_image(project, store, str(image_index))
            expected = {
                row["class_index"]: row
                for row in rows
                if row["image_index"] == image_index and row["class_index"] is not None
            }
            found = {traced.class_index: traced for traced in trace.classes if traced.source}
            assert set(found) == set(expected)
            for class_index, traced in found.items():
                assert traced.source == expected[class_index]["source"]
                for vote in traced.votes:
                    event = log[vote.event.event_id]
                    assert (event.annotator, event.round, event.image_index) == (
                        vote.annotator,
                        vote.round,
                        image_index,
                    )
                    if vote.is_given:
                        assert event.payload == {"class_index": class_index, "vote": vote.vote}
                    else:
                        assert vote.vote in {"no", "unsure"}
                        shown = {c for e in trace.events if e.annotator == vote.annotator for c in e.shown}
                        assert class_index in shown
                words = Counter(vote.vote for vote in traced.votes)
                counted = expected[class_index]
                assert {word: words[word] for word in VOTE_ORDER} == {word: counted[f"n_{word}"] for word in VOTE_ORDER}
                assert words["yes"] > 0
                n_refined += sum(vote.vote == "yes" for vote in traced.votes if vote.round is Round.REFINEMENT)
    assert n_refined > 0


def test_a_word_that_was_undone_is_not_what_a_vote_is_traced_to(proposed: Toys, tmp_path: Path) -> None:
    project = copy_of(proposed, tmp_path / "project").project
    assign_project(project, ["ada", "ben"], 2)

    def event(event_id: str, kind: EventKind, **payload: object) -> Event:
        return Event(event_id, Round.ANNOTATION, "ada", 0, kind, payload)

    said = [event(f"said-{vote}-01", EventKind.VOTE, class_index=2, vote=vote) for vote in ("yes", "no")]
    with open_project_store(project) as store:
        assert all(
            result.seq for result in store.append([*said, event("undo-it-01", EventKind.UNDO, target="said-no-01")])
        )
        trace = trace_image(project, store, "0")
    [vote] = [vote for traced in trace.classes if traced.class_index == 2 for vote in traced.votes]
    assert (vote.vote, vote.event.event_id) == ("yes", "said-yes-01")
    assert trace.undone == {"said-no-01"}


def test_the_command_names_original_refined_votes_and_events(finished: Finished) -> None:
    image_id = finished.toys.image_ids[3]
    told = run_mlf("why", finished.toys.project.root, image_id)
    assert told.startswith(f"{image_id} (image 3)\nOriginal label: ")
    assert re.search(r"a refined label \((agreed|refined|consensus)", told)
    assert re.search(r"yes +(ada|ben|cleo), annotation; event [\w-]+ of 20\d\d-", told)
    assert "says: 'look at " in told
    full = run_mlf("why", finished.toys.project.root, "3", "--full")
    assert len(full) > len(told)
    assert full.splitlines()[0] == told.splitlines()[0]


def test_an_image_that_is_not_there_is_named(finished: Finished) -> None:
    run_mlf("why", finished.toys.project.root, "no such image", code=2)
    with open_project_store(finished.toys.project) as store, pytest.raises(Exception, match="ids look like"):
        trace_image(finished.toys.project, store, "9999")
