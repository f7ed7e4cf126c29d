"""Hidden gold: bad rows are named, images are mixed in unmarked and evenly, and scored by what was exposed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.annotation.folding import ImageState
from pipeline.assignment import assign_images
from pipeline.assignment.gold import GoldScore, mix_gold, read_gold, score_gold
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.label_space import label_space_from_keys

SPACE = label_space_from_keys(["cat", "dog", "owl"])
IMAGES = {"a.png": 0, "b.png": 1}


def test_answers_are_read_with_no_class_meaning_that_none_applies(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("image,class,label\na.png,cat,1\na.png,owl,1\na.png,dog,0\nb.png,,\n".replace(",,\n", ",,1\n"))
    assert read_gold(path, IMAGES, SPACE) == {0: frozenset({0, 2}), 1: frozenset()}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_answers_that_a_spreadsheet_separated_otherwise_are_read_alike(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("image,class\na.png,cat\na.png,owl\nb.png,\n".replace(",", separator), encoding="utf-8-sig")
    assert read_gold(path, IMAGES, SPACE) == {0: frozenset({0, 2}), 1: frozenset()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,class\nz.png,cat\n", r"line 2: the project has no image 'z.png'"),
        ("image,class\na.png,cta\n", r"line 2: no class 'cta'"),
        ("image,class,label\na.png,cat,perhaps\n", r"line 2: label 'perhaps'"),
        ("picture,class\na.png,cat\n", "no column 'image'.*found picture, class"),
        ("image,class\na.png,cat, striped\n", "line 2: more values than columns"),
        ("image,class\n", "no answers"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gold.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_gold(path, IMAGES, SPACE)


@given(st.integers(2, 7), st.integers(0, 120), st.floats(0, 0.5), st.integers(0, 2**32))
@settings(max_examples=50)
def test_gold_takes_its_share_of_every_list_and_leaves_the_ordinary_work_as_it_was(
    n_people: int, n_images: int, share: float, seed: int
) -> None:
    plan = assign_images(range(1000, 1000 + n_images), [f"p{i}" for i in range(n_people)], 2, seed=seed)
    mixed = mix_gold(plan, range(500), share, seed=seed)
    assert mixed.image_index[~mixed.is_gold].tolist() == plan.image_index.tolist()
    assert mixed.annotator[~mixed.is_gold].tolist() == plan.annotator.tolist()
    pairs = Counter(zip(mixed.annotator.tolist(), mixed.image_index.tolist(), strict=True))
    assert set(pairs.values()) <= {1}
    for code, load in enumerate(plan.loads.values()):
        n_gold = int(mixed.is_gold[mixed.annotator == code].sum())
        assert n_gold >= share * (load + n_gold) - 1e-9
        assert n_gold - 1 < share * (load + n_gold) + 1e-9


def test_gold_lies_all_along_a_list() -> None:
    plan = assign_images(range(1000, 1400), ["ada", "ben"], 2, seed=3)
    mixed = mix_gold(plan, range(100), 0.1, seed=3)
    places = [i for i, gold in enumerate(mixed.is_gold[mixed.annotator == 0].tolist()) if gold]
    quarters = Counter(4 * place // int((mixed.annotator == 0).sum()) for place in places)
    assert set(quarters) == {0, 1, 2, 3}
    assert max(quarters.values()) - min(quarters.values()) <= 3


def test_nobody_gets_a_gold_image_that_they_have_already() -> None:
    plan = assign_images(range(100, 140), ["ada", "ben"], 2)
    mixed = mix_gold(plan, range(10), 0.1, {"ada": range(9)})
    ada = mixed.image_index[mixed.is_gold & (mixed.annotator == 0)].tolist()
    assert ada == [9]


def test_a_gold_image_among_the_ordinary_work_is_refused() -> None:
    with pytest.raises(ProjectError, match="image 3 is gold and ordinary work at once"):
        mix_gold(assign_images([3], ["ada"], 1), [3], 0.1)


def test_a_class_that_was_not_shown_does_not_count_against_anyone() -> None:
    answers = {0: frozenset({0, 2}), 1: frozenset(), 2: frozenset({1})}
    states = [
        (0, ImageState(votes={0: "yes"}, shown=(0, 1))),  # class 2 was never on screen
        (1, ImageState(none=True, shown=(0, 1))),
        (2, ImageState(votes={0: "yes"}, shown=(0, 1))),  # both wrong
        (9, ImageState(votes={0: "yes"}, shown=(0,))),  # no gold
    ]
    assert score_gold(answers, states) == GoldScore(n_decided=3, n_exact=2, n_votes=6, n_correct=4)


def test_without_decided_gold_there_is_no_accuracy() -> None:
    assert score_gold({0: frozenset()}, [(0, ImageState())]).accuracy is None
