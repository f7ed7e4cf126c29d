"""The votes table and its arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vote_tables import WORDS, table_of

from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import Round, Vote

cells = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 3)), st.sampled_from(WORDS), max_size=40
)


@settings(max_examples=60)
@given(cells, st.randoms())
def test_a_table_in_any_order_comes_back_as_the_same_votes(votes_as_rows, votes, random):
    keys = list(votes)
    random.shuffle(keys)
    table = table_of({key: votes[key] for key in keys})
    expected = [(f"i{i}", f"c{c}", f"a{a}", votes[i, c, a]) for i, c, a in sorted(votes)]
    assert votes_as_rows(VoteArrays.from_table(table)) == expected


@settings(max_examples=60)
@given(cells, st.integers(1, 12))
def test_blocks_hold_every_vote_once_and_cut_no_image_in_two(votes, size):
    arrays = VoteArrays.from_table(table_of(votes))
    blocks = list(arrays.blocks(size))
    assert sum(len(block.vote) for block in blocks) == arrays.n_votes
    images = [set((block.item_image + block.first_image).tolist()) for block in blocks]
    assert sum(map(len, images)) == len(set().union(*images)) if images else arrays.n_votes == 0
    items = [block.item + block.first_item for block in blocks]
    assert not items or np.array_equal(np.concatenate(items), arrays.item)


def test_a_class_that_was_not_shown_is_no_vote_but_its_annotator_stays_known():
    table = table_of({(0, 0, 0): "yes", (0, 1, 0): "no"})
    hidden = pd.DataFrame([("i0", "c1", "a1", None)], columns=table.columns)
    votes = pd.concat([table.assign(shown=True), hidden.assign(shown=False)], ignore_index=True)
    arrays = VoteArrays.from_table(votes)
    assert arrays.n_votes == 2
    assert arrays.annotators.tolist() == ["a0", "a1"]


def test_a_refinement_vote_replaces_the_same_annotators_earlier_one():
    first = table_of({(0, 0, 0): "yes", (0, 0, 1): "no"}).assign(round="annotation")
    later = table_of({(0, 0, 0): "no"}).assign(round="refinement")
    both = pd.concat([first, later], ignore_index=True)
    assert VoteArrays.from_table(both).item_counts().tolist() == [[2, 0, 0]]
    assert VoteArrays.from_table(both, rounds=(Round.ANNOTATION,)).item_counts().tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vote": ["maybe", "no"]}, "row 0 has a vote that is not yes, no or unsure"),
        ({"vote": ["no", None]}, "row 1 has a vote"),
        ({"annotator": ["a", None]}, "row 1 has no annotator"),
        ({"round": ["annotation", "third"]}, "row 1 has a round"),
        ({"shown": [True, "perhaps"]}, "row 1 has a `shown`"),
    ],
)
def test_a_table_with_a_wrong_value_is_refused_by_row(change, message):
    table = table_of({(0, 0, 0): "yes", (0, 1, 0): "no"}).assign(**change)
    with pytest.raises(DatasetError, match=message):
        VoteArrays.from_table(table)


def test_a_table_without_a_column_is_refused_by_name():
    with pytest.raises(DatasetError, match="lacks the columns \\['vote'\\]"):
        VoteArrays.from_table(table_of({(0, 0, 0): "yes"}).drop(columns="vote"))


def test_two_votes_of_one_annotator_on_one_class_are_refused():
    table = pd.concat([table_of({(0, 0, 0): "yes"})] * 2, ignore_index=True)
    with pytest.raises(DatasetError, match="annotator 'a0' voted more than once on image 'i0', class 'c0'"):
        VoteArrays.from_table(table)


@pytest.mark.parametrize("n", [3, 127, 128, 200, 256, 70_000])
def test_however_many_votes_of_one_annotator_are_refused_by_the_right_image(n: int) -> None:
    names = {"images": ["i0", "i1", "i2"], "classes": ["c"], "annotators": ["a"]}
    with pytest.raises(DatasetError, match=f"on image 'i1', class 'c' .{n - 1} such repeats"):
        VoteArrays.from_codes([0, *[1] * n, 2], [0] * (n + 2), [0] * (n + 2), [2] * (n + 2), **names)


def test_codes_outside_a_vocabulary_are_refused():
    with pytest.raises(DatasetError, match="class codes run from 3 to 3"):
        VoteArrays.from_codes([0], [3], [0], [2], classes=["a", "b"])
    with pytest.raises(DatasetError, match="vote 0 is 5"):
        VoteArrays.from_codes([0], [0], [0], [5])


def test_votes_that_are_no_integers_and_codes_that_are_ids_are_refused():
    with pytest.raises(DatasetError, match="votes are float64"):
        VoteArrays.from_codes([0], [0], [0], [float("nan")])
    with pytest.raises(DatasetError, match="codes are positions"):
        VoteArrays.from_codes([10**15], [0], [0], [2])


@pytest.mark.parametrize("size", [7, 2_500_000])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
def test_codes_of_any_integer_type_and_vocabularies_of_any_size_sort_alike(size, dtype):
    image, class_, rater = np.array([[5, 1, 5, 1], [3, 6, 3, 2], [4, 0, 2, 1]], dtype=dtype)
    names = np.arange(size)
    votes = VoteArrays.from_codes(
        image, class_, rater, np.array([2, 0, 1, 2], dtype=dtype), images=names, classes=names, annotators=names
    )
    found = zip(votes.item_image[votes.item], votes.item_class[votes.item], votes.annotator, votes.vote, strict=True)
    assert list(found) == [(1, 2, 1, 2), (1, 6, 0, 0), (5, 3, 2, 1), (5, 3, 4, 2)]


def test_no_votes_at_all_keep_their_vocabularies():
    votes = VoteArrays.from_codes([], [], [], [], images=["i", "j"], classes=["c"], annotators=["a"])
    assert (votes.n_votes, votes.n_items, votes.n_images) == (0, 0, 2)
    assert list(votes.blocks()) == []


def test_vote_codes_are_ordered_no_unsure_yes():
    assert [vote.code for vote in (Vote.NO, Vote.UNSURE, Vote.YES)] == [0, 1, 2]
