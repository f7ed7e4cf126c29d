"""Two data sets and two label sets, against counting by hand."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.evaluation.data_sets import compare_data_sets
from pipeline.evaluation.label_changes import KINDS, kind_counts, label_changes
from pipeline.evaluation.label_pairs import label_pairs
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists

SETS = st.lists(st.tuples(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5))), max_size=20)


def sets(labels: list[set[int]]) -> LabelSets:
    return label_sets_from_lists(labels, [f"image{i}" for i in range(len(labels))])


def kind_of(before: set[int], after: set[int]) -> str:
    if before == after:
        return "same"
    if not before or not after:
        return "filled" if after else "emptied"
    if before < after or after < before:
        return "added" if before < after else "removed"
    return "mixed" if before & after else "replaced"


@given(SETS)
def test_every_image_differs_in_one_way(pairs: list[tuple[set[int], set[int]]]) -> None:
    changes = label_changes(sets([before for before, _ in pairs]), sets([after for _, after in pairs]))
    for row, (before, after) in zip(changes.itertuples(), pairs, strict=True):
        assert row.kind == kind_of(before, after)
        assert (row.n_added, row.n_removed) == (len(after - before), len(before - after))
        union = before | after
        assert row.distance == pytest.approx(1 - len(before & after) / len(union) if union else 0)
    counts = kind_counts(changes)
    assert list(counts) == list(KINDS)
    assert sum(counts.values()) == len(pairs)


@given(st.lists(st.sets(st.integers(0, 6)), max_size=20))
def test_pairs_of_classes_are_counted_image_by_image(labels: list[set[int]]) -> None:
    expected: dict[tuple[int, int], int] = {}
    for classes in labels:
        for pair in combinations(sorted(classes), 2):
            expected[pair] = expected.get(pair, 0) + 1
    table = label_pairs(sets(labels))
    assert {(a, b): n for a, b, n in table.itertuples(index=False)} == expected
    assert table["n_images"].is_monotonic_decreasing


def test_label_sets_of_other_images_are_not_compared() -> None:
    with pytest.raises(DatasetError, match="same images"):
        label_changes(sets([{1}]), sets([{1}, {2}]))


def scored(**models: tuple[float, float]) -> pd.DataFrame:
    rows = [(name, top1, real, 400, 200) for name, (top1, real) in models.items()]
    return pd.DataFrame(rows, columns=["model", "top1", "real", "n_images", "n_labelled"])


def test_drops_are_paired_by_model_whatever_the_order_of_the_tables() -> None:
    found = compare_data_sets(
        scored(a=(0.8, 0.9), b=(0.6, 0.7), home=(0.5, 0.5)), scored(b=(0.5, 0.66), a=(0.6, 0.8), away=(0.1, 0.1))
    )
    drops = found.drops.set_index("model")
    assert list(drops.index) == ["a", "b"]
    assert drops.loc["a", ["top1_drop", "real_drop", "kept_back"]].tolist() == pytest.approx([0.2, 0.1, 0.1])
    assert drops.loc["b", ["top1_drop", "real_drop", "kept_back"]].tolist() == pytest.approx([0.1, 0.04, 0.06])
    assert (found.mean_top1_drop, found.mean_real_drop) == pytest.approx((0.15, 0.07))
    assert (found.n_models, found.n_less) == (2, 2)
    assert (found.only_first, found.only_second) == (("home",), ("away",))
    spread = 1.96 * (0.8 * 0.2 / 400 + 0.6 * 0.4 / 400) ** 0.5
    assert drops.at["a", "top1_high"] - drops.at["a", "top1_drop"] == pytest.approx(spread, rel=1e-3)


def test_tables_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(DatasetError, match="no model was scored on both"):
        compare_data_sets(scored(a=(1, 1)), scored(b=(1, 1)))
    with pytest.raises(DatasetError, match="second table of models has no column 'real'"):
        compare_data_sets(scored(a=(1, 1)), scored(a=(1, 1)).drop(columns="real"))
    with pytest.raises(DatasetError, match="first table names 'a' twice"):
        compare_data_sets(pd.concat([scored(a=(1, 1))] * 2), scored(a=(1, 1)))
