"""Changes halfway through: only undecided work moves, nobody gets an image twice, loads stay even."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.assignment import Moves, TaskTable, assign_images, hand_over, share_with, top_up
from pipeline.errors import ProjectError

PEOPLE = ("ada", "ben", "cleo", "dora", "emil")


@st.composite
def half_done(draw: st.DrawFn) -> TaskTable:
    n_images, seed = draw(st.integers(1, 80)), draw(st.integers(0, 2**32))
    plan = assign_images(range(n_images), PEOPLE, 2, seed=seed)
    generator = np.random.default_rng(seed)
    is_done = generator.random(len(plan)) < draw(st.floats(0, 1))
    return TaskTable(PEOPLE, plan.annotator, plan.image_index, is_done, plan.is_gold)


def after(tasks: TaskTable, moves: Moves) -> Counter[tuple[int, str]]:
    """Apply moves to plain (image, annotator) pairs."""
    pairs = zip(tasks.image_index.tolist(), tasks.annotator.tolist(), strict=True)
    have = Counter((image, tasks.annotators[code]) for image, code in pairs)
    for image, giver, taker in moves.moves:
        if giver:
            have[image, giver] -= 1
        have[image, taker] += 1
    return +have


def undecided(tasks: TaskTable, name: str) -> set[int]:
    mine = (tasks.annotator == tasks.annotators.index(name)) & ~tasks.is_done
    return set(tasks.image_index[mine].tolist())


@given(half_done())
@settings(max_examples=60)
def test_work_of_someone_who_left_goes_to_others_who_do_not_have_it(tasks: TaskTable) -> None:
    moves = hand_over(tasks, "ben", ["ada", "cleo", "dora", "emil"])
    have = after(tasks, moves)
    assert set(have.values()) == {1}
    assert {image for image, _, _ in moves.moves} == undecided(tasks, "ben")
    assert Counter(image for image, _ in have) == dict.fromkeys(set(tasks.image_index.tolist()), 2)


@given(half_done())
@settings(max_examples=60)
def test_newcomers_take_undecided_work_until_what_is_left_is_even(tasks: TaskTable) -> None:
    moves = share_with(tasks, ["fay", "gus"])
    have = after(tasks, moves)
    assert set(have.values()) == {1}
    assert Counter(image for image, _ in have) == dict.fromkeys(set(tasks.image_index.tolist()), 2)
    for image, giver, _ in moves.moves:
        assert image in undecided(tasks, giver)
    left = Counter(dict.fromkeys((*PEOPLE, "fay", "gus"), 0)) + Counter({n: len(undecided(tasks, n)) for n in PEOPLE})
    for _, giver, taker in moves.moves:
        left[giver] -= 1
        left[taker] += 1
    assert max(left[name] for name in PEOPLE) - min(left["fay"], left["gus"]) <= 2


@given(half_done(), st.integers(2, 4))
@settings(max_examples=40)
def test_images_with_too_few_people_are_completed(tasks: TaskTable, per_image: int) -> None:
    have = after(tasks, top_up(tasks, PEOPLE, per_image))
    assert set(have.values()) == {1}
    assert set(Counter(image for image, _ in have).values()) == {per_image}


def test_an_image_that_everyone_named_has_already_is_reported_as_stuck() -> None:
    tasks = TaskTable(
        ("ada", "ben"), np.array([0, 1], np.int32), np.array([7, 7], np.int32), np.zeros(2, bool), np.zeros(2, bool)
    )
    assert hand_over(tasks, "ben", ["ada"]) == Moves((), (7,))


def test_nobody_takes_over_from_themselves_or_from_a_stranger() -> None:
    tasks = TaskTable(("ada",), np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, bool), np.zeros(1, bool))
    with pytest.raises(ProjectError, match="cannot take over their own work"):
        hand_over(tasks, "ada", ["ada", "ben"])
    with pytest.raises(ProjectError, match="'zoe' has no tasks to hand over; --from takes one of ada"):
        hand_over(tasks, "zoe", ["ada"])
