"""Votes, refined labels and predictions as people bring them: a perfect model is never scored as a bad one."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import DatasetError
from pipeline.evaluation.models import evaluate_models
from pipeline.formats.known_answers import read_gold_answers
from pipeline.formats.outside_data import read_outside_data
from pipeline.formats.votes_in import read_votes
from pipeline.project.class_references import ClassNumbers
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.notices import notices_to

HEADER = "image,class,annotator,vote\n"
N_IMAGES, N_CLASSES = 24, 6
ANIMALS = ["ant", "bee", "cat", "dog", "eel", "fox"]


# ---- votes
def test_people_and_images_that_look_alike_are_one_and_told(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(
        f"{HEADER}i0 ,cat,Jos\u00e9,yes\ni0,cat,ben\u00a0,yes\ni1,cat,Jose\u0301,no\n i1,cat,ben,no\n", encoding="utf-8"
    )
    told: list[str] = []
    with notices_to(told.append):
        votes = read_votes(path)
    assert (votes.images.tolist(), votes.annotators.tolist()) == (["i0", "i1"], ["Jos\u00e9", "ben"])
    assert votes.n_items == 2
    assert sum("one annotator" in line for line in told) == 1
    assert sum("one image" in line for line in told) == 1


def test_votes_that_become_one_are_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(f'{HEADER}"i\n0",cat,ada,yes\ni1,cat,ada,yes\ni1,cat,ada ,no\n')
    with pytest.raises(DatasetError, match=r"votes\.csv: line 5: annotator 'ada' voted more than once"):
        read_votes(path)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ([7.0, 1000.0], ["1000", "7"]),
        ([b"a", b"b"], ["a", "b"]),
        ([7, 10**17 + 1], [str(10**17 + 1), "7"]),
        (["007", "1e3"], ["007", "1e3"]),
        (pd.Categorical([7, 8]), ["7", "8"]),
    ],
)
def test_names_of_a_parquet_are_text_by_the_type_of_their_column(
    tmp_path: Path, image: Any, expected: list[str]
) -> None:
    frame = pd.DataFrame({"Image": image, "class": "c", "annotator": [1, 2], "vote": ["yes", "no"]})
    frame.to_parquet(tmp_path / "votes.parquet")
    assert read_votes(tmp_path / "votes.parquet").images.tolist() == expected


@pytest.mark.parametrize("image", [[0.5, 1.0], [True, False], [["a"], ["b"]], [{"path": "a"}, {"path": "b"}]])
def test_columns_that_hold_no_names_are_refused_by_name(tmp_path: Path, image: Any) -> None:
    table = pa.table({"image": pa.array(image), "class": ["c", "c"], "annotator": ["a", "a"], "vote": ["yes", "no"]})
    pq.write_table(table, tmp_path / "votes.parquet")
    with pytest.raises(DatasetError, match=r"votes\.parquet: column 'image' holds"):
        read_votes(tmp_path / "votes.parquet")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("image,class,annotator,vote,Vote\ni,c,a,yes,no\n")
    with pytest.raises(DatasetError, match="has the column 'vote' twice"):
        read_votes(tmp_path / "votes.csv")


def test_answers_are_matched_as_text(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(f"{HEADER}007,7,ada,yes\n7,007,ada,yes\n1e3,7,ada,no\n")
    (tmp_path / "gold.csv").write_text("image,class,label\n007,7,no\n7,7,yes\n 1e3 ,7,yes\n")
    votes = read_votes(tmp_path / "votes.csv")
    found = read_gold_answers(tmp_path / "gold.csv", votes)
    answers = dict(
        zip(
            zip(votes.images[votes.item_image], votes.classes[votes.item_class], strict=True),
            found.of_item,
            strict=True,
        )
    )
    assert answers == {("007", "7"): 0, ("7", "007"): -1, ("1e3", "7"): 1}


# ---- labels and predictions: one truth, written in many ways
def truth(n_used: int = N_CLASSES) -> list[int]:
    return [i * i % n_used for i in range(N_IMAGES)]


def write(
    folder: Path, labels: Any, refined: Any, first: list[int], ids: list[str] | None = None
) -> tuple[Path, Path, Path]:
    """Write an image list, its refined labels and a model that ranks `first` on top for each image."""
    names = ids or [f"im{i:02d}.jpg" for i in range(len(labels))]
    pd.DataFrame({"image": names, "label": labels}).to_csv(folder / "images.csv", index=False)
    content = refined if isinstance(refined, dict) else dict(zip(names, refined, strict=True))
    (folder / "labels.json").write_text(json.dumps(content, ensure_ascii=False))
    ranking = np.array([[f, *(c for c in range(N_CLASSES) if c != f)] for f in first])
    np.savez(folder / "models.npz", model=ranking)
    return folder / "images.csv", folder / "labels.json", folder / "models.npz"


def scored(paths: tuple[Path, Path, Path], keys: list[str], numbers: ClassNumbers = "auto") -> tuple[float, float]:
    data = read_outside_data(*paths, label_space_from_keys(keys), numbers)
    (model,) = evaluate_models(data.predictions, data.original_label, data.labels).models
    assert model.top1.value is not None
    assert model.real.value is not None
    return model.top1.value, model.real.value


FORMS = {
    "key": lambda keys: keys,
    "from 0": lambda keys: [str(i) for i in range(len(keys))],
    "from 0, numbers": lambda keys: list(range(len(keys))),
    "from 1": lambda keys: [str(i + 1) for i in range(len(keys))],
    "from 0, with a fraction": lambda keys: [f"{i}.0" for i in range(len(keys))],
}
KEYS = {
    "words": ANIMALS,
    "from 1": [str(i + 1) for i in range(N_CLASSES)],
    "padded": [f"{i + 1:03d}" for i in range(N_CLASSES)],
    "padded from 0": [f"{i:03d}" for i in range(N_CLASSES)],
    "shuffled": ["3", "0", "5", "1", "4", "2"],
}


@pytest.mark.parametrize("labels_as", FORMS)
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_a_perfect_model_is_perfect_or_the_numbers_are_refused(tmp_path: Path, keys: list[str], labels_as: str) -> None:
    forced: dict[str, ClassNumbers] = {"key": "keys", "from 1": "from-1"}
    for refined_as, skips_first, n_used in product(FORMS, (False, True), (N_CLASSES, N_CLASSES - 1)):
        y = [min(i + skips_first, N_CLASSES - 1) for i in truth(n_used)]
        labels, refined = FORMS[labels_as](keys), FORMS[refined_as](keys)
        paths = write(tmp_path, [labels[i] for i in y], [[refined[i]] for i in y], y)
        try:
            assert scored(paths, keys) == (1, 1)
        except DatasetError as error:
            assert "--class-numbers" in str(error)  # noqa: PT017 - either outcome is right
            if labels_as == refined_as:
                assert scored(paths, keys, forced.get(labels_as, "from-0")) == (1, 1)


def test_predictions_that_count_from_1_are_refused(tmp_path: Path) -> None:
    y = truth(N_CLASSES - 1)
    paths = write(tmp_path, [ANIMALS[i] for i in y], [[ANIMALS[i]] for i in y], [i + 1 for i in y])
    with pytest.raises(DatasetError, match=r"models\.npz: its classes seem to be one higher than the original labels"):
        scored(paths, ANIMALS)
    np.savez(paths[2], model=np.array([[6], [1]]))
    with pytest.raises(DatasetError, match="subtract 1 from each"):
        read_outside_data(
            *write(tmp_path, ["ant", "bee"], [["ant"], ["bee"]], [0, 1])[:2], paths[2], _space_of(6, tmp_path)
        )


def _space_of(n: int, folder: Path) -> Any:
    np.savez(folder / "models.npz", model=np.array([[n], [1]]))
    return label_space_from_keys(ANIMALS[:n])


def test_predictions_in_the_order_of_another_framework_are_refused(tmp_path: Path) -> None:
    keys = ["1", "2", "3", "10", "11", "20"]
    y = truth()
    by_character = sorted(keys)
    paths = write(tmp_path, [keys[i] for i in y], [[keys[i]] for i in y], [by_character.index(keys[i]) for i in y])
    with pytest.raises(DatasetError, match=r"in the order of their keys by character \(torchvision, Keras\)"):
        scored(paths, keys)


def test_a_weak_model_is_scored_as_it_is(tmp_path: Path) -> None:
    y = truth()
    generator = np.random.default_rng(0)
    first = [i if generator.random() < 0.3 else int(generator.integers(N_CLASSES)) for i in y]
    paths = write(tmp_path, [ANIMALS[i] for i in y], [[ANIMALS[i]] for i in y], first)
    assert scored(paths, ANIMALS)[0] == pytest.approx(np.mean([a == b for a, b in zip(y, first, strict=True)]))


def test_a_list_in_the_order_of_the_image_list_is_refused_and_the_sorted_order_told(tmp_path: Path) -> None:
    y = np.random.default_rng(1).integers(N_CLASSES, size=N_IMAGES).tolist()
    ids = [f"im{(7 * i) % N_IMAGES:02d}.jpg" for i in range(N_IMAGES)]
    paths = write(tmp_path, [ANIMALS[i] for i in y], [[i] for i in y], y, ids)
    paths[1].write_text(json.dumps([[ANIMALS[i]] for i in y]))
    with pytest.raises(DatasetError, match="its entries fit the order of the image list"):
        scored(paths, ANIMALS)
    by_name = [[ANIMALS[i]] for _, i in sorted(zip(ids, y, strict=True))]
    paths[1].write_text(json.dumps(by_name))
    told: list[str] = []
    with notices_to(told.append):
        assert scored(paths, ANIMALS) == (1, 1)
    assert any("order of the sorted image names, 'im00.jpg' first" in line for line in told)


def test_names_of_labels_are_paired_in_one_form(tmp_path: Path) -> None:
    names = ["caf\u00e9.jpg", "007", "7", "1e3"]
    paths = write(tmp_path, ANIMALS[:4], {}, [0, 1, 2, 3], names)
    spelled = {"cafe\u0301.jpg": ["ant"], " 007": ["bee"], "7 ": ["cat "], "1e3": [" dog"]}
    paths[1].write_text("\ufeff" + json.dumps(spelled), encoding="utf-8")
    assert scored(paths, ANIMALS) == (1, 1)


def test_the_command_says_how_numbers_were_read_and_takes_the_option(tmp_path: Path) -> None:
    y = truth(N_CLASSES - 1)
    images, labels, predictions = write(tmp_path, [i + 1 for i in y], [[i + 1] for i in y], y)
    (tmp_path / "classes.txt").write_text("\n".join(ANIMALS))
    line = ["--images", images, "--labels", labels, "--predictions", predictions, "--classes", tmp_path / "classes.txt"]
    printed = run_mlf("score", *line, "--out", tmp_path / "out")
    assert "Note: " in printed
    assert "are read as numbers counted from 1: images that agree with the other data" in printed
    assert "100.00%" in printed
    forced = run_mlf("score", *line, "--out", tmp_path / "o", "--class-numbers", "from-0", code=2)
    assert "one lower than the original labels" in forced
    wrong = CliRunner().invoke(app, ["score", *map(str, line), "--out", str(tmp_path / "o"), "--class-numbers", "zero"])
    said = [line for line in wrong.stderr.splitlines() if not line.startswith("Note: ")]
    assert (wrong.exit_code, len(said)) == (2, 1)
