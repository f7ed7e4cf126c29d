"""Top-1, Top-5, ReaL and Real@5 on small and odd data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.evaluation.accuracy import hit_ranks
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists
from pipeline.evaluation.models import FIGURES, evaluate_models

N_CLASSES = 9
label_set = st.sets(st.integers(0, N_CLASSES - 1), max_size=N_CLASSES)
ranking = st.permutations(range(N_CLASSES)).map(lambda order: order[:6])
images = st.lists(st.tuples(ranking, st.integers(-1, N_CLASSES - 1), label_set), min_size=1, max_size=30)


def sets(*labels: list[int]) -> LabelSets:
    return label_sets_from_lists(labels, [f"image{row}" for row in range(len(labels))])


def ints(values: object) -> NDArray[np.int16]:
    return np.array(values, dtype=np.int16)


@given(images)
def test_figures_are_the_counts_of_their_definitions(rows: list[tuple[list[int], int, set[int]]]) -> None:
    labels = sets(*[list(row[2]) for row in rows])
    result = evaluate_models({"model": ints([row[0] for row in rows])}, ints([row[1] for row in rows]), labels)
    accuracy = result.models[0]
    originals = [(order, original) for order, original, _ in rows if original >= 0]
    refined = [(order, chosen) for order, _, chosen in rows if chosen]
    assert accuracy.top1.n_hits == sum(order[0] == original for order, original in originals)
    assert accuracy.shares["top5"].n_hits == sum(original in order[:5] for order, original in originals)
    assert accuracy.top1.n == accuracy.shares["top5"].n == len(originals)
    assert accuracy.real.n_hits == sum(order[0] in chosen for order, chosen in refined)
    assert accuracy.shares["real_at_5"].n_hits == sum(bool(chosen & set(order[:5])) for order, chosen in refined)
    assert accuracy.real.n == accuracy.shares["real_at_5"].n == len(refined)
    assert result.multi_label.n_hits == sum(len(chosen) >= 2 for _, _, chosen in rows)
    assert result.multi_label.n == len(rows)
    assert sum(result.label_counts.values()) == len(rows)


@given(images)
def test_figures_by_label_count_add_up(rows: list[tuple[list[int], int, set[int]]]) -> None:
    labels = sets(*[list(row[2]) for row in rows])
    result = evaluate_models({"model": ints([row[0] for row in rows])}, ints([row[1] for row in rows]), labels)
    for figure in ("top1", "top5", "real", "real_at_5"):
        parts = [part.accuracy.shares[figure] for part in result.by_label_count]
        whole = result.models[0].shares[figure]
        assert sum(part.n_hits for part in parts) == whole.n_hits
        assert sum(part.n for part in parts) == whole.n
    assert {part.n_labels: part.n_images for part in result.by_label_count} == result.label_counts


def test_an_empty_label_set_is_left_out_of_real_and_kept_in_top1() -> None:
    accuracy = evaluate_models({"m": ints([[1, 0, 2, 3, 4]] * 2)}, ints([1, 1]), sets([], [1, 2])).models[0]
    assert (accuracy.top1.n_hits, accuracy.top1.n) == (2, 2)
    assert (accuracy.real.n_hits, accuracy.real.n) == (1, 1)


def test_without_any_refined_label_real_is_undefined_not_zero() -> None:
    result = evaluate_models({"m": ints([[1, 0, 2, 3, 4]])}, ints([1]), sets([]))
    assert result.models[0].real.value is None
    assert result.fit.slope is None
    assert np.isnan(result.table().at[0, "real"])


def test_rankings_shorter_than_five_leave_top5_undefined() -> None:
    result = evaluate_models({"short": ints([[1, 0, 2]]), "long": ints([[1, 0, 2, 3, 4]])}, ints([2]), sets([2]), 1000)
    short, long = result.models
    assert short.shares["top5"] is None
    assert short.shares["real_at_5"] is None
    assert short.top1.value == 0
    assert long.shares["top5"] is not None
    assert long.shares["top5"].value == 1
    assert result.shallow_models == ("short",)


def test_a_ranking_of_every_class_defines_top5_however_few_there_are() -> None:
    accuracy = evaluate_models({"m": ints([[1, 0, 2]])}, ints([2]), sets([2]), n_classes=3).models[0]
    assert accuracy.shares["top5"] is not None
    assert accuracy.shares["top5"].value == 1


def test_minus_one_in_a_ranking_hits_neither_a_label_nor_a_missing_label() -> None:
    accuracy = evaluate_models({"m": ints([[-1] * 5, [-1] * 5])}, ints([-1, 3]), sets([3], [3])).models[0]
    assert (accuracy.top1.n_hits, accuracy.top1.n) == (0, 1)
    assert (accuracy.real.n_hits, accuracy.real.n) == (0, 2)


def test_hit_ranks_count_from_zero_and_give_the_depth_for_nowhere() -> None:
    hits = hit_ranks(ints([[4, 2, 7], [4, 2, 7], [-1, -1, -1]]), ints([7, 3, -1]), sets([2, 7], [], [1]))
    assert hits.original.tolist() == [2, 3, 3]
    assert hits.refined.tolist() == [1, 3, 3]


def test_a_ranking_stored_worst_first_is_named_and_a_chance_difference_is_not() -> None:
    backward, forward = ints([[5, 4, 3, 2, 1]] * 100), ints([[1, 2, 3, 4, 5]] * 100)
    labels, original = sets(*[[1]] * 100), ints([1] * 100)
    result = evaluate_models({"backward": backward, "forward": forward}, original, labels)
    assert result.worst_first_models == ("backward",)
    few = evaluate_models({"backward": backward[:10]}, original[:10], sets(*[[1]] * 10))
    assert few.worst_first_models == ()


def test_a_model_with_another_number_of_images_is_named() -> None:
    with pytest.raises(DatasetError, match=r"'stray'.*\(3, 5\).*\(2, k\)"):
        evaluate_models({"stray": ints([[1, 0, 2, 3, 4]] * 3)}, ints([1, 1]), sets([1], [1]))


def test_without_models_the_tables_are_empty_and_keep_their_columns() -> None:
    result = evaluate_models({}, ints([1, 1]), sets([1, 2], []))
    assert result.multi_label.value == 0.5
    assert list(result.table().columns) == ["model", *FIGURES, "n_images", "n_labelled"]
    assert result.table().empty
    assert result.label_count_table().empty


def test_evaluation_on_no_images_is_refused() -> None:
    with pytest.raises(DatasetError, match="no images"):
        evaluate_models({}, ints([]), sets())
