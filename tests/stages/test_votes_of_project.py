"""A project's votes, compared with a plain fold of the event log."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import fold
from pipeline.disagreement.model import compare_ranks_to_people
from pipeline.project.folder import Project, create_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.settings import ProposalSection, Settings
from pipeline.project.tables import IMAGES, PROPOSALS
from pipeline.stages import round_votes
from pipeline.stages.proposal_ranks import proposal_ranks
from pipeline.stages.votes_of_project import ProjectVotes, read_project_votes
from pipeline.store import Assignment, SqlStore, open_project_store
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.merging import merge_votes
from pipeline.votes.words import VOTE_ORDER, Round

N_IMAGES, N_CLASSES = 12, 6
PEOPLE = ("ada", "ben", "cleo")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    wanted = Settings(proposals=ProposalSection(n_proposals=4))
    made = create_project(tmp_path / "project", wanted, label_space_from_keys([f"c{i}" for i in range(N_CLASSES)]))
    rows = [{"image_index": i, "image_id": f"{i}.png", "path": None, "original_label": None} for i in range(N_IMAGES)]
    pq.write_table(pa.Table.from_pylist(rows, schema=IMAGES), made.images_path)
    return made


@pytest.fixture
def store(project: Project) -> SqlStore:
    opened = open_project_store(project)
    opened.add_annotators(PEOPLE)
    for round_ in Round:
        opened.assign(round_, [Assignment(name, image) for name in PEOPLE for image in range(N_IMAGES)])
    return opened


def event(annotator: str, image: int, kind: EventKind, round_: Round = Round.ANNOTATION, **given) -> Event:
    shown, active_ms = given.pop("shown", ()), given.pop("active_ms", 100)
    return Event(uuid.uuid4().hex, round_, annotator, image, kind, given, shown, active_ms)


def vote(annotator: str, image: int, class_index: int, word: str, **more) -> Event:
    return event(annotator, image, EventKind.VOTE, class_index=class_index, vote=word, **more)


def random_events(seed: int, round_: Round, n: int = 300) -> list[Event]:
    generator = random.Random(seed)
    events: list[Event] = []
    for _ in range(n):
        name, image = generator.choice(PEOPLE), generator.randrange(N_IMAGES)
        shown = tuple(generator.sample(range(N_CLASSES), generator.randrange(N_CLASSES)))
        more = {"round_": round_, "shown": shown, "active_ms": generator.randrange(1000)}
        mine = [e for e in events if (e.annotator, e.image_index) == (name, image) and e.kind is EventKind.VOTE]
        match generator.choice(["vote", "vote", "vote", "none", "unsure", "comment", "undo"]):
            case "vote":
                word = generator.choice(["yes", "no", "unsure", "clear"])
                events.append(vote(name, image, generator.randrange(N_CLASSES), word, **more))
            case "none":
                events.append(event(name, image, EventKind.NONE, value=generator.random() < 0.5, **more))
            case "unsure":
                events.append(event(name, image, EventKind.UNSURE, value=generator.random() < 0.3, **more))
            case "comment":
                events.append(event(name, image, EventKind.COMMENT, text=generator.choice(["", "look"]), **more))
            case "undo" if mine:
                target = generator.choice(mine).event_id
                events.append(event(name, image, EventKind.UNDO, target=target, **more))
    return events


def save(store: SqlStore, events: list[Event]) -> None:
    assert all(result.seq for result in store.append(events))


def as_dict(votes: VoteArrays) -> dict[tuple[int, int, str], str]:
    items = zip(votes.item_image[votes.item], votes.item_class[votes.item], strict=True)
    return {
        (int(image), int(class_index), str(votes.annotators[code])): str(VOTE_ORDER[ballot])
        for (image, class_index), code, ballot in zip(items, votes.annotator, votes.vote, strict=True)
    }


def plain_votes(store: SqlStore, round_: Round) -> dict[tuple[int, int, str], str]:
    """Fold the log image by image."""
    log = defaultdict(list)
    for logged in store.iter_events(round_):
        log[logged.annotator, logged.image_index].append(logged)
    found = {}
    for (name, image), events in log.items():
        state = fold(events)
        if not (state.votes or state.none or state.unsure):
            continue
        for class_index in {*state.shown, *state.votes}:
            left = "unsure" if state.unsure else "no"
            found[image, class_index, name] = state.votes.get(class_index, left)
    return found


def read(project: Project, store: SqlStore) -> ProjectVotes:
    return read_project_votes(project, store)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("votes_at_once", [1, 7, 500_000])
def test_the_votes_are_those_of_a_plain_fold_of_the_log(project, store, monkeypatch, seed, votes_at_once):
    monkeypatch.setattr(round_votes, "_VOTES_AT_ONCE", votes_at_once)
    save(store, random_events(seed, Round.ANNOTATION))
    votes = read(project, store)
    assert as_dict(votes.annotation) == plain_votes(store, Round.ANNOTATION)
    keys = votes.annotation.item_keys()
    assert (np.diff(keys) > 0).all()
    assert votes.annotation.images.tolist() == list(range(N_IMAGES))
    assert votes.annotation.n_classes == N_CLASSES


@pytest.mark.parametrize("votes_at_once", [3, 500_000])
def test_the_vote_of_the_refinement_round_stands_and_a_ticked_class_left_alone_is_no_vote(
    project, store, monkeypatch, votes_at_once
):
    monkeypatch.setattr(round_votes, "_VOTES_AT_ONCE", votes_at_once)
    save(store, random_events(1, Round.ANNOTATION))
    save(store, random_events(2, Round.REFINEMENT))
    votes = read(project, store)
    first, second = plain_votes(store, Round.ANNOTATION), plain_votes(store, Round.REFINEMENT)
    people_of = defaultdict(set)
    for row in store.iter_states(Round.ANNOTATION):
        if row.state.is_decided:
            people_of[row.image_index].add(row.annotator)
    for row in store.iter_states(Round.REFINEMENT):
        for class_index in set(row.state.shown) - set(row.state.votes):
            image = row.image_index
            words = [first[image, class_index, n] for n in people_of[image] if (image, class_index, n) in first]
            is_agreed = set(words) == {"yes"} and len(words) >= min(2, len(people_of[image]))
            if is_agreed and not row.state.none:
                second.pop((image, class_index, row.annotator), None)
    assert as_dict(votes.refinement) == second
    assert as_dict(votes.all_votes()) == first | second


def test_a_refiner_who_leaves_what_all_ticked_has_not_voted_on_it_but_may_say_no(project, store):
    save(store, [vote(n, image, 0, "yes", shown=(0, 1, 2)) for n in ("ada", "ben") for image in range(4)])
    save(store, [vote("ada", image, 1, "yes", shown=(0, 1, 2)) for image in range(4)])
    given = {"round_": Round.REFINEMENT, "shown": (0, 1, 2)}
    save(store, [vote("cleo", 0, 2, "yes", **given)])
    save(store, [vote("cleo", 1, 2, "yes", **given), vote("cleo", 1, 0, "no", **given)])
    save(store, [event("cleo", 2, EventKind.NONE, value=True, **given)])
    by_image = defaultdict(dict)
    for (image, class_index, _), word in as_dict(read(project, store).refinement).items():
        by_image[image][class_index] = word
    assert by_image == {
        0: {1: "no", 2: "yes"},
        1: {0: "no", 1: "no", 2: "yes"},
        2: {0: "no", 1: "no", 2: "no"},
    }


def test_a_class_that_was_not_shown_is_missing_and_one_left_alone_is_a_no(project, store):
    save(store, [vote("ada", 0, 1, "yes", shown=(1, 2)), vote("ben", 0, 3, "yes", shown=(3,))])
    assert as_dict(read(project, store).annotation) == {
        (0, 1, "ada"): "yes",
        (0, 2, "ada"): "no",
        (0, 3, "ben"): "yes",
    }


def test_gold_that_is_gold_to_everyone_stands_apart(project, store):
    for image, people in ((3, PEOPLE), (4, ("ada",))):
        for name in PEOPLE:
            store.unassign(Round.ANNOTATION, name, [image])
        store.assign(Round.ANNOTATION, [Assignment(n, image, is_gold=n in people) for n in PEOPLE])
    save(store, [vote(name, image, 0, "yes", shown=(0,)) for name in PEOPLE for image in (3, 4, 5)])
    votes = read(project, store)
    assert {image for image, _, _ in as_dict(votes.annotation)} == {4, 5}
    assert {image for image, _, _ in as_dict(votes.probes)} == {3}
    assert votes.n_probe_images == 1
    assert set(votes.sittings["image"]) == {4, 5}
    assert {image for image, _, _ in as_dict(votes.all_votes())} == {3, 4, 5}


def test_sittings_carry_active_time_and_order_and_comments_are_counted(project, store):
    save(store, [vote("ben", 7, 0, "yes", active_ms=700), vote("ada", 2, 0, "yes", active_ms=100)])
    save(store, [event("ben", 7, EventKind.COMMENT, text="dark", active_ms=50)])
    save(store, [event("cleo", 1, EventKind.COMMENT, text="only words")])
    votes = read(project, store)
    rows = votes.sittings.sort_values("decided_at")
    assert rows[["image", "annotator", "active_ms"]].astype(str).values.tolist() == [
        ["2", "ada", "100"],
        ["7", "ben", "750"],
    ]
    assert [(c.image_index, c.annotator, c.text) for c in votes.comments] == [
        (1, "cleo", "only words"),
        (7, "ben", "dark"),
    ]
    assert votes.n_comments == 2
    assert votes.voters == ("ada", "ben")


def test_programs_are_told_from_people(project, store):
    store.add_annotators(["robot"], kind="simulated")
    assert read(project, store).simulated == {"robot"}


def test_a_project_without_votes_has_none(project, store):
    votes = read(project, store)
    assert votes.annotation.n_votes == votes.all_votes().n_votes == votes.n_probe_images == 0
    assert len(votes.sittings) == 0
    assert votes.annotation.n_images == N_IMAGES


cells = st.dictionaries(
    st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 2)), st.sampled_from((0, 1, 2)), max_size=40
)


def arrays_of(found):
    image, class_, rater = (np.array([key[i] for key in found], dtype=int) for i in range(3))
    names = {"images": np.arange(7), "classes": np.arange(4), "annotators": np.arange(3)}
    return VoteArrays.from_codes(image, class_, rater, np.array(list(found.values()), dtype=int), **names)


@settings(max_examples=100)
@given(cells, cells)
def test_merged_votes_are_those_of_both_and_the_later_stand(earlier, later):
    merged = merge_votes(arrays_of(earlier), arrays_of(later))
    found = {
        (int(merged.item_image[i]), int(merged.item_class[i]), int(a)): int(v)
        for i, a, v in zip(merged.item, merged.annotator, merged.vote, strict=True)
    }
    assert found == earlier | later
    assert (np.diff(merged.item_keys()) > 0).all()


@settings(max_examples=50)
@given(cells, st.integers(0, 1000))
def test_ranks_are_held_against_people_as_plain_counting_says(votes, seed):
    import pandas as pd

    generator = random.Random(seed)
    arrays = arrays_of(votes)
    proposed = {image: generator.sample(range(4), generator.randrange(4)) for image in range(7)}
    rank = [
        proposed[i].index(c) + 1 if c in proposed[i] else 0
        for i, c in zip(arrays.item_image.tolist(), arrays.item_class.tolist(), strict=True)
    ]
    table = compare_ranks_to_people(np.array(rank, dtype=np.int16), arrays.item_counts())
    assert table["n_judged"].sum() == arrays.n_items
    assert set(table["rank"].fillna(0)) == set(rank)
    counts = arrays.item_counts()
    for row in table.itertuples():
        mine = np.array(rank) == (0 if pd.isna(row.rank) else row.rank)
        assert row.n_judged == mine.sum()
        assert row.n_none_yes == (counts[mine][:, 2] == 0).sum()
        assert row.n_unsure == (counts[mine][:, 1] > 0).sum()
        assert row.n_any_yes == (counts[mine][:, 2] > 0).sum()
        assert row.n_all_yes == (counts[mine][:, 2] == counts[mine].sum(axis=1)).sum()


def test_proposal_ranks_are_read_from_the_table_up_to_the_number_offered(project, store, monkeypatch):
    monkeypatch.setattr("pipeline.stages.proposal_ranks._IMAGES_AT_ONCE", 5)
    generator = random.Random(0)
    proposed = [generator.sample(range(N_CLASSES), generator.randrange(N_CLASSES + 1)) for _ in range(N_IMAGES)]
    rows = [
        {"image_index": i, "class_index": c, "score": [None] * len(c), "model": [0] * len(c)}
        for i, c in enumerate(proposed)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PROPOSALS), project.proposals_path)
    save(store, random_events(4, Round.ANNOTATION))
    votes = read(project, store).annotation
    offered = [classes[:4] for classes in proposed]
    assert proposal_ranks(project, votes).tolist() == [
        offered[i].index(c) + 1 if c in offered[i] else 0
        for i, c in zip(votes.item_image.tolist(), votes.item_class.tolist(), strict=True)
    ]
