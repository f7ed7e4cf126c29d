"""Classes with parents: a label counts for its ancestors, and models are scored at every level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import label_sets_from_lists
from pipeline.project.folder import Project, open_project
from pipeline.project.label_space import ClassInfo, LabelSpace, load_label_space
from pipeline.project.results import read_summary
from pipeline.reports import evaluation_report as report
from pipeline.reports.headlines import evaluation_headline
from pipeline.stages.assign import assign_project
from pipeline.stages.evaluate import EvaluateSummary, evaluate_project
from pipeline.stages.levels import at_level, evaluation_by_level, most_specific
from pipeline.stages.propose import propose_from_predictions
from pipeline.stages.settle import settle_project
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.store import open_project_store

CLASSES = "key,parent\nanimal,\ndog,animal\nbeagle,dog\nfoxhound,dog\ncup,\n"
KEYS = ["animal", "dog", "beagle", "foxhound", "cup"]


@pytest.fixture
def animals(tmp_path: Path, draw: Callable[[Path, int], None]) -> Project:
    """Return a project of three images, two of dogs and one of a cup, with proposals of all five classes."""
    (tmp_path / "classes.csv").write_text(CLASSES)
    for i, key in enumerate(("beagle", "foxhound", "cup")):
        draw(tmp_path / "photos" / key / f"{i}.png", i)
    project = init_project(tmp_path / "p", tmp_path / "photos", tmp_path / "classes.csv")
    np.savez(tmp_path / "top.npz", model=np.array([[4, 2, 3, 1, 0], [2, 3, 1, 4, 0], [3, 2, 1, 0, 4]]))
    propose_from_predictions(project, tmp_path / "top.npz", order="natural")
    assign_project(project, ["ada", "ben"], 2)
    return open_project(project.root)


def test_a_label_counts_for_its_ancestors_and_the_most_specific_is_kept(
    animals: Project, vote: Callable[..., None]
) -> None:
    ids = pd.read_parquet(animals.images_path)["image_id"].tolist()
    at = {key: ids.index(next(name for name in ids if name.startswith(key))) for key in ("beagle", "foxhound", "cup")}
    vote(animals, "ada", at["beagle"], KEYS, ["beagle"])
    vote(animals, "ben", at["beagle"], KEYS, ["beagle", "dog"])
    vote(animals, "ada", at["foxhound"], KEYS, ["foxhound"])
    vote(animals, "ben", at["foxhound"], KEYS, ["dog"])
    vote(animals, "ada", at["cup"], KEYS, ["cup"])
    vote(animals, "ben", at["cup"], KEYS, ["cup"])
    with open_project_store(animals) as store:
        votes = read_project_votes(animals, store).annotation
    items = zip(votes.item_image.tolist(), votes.item_class.tolist(), strict=True)
    counts = dict(zip(items, votes.item_counts().tolist(), strict=True))
    for key in ("beagle", "foxhound"):
        for ancestor in (0, 1):  # animal, dog
            assert counts[at[key], ancestor] == [0, 0, 2]
    labels = settle_project(animals).labels.to_pandas().dropna(subset="class_index")
    sets = labels.groupby("image_index")["class_index"].apply(lambda s: sorted(KEYS[int(c)] for c in s)).to_dict()
    assert sets[at["beagle"]] == ["beagle"]
    assert sets[at["foxhound"]] in (["dog"], ["foxhound"])
    assert sets[at["cup"]] == ["cup"]


def test_metrics_by_level_are_those_of_the_classes_that_stand_there(
    animals: Project, vote: Callable[..., None]
) -> None:
    ids = pd.read_parquet(animals.images_path)["image_id"].tolist()
    for image, name in enumerate(ids):
        for person in ("ada", "ben"):
            vote(animals, person, image, KEYS, [name.split("/")[0]])
    settle_project(animals)
    found = evaluate_project(animals)
    table = pd.read_csv(animals.results_dir / "evaluate" / "levels.csv")
    by_level = table.set_index("level")
    ranking = dict(enumerate([[4, 2, 3, 1, 0], [2, 3, 1, 4, 0], [3, 2, 1, 0, 4]]))
    parent = {0: None, 1: 0, 2: 1, 3: 1, 4: None}

    def stand_in(index: int, level: int) -> int:
        chain = [index]
        while parent[chain[0]] is not None:
            chain.insert(0, parent[chain[0]])
        return chain[min(level, len(chain) - 1)]

    assert by_level["n_classes"].tolist() == [2, 3, 5]
    for level in range(3):
        right = [
            stand_in(ranking[i][0], level) == stand_in(KEYS.index(name.split("/")[0]), level)
            for i, name in enumerate(ids)
        ]
        assert by_level.loc[level, "top1"] == pytest.approx(np.mean(right))
        assert by_level.loc[level, "real"] == pytest.approx(np.mean(right))
    assert [(row.level, row.n_classes, row.model) for row in found.summary.levels] == [
        (level, n, "model") for level, n in enumerate((2, 3, 5))
    ]
    assert read_summary(animals, "evaluate", EvaluateSummary).levels == found.summary.levels
    told = [line for line in evaluation_headline(found.summary) if line.startswith("Level ")]
    assert [line.split(":")[0] for line in told] == [
        "Level 1 of 3, 2 classes", "Level 2 of 3, 3 classes", "Level 3 of 3, 5 classes"
    ]  # fmt: skip
    page = report.levels(found).text
    assert [f"{level} of 3" in page for level in (1, 2, 3)] == [True] * 3
    assert page.count("(of 3)") == 2  # Top-1 and ReaL, each with its denominator


def test_parents_that_are_no_class_or_go_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("key,parent\ncat,mammal\n")
    with pytest.raises(DatasetError, match="parent 'mammal', which is no class"):
        load_label_space(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("key,parent\ncat,dog\ndog,cat\n")
    with pytest.raises(DatasetError, match="in a circle: cat > dog > cat"):
        load_label_space(tmp_path / "b.csv")


@st.composite
def trees(draw: st.DrawFn) -> LabelSpace:
    n = draw(st.integers(2, 9))
    parents = [draw(st.none() | st.integers(0, i - 1)) if i else None for i in range(n)]
    return LabelSpace(
        tuple(ClassInfo(i, f"c{i}", f"c{i}", parent="" if p is None else f"c{p}") for i, p in enumerate(parents))
    )


@given(trees(), st.data())
def test_any_tree_keeps_exactly_what_no_other_label_implies(space: LabelSpace, data: st.DataObject) -> None:
    sets = data.draw(st.lists(st.sets(st.integers(0, len(space) - 1)), min_size=1, max_size=4))
    pairs = [(i, c) for i, each in enumerate(sets) for c in range(len(space))]
    image, class_ = (np.array(column) for column in zip(*pairs, strict=True))
    label = np.array([c in sets[i] for i, c in pairs])
    kept = most_specific(image, class_, label, space)
    for (i, c), stands in zip(pairs, kept, strict=True):
        below = [other for other in sets[i] if c in space.ancestors(other)]
        assert stands == (c in sets[i] and not below)


@given(trees(), st.data())
def test_a_perfect_model_is_perfect_at_every_level(space: LabelSpace, data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, len(space) - 1), min_size=1, max_size=5))
    others = [[c] + [o for o in range(len(space)) if o != c] for c in labels]
    sets = label_sets_from_lists([[c] for c in labels], [str(i) for i in range(len(labels))])
    levels = evaluation_by_level(space, {"model": np.array(others)}, np.array(labels), sets)
    if not levels:
        assert all(at_level(space, 0) == np.arange(len(space)))
        return
    assert {model.top1.value for level in levels for model in level.evaluation.models} == {1}
    assert {model.real.value for level in levels for model in level.evaluation.models} == {1}
