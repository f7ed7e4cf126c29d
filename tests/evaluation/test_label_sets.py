"""Compact label sets hold what was put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists, label_sets_from_pairs

set_lists = st.lists(st.sets(st.integers(0, 21_840), max_size=6), max_size=20)


def ids(n_images: int) -> list[str]:
    return [f"image{row}" for row in range(n_images)]


@given(set_lists, st.randoms())
def test_lists_and_shuffled_pairs_give_the_same_sets(sets: list[set[int]], random: object) -> None:
    pairs = [(row, label) for row, labels in enumerate(sets) for label in labels]
    random.shuffle(pairs)
    from_lists = label_sets_from_lists(sets, ids(len(sets)))
    from_pairs = label_sets_from_pairs([row for row, _ in pairs], [label for _, label in pairs], ids(len(sets)))
    for row, labels in enumerate(sets):
        assert from_lists[row].tolist() == from_pairs[row].tolist() == sorted(labels)
    assert from_lists.n_labels.tolist() == [len(labels) for labels in sets]


@given(set_lists.filter(bool), st.data())
def test_selected_rows_keep_their_sets_and_names(sets: list[set[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(sets) - 1), unique=True))
    chosen = label_sets_from_lists(sets, ids(len(sets))).select(np.array(rows, dtype=np.int64))
    assert [chosen[at].tolist() for at in range(len(rows))] == [sorted(sets[row]) for row in rows]
    assert list(chosen.image_ids) == [f"image{row}" for row in rows]


def test_a_mask_selects_like_its_indices() -> None:
    labels = label_sets_from_lists([[1], [], [2, 3]], ids(3))
    assert labels.select(np.array([False, True, True]))[1].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("labels", "message"),
    [([[3, 3]], "'image0'.*once"), ([[-1]], "'image0'.*negative"), ([[1], [2]], "2 label lists for 1 images")],
)
def test_sets_that_are_none_are_refused_by_name(labels: list[list[int]], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        label_sets_from_lists(labels, ids(1))


def test_row_starts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DatasetError, match="row starts"):
        LabelSets(np.array([0, 5]), np.array([1], dtype=np.int32), ("image0",))


def test_a_pair_that_names_no_image_is_refused() -> None:
    with pytest.raises(DatasetError, match="there are 2"):
        label_sets_from_pairs([2], [0], ids(2))
