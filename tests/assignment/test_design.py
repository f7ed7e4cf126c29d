"""Assignments: different people per image, even loads, every pair meets, and the same seed gives the same result."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.assignment import assign_images, assign_refinement, people_schedule
from pipeline.errors import ProjectError


def names(n: int) -> list[str]:
    return [f"person {i}" for i in range(n)]


@st.composite
def teams(draw: st.DrawFn) -> tuple[int, int]:
    n_people = draw(st.integers(1, 14))
    return n_people, draw(st.integers(1, min(n_people, 5)))


@given(teams(), st.integers(0, 300), st.integers(0, 50), st.integers(0, 2**32))
@settings(max_examples=60)
def test_each_image_goes_to_exactly_n_different_people_and_loads_are_within_one(
    team: tuple[int, int], n_images: int, batch_size: int, seed: int
) -> None:
    n_people, per_image = team
    plan = assign_images(range(n_images), names(n_people), per_image, batch_size=batch_size, seed=seed)
    pairs = Counter(zip(plan.image_index.tolist(), plan.annotator.tolist(), strict=True))
    assert set(pairs.values()) <= {1}
    assert Counter(plan.image_index.tolist()) == dict.fromkeys(range(n_images), per_image)
    assert max(plan.loads.values()) - min(plan.loads.values()) <= 1


@given(teams())
@settings(max_examples=40)
def test_any_beginning_of_a_schedule_leaves_loads_within_one_and_every_two_people_meet(team: tuple[int, int]) -> None:
    n_people, per_image = team
    loads, meetings = Counter(dict.fromkeys(range(n_people), 0)), Counter[tuple[int, ...]]()
    for group in people_schedule(n_people, per_image).tolist():
        loads.update(group)
        meetings.update(combinations(sorted(group), 2))
        assert max(loads.values()) - min(loads.values()) <= 1
    assert len(set(loads.values())) == 1
    if per_image > 1:
        assert set(meetings) == set(combinations(range(n_people), 2))


@pytest.mark.parametrize("n_people", [3, 4, 7, 10, 15, 16])
def test_pairs_meet_equally_often_within_one(n_people: int) -> None:
    plan = assign_images(range(777), names(n_people), 2, seed=5)
    people: dict[int, list[int]] = {}
    for image, code in zip(plan.image_index.tolist(), plan.annotator.tolist(), strict=True):
        people.setdefault(image, []).append(code)
    meetings = Counter(tuple(sorted(pair)) for pair in people.values())
    assert len(meetings) == n_people * (n_people - 1) // 2
    assert max(meetings.values()) - min(meetings.values()) <= 1


def test_work_that_stops_after_a_batch_leaves_its_images_with_all_their_people() -> None:
    plan = assign_images(range(100), names(5), 2, batch_size=20, seed=1)
    for n_batches in range(1, 6):
        begun = Counter(plan.image_index[: 40 * n_batches].tolist())
        assert len(begun) == 20 * n_batches
        assert set(begun.values()) == {2}


def test_within_a_batch_two_people_meet_their_common_images_in_different_orders() -> None:
    plan = assign_images(range(200), names(2), 2, batch_size=200)
    first, second = (plan.image_index[plan.annotator == code].tolist() for code in (0, 1))
    assert sorted(first) == sorted(second)
    assert first != second


@given(st.integers(0, 2**32))
@settings(max_examples=10)
def test_the_same_seed_gives_the_same_plan(seed: int) -> None:
    one, other = (assign_images(range(60), names(6), 3, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(one.annotator, other.annotator)
    np.testing.assert_array_equal(one.image_index, other.image_index)


def test_another_seed_gives_another_plan() -> None:
    one, other = (assign_images(range(60), names(6), 2, seed=seed) for seed in (1, 2))
    assert one.image_index.tolist() != other.image_index.tolist()


def test_all_of_imagenet_is_assigned_twice_with_loads_within_one() -> None:
    plan = assign_images(np.arange(1_281_167), names(25), 2)
    assert len(plan) == 2 * 1_281_167
    assert set(plan.loads.values()) == {102_493, 102_494}


def test_too_few_people_are_refused_in_words_that_say_what_to_do() -> None:
    with pytest.raises(ProjectError, match=r"2 different people .* 1 was named \(ada\); name at least 2"):
        assign_images(range(3), ["ada"], 2)


@pytest.mark.parametrize(
    ("images", "people", "message"),
    [([1, 1], ["a", "b"], "assigned twice"), ([1], ["a", "a"], "named twice"), ([1], [], "nobody")],
)
def test_repeats_and_empty_teams_are_refused(images: list[int], people: list[str], message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        assign_images(images, people, 1)


@given(st.integers(4, 9), st.integers(1, 60), st.integers(0, 2**32))
@settings(max_examples=50)
def test_nobody_refines_an_image_that_they_annotated(n_people: int, n_images: int, seed: int) -> None:
    people = names(n_people)
    annotated = assign_images(range(n_images), people, 2, seed=seed)
    own: dict[int, set[str]] = {}
    for image, code in zip(annotated.image_index.tolist(), annotated.annotator.tolist(), strict=True):
        own.setdefault(image, set()).add(people[code])
    plan = assign_refinement(range(n_images), own, people, seed=seed)
    assert sorted(plan.image_index.tolist()) == list(range(n_images))
    for image, code in zip(plan.image_index.tolist(), plan.annotator.tolist(), strict=True):
        assert people[code] not in own[image]
    assert max(plan.loads.values()) - min(plan.loads.values()) <= 2


def test_one_may_refine_ones_own_image_only_where_the_project_allows_it() -> None:
    with pytest.raises(ProjectError, match=r"image 4 was annotated by ada, ben.*allow_own_images"):
        assign_refinement([4], {4: ["ada", "ben"]}, ["ada", "ben"])
    plan = assign_refinement([4], {4: ["ada", "ben"]}, ["ada", "ben"], allow_own_images=True)
    assert plan.image_index.tolist() == [4]


@pytest.mark.parametrize("n_people", [3, 4, 7, 8, 15])
@pytest.mark.parametrize("part", [1, 5, 20])
def test_work_cut_into_parts_brings_together_whom_it_would_have_brought_together_at_once(
    n_people: int, part: int
) -> None:
    people, n_images = names(n_people), n_people * (n_people - 1) // 2 * 2
    met: Counter[frozenset[str]] = Counter()
    loads: Counter[str] = Counter()
    for start in range(0, n_images, part):
        images = range(start, min(start + part, n_images))
        plan = assign_images(images, people, 2, seed=3, n_before=start)
        for image in images:
            pair = [plan.annotators[code] for code in plan.annotator[plan.image_index == image]]
            met[frozenset(pair)] += 1
            loads.update(pair)
    assert set(met.values()) == {2}
    assert len(met) == n_people * (n_people - 1) // 2
    assert len(set(loads.values())) == 1
