"""Items that share a pattern: what is fitted to patterns is what a plain fit to every item gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.consensus import fit_dawid_skene, patterns
from pipeline.consensus.patterns import find_patterns
from pipeline.consensus.pooling import likeliest_companions
from pipeline.votes.arrays import VoteArrays

N_PEOPLE = 4


@st.composite
def some_votes(draw: st.DrawFn) -> VoteArrays:
    said = draw(
        st.dictionaries(
            st.tuples(st.integers(0, 7), st.integers(0, 3), st.integers(0, N_PEOPLE - 1)),
            st.integers(0, 2),
            min_size=1,
            max_size=60,
        )
    )
    image, class_, annotator = (np.array(column) for column in zip(*said, strict=True))
    return VoteArrays.from_codes(
        image, class_, annotator, list(said.values()), images=range(8), classes=range(4), annotators=range(N_PEOPLE)
    )


@st.composite
def votes_and_answers(draw: st.DrawFn) -> tuple[VoteArrays, np.ndarray, np.ndarray]:
    votes = draw(some_votes())
    answers = st.lists(st.integers(-1, 1), min_size=votes.n_items, max_size=votes.n_items)
    return votes, np.array(draw(answers), dtype=np.int8), np.array(draw(answers), dtype=np.int8)


def votes_of(votes: VoteArrays, item: int) -> set[tuple[int, int]]:
    mine = votes.item == item
    return set(zip(votes.annotator[mine].tolist(), votes.vote[mine].tolist(), strict=True))


@given(votes_and_answers())
def test_every_item_has_the_votes_and_the_answers_of_its_pattern(drawn):
    votes, gold, original = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "_LEAST_SHARED", 0)
        found = find_patterns(votes, (gold, None, original))
    assert found.of_item is not None
    assert found.known[1] is None
    named = [(frozenset(votes_of(votes, item)), int(gold[item]), int(original[item])) for item in range(votes.n_items)]
    for item, (said, its_gold, its_original) in enumerate(named):
        pattern = int(found.of_item[item])
        assert votes_of(found.votes, pattern) == said
        assert (found.known[0][pattern], found.known[2][pattern]) == (its_gold, its_original)
    assert sorted(Counter(named).values()) == sorted(found.n_items.astype(int).tolist())


@given(votes_and_answers())
def test_the_model_of_the_patterns_is_that_of_all_items(drawn):
    votes, gold, original = drawn
    models = []
    for least_shared in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(patterns, "_LEAST_SHARED", least_shared)
            models.append(fit_dawid_skene(votes, gold, original, prior_votes=3.0))
    by_pattern, plain = models
    np.testing.assert_allclose(by_pattern.posterior, plain.posterior, atol=1e-9)
    np.testing.assert_allclose(by_pattern.confusion, plain.confusion, atol=1e-9)
    np.testing.assert_allclose(by_pattern.original_confusion, plain.original_confusion, atol=1e-9)
    assert (by_pattern.n_iterations, by_pattern.is_converged) == (plain.n_iterations, plain.is_converged)


def test_votes_of_more_people_than_a_number_can_name_are_taken_as_they_are():
    n_people = 3000
    votes = VoteArrays.from_codes([0] * n_people, [0] * n_people, np.arange(n_people), [2] * n_people)
    assert find_patterns(votes).of_item is None
    assert fit_dawid_skene(votes).posterior[0] > 0.99


@given(some_votes(), st.data())
def test_the_likeliest_two_items_of_an_image_are_those_of_a_plain_search(votes, data):
    chance = st.sampled_from([0.1, 0.5, 0.9])
    posterior = np.array(data.draw(st.lists(chance, min_size=votes.n_items, max_size=votes.n_items)))
    first, second = likeliest_companions(votes, posterior)
    for image in range(votes.n_images):
        items = sorted(np.flatnonzero(votes.item_image == image), key=lambda item: (-posterior[item], item))
        assert [first[image], second[image]] == [*items, -1, -1][:2]
