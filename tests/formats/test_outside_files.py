"""Files made elsewhere: paired by name, unusable parts named, nothing dropped silently."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.commands.score import score
from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ReadOptions
from pipeline.formats.exchange.registry import format_named
from pipeline.formats.outside_data import read_outside_data
from pipeline.formats.predictions_npz import read_predictions
from pipeline.formats.refined_labels_in import read_refined_labels
from pipeline.formats.votes_in import read_votes
from pipeline.project.label_space import label_space_from_keys

SPACE = label_space_from_keys(["ant", "bee", "cat", "dog", "eel", "fox", "gnu"], "animals")


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(path: Path, images: list[str]) -> dict[str, list[int]]:
    paired = read_refined_labels(path, images, SPACE)
    return {name: paired.labels[row].tolist() for row, name in enumerate(paired.labels.image_ids)}


def reasons(path: Path, images: list[str]) -> dict[str | None, str]:
    return {row.image_id: row.reason for row in read_refined_labels(path, images, SPACE).skipped}


def test_an_ending_may_be_missing_or_differ(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.json", {"b.jpeg": ["2", "0"], "a.jpeg": [], "c.v2.jpeg": [3]})
    assert read(path, ["a", "b.JPG", "c.v2"]) == {"a": [], "b.JPG": [0, 2], "c.v2": [3]}


def test_full_names_that_match_are_told_apart_by_their_endings(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.json", {"a.png": [1], "a.jpg": [0]})
    assert read(path, ["a.jpg", "a.png"]) == {"a.jpg": [0], "a.png": [1]}
    with pytest.raises(DatasetError, match=r"'a.png' and 'a.jpg' differ only in their ending"):
        read(path, ["a"])


def test_classes_may_be_keys(tmp_path: Path) -> None:
    assert read(write(tmp_path / "labels.json", {"a": ["dog", "1"]}), ["a"]) == {"a": [1, 3]}


def test_a_list_is_paired_with_the_sorted_names(tmp_path: Path) -> None:
    assert read(write(tmp_path / "real.json", [[1], [], [2, 3]]), ["c", "a", "b"]) == {"c": [2, 3], "a": [1], "b": []}


def test_numbered_validation_images_may_be_any_part_of_the_list(tmp_path: Path) -> None:
    path = write(tmp_path / "real.json", [[0], [1], [2]])
    images = ["ILSVRC2012_val_00000003.JPEG", "ILSVRC2012_val_00000001.JPEG"]
    assert list(read(path, images).values()) == [[2], [0]]
    assert read_refined_labels(path, images, SPACE).n_unused == 1
    assert (
        "does not name it" in reasons(path, [*images, "ILSVRC2012_val_00000009.JPEG"])["ILSVRC2012_val_00000009.JPEG"]
    )


def test_a_list_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="3 label lists for 2 images"):
        read(write(tmp_path / "real.json", [[], [], []]), ["a", "b"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"good": [0]}', "labels.json does not name it"),
        ('{"good": [0], "bad": [1], "bad": [1]}', "names it 2 times"),
        ('{"good": [0], "bad": ["7"]}', "class '7': not among the 7 classes of animals"),
        ('{"good": [0], "bad": [-1]}', "class -1"),
        ('{"good": [0], "bad": [1.5]}', "class 1.5"),
        ('{"good": [0], "bad": [true]}', "class True"),
        ('{"good": [0], "bad": [[1]]}', r"class \[1\]"),
        ('{"good": [0], "bad": ["1", "bee"]}', r"'bee' \(index 1\) more than once"),
        ('{"good": [0], "bad": "1"}', "expected a list of classes"),
        ('{"good": [0], "bad": {"1": 1}}', "expected a list of classes"),
    ],
)
def test_an_image_whose_labels_cannot_be_used_is_skipped_by_name(tmp_path: Path, content: str, reason: str) -> None:
    import re

    path = write(tmp_path / "labels.json", content)
    assert read(path, ["good", "bad"]) == {"good": [0]}
    assert re.search(reason, reasons(path, ["good", "bad"])["bad"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("3", "holds a int"),
        ('{"other": [1]}', "usable labels to none of the 1 images"),
    ],
)
def test_a_label_file_that_is_none_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read(write(tmp_path / "labels.json", content), ["a"])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3), dtype=np.float32), "'m' holds float32"),
        (np.zeros(2, dtype=np.int16), r"'m' has shape \(2,\)"),
        (np.array([[0, 1]]), "'m' has 1 rows for 2 images"),
        (np.array([[0, 1], [2, 7]]), "'m', row 1 has class index 7 at rank 2"),
        (np.array([[0, 1], [-1, 2]]), "'m', row 1 has class index -1 at rank 1"),
        (np.array([[0, 1], [4, 4]]), "'m', row 1 names a class twice"),
        (np.array([["a"], ["b"]], dtype=object), "'m' holds object; give integers"),
    ],
)
def test_an_array_that_is_no_ranking_is_refused_by_name_and_row(
    tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.savez(tmp_path / "p.npz", m=array)
    with pytest.raises(DatasetError, match=message):
        read_predictions(tmp_path / "p.npz", 2, len(SPACE))


def test_files_that_are_no_npz_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "single.npy", np.zeros((2, 2), dtype=int))
    np.savez(tmp_path / "empty.npz")
    write(tmp_path / "text.npz", "no archive")
    for name, message in [("single.npy", "single array"), ("empty.npz", "no array"), ("text.npz", "cannot be read")]:
        with pytest.raises(DatasetError, match=message):
            read_predictions(tmp_path / name, 2, len(SPACE))
    with pytest.raises(DatasetError, match="no such file"):
        read_predictions(tmp_path / "absent.npz", 2, len(SPACE))


def small_files(folder: Path) -> dict[str, Path]:
    """Six images of which only two can be used: the first and the last."""
    write(folder / "images.csv", "image,label\na,ant\nb,wolf\nc,cat\nc,cat\nd,dog\ne,eel\n")
    write(folder / "labels.json", {"a.jpg": [0, 1], "c.jpg": [2], "e.jpg": [4], "z.jpg": [5]})
    ranking = np.array([[0, 1], [0, 1], [2, 1], [2, 1], [3, 1], [5, 4]])
    np.savez(folder / "p.npz", model=ranking)
    return {"images": folder / "images.csv", "labels": folder / "labels.json", "predictions": folder / "p.npz"}


def test_predictions_stay_with_their_images_where_rows_are_skipped(tmp_path: Path) -> None:
    data = read_outside_data(*small_files(tmp_path).values(), SPACE)
    assert data.labels.image_ids == ("a", "e")
    assert data.original_label.tolist() == [0, 4]
    assert data.predictions["model"].tolist() == [[0, 1], [5, 4]]
    assert [row.image_id for row in data.skipped] == ["b", "c", "c", "d"]


def test_the_command_names_and_counts_what_it_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classes = write(tmp_path / "classes.json", list(SPACE.keys))
    out = tmp_path / "deep" / "out"
    score(**small_files(tmp_path), out=out, classes=str(classes))
    printed = capsys.readouterr().out
    assert "Multi-label: 50.00% of 2 images" in printed
    assert "Skipped 4 images" in printed
    assert "Top-5 and Real@5 are undefined for 1 model whose" in printed
    assert pd.read_csv(out / "skipped.csv")["image"].tolist() == ["b", "c", "c", "d"]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["n_images"], summary["n_skipped"], summary["n_labels_unused"]) == (2, 4, 2)
    assert summary["fit"] == {"slope": None, "intercept": None, "r2": None, "n_models": 1}
    row = pd.read_csv(out / "evaluation.csv").iloc[0]
    assert (row["top1"], row["real"]) == (0.5, 0.5)
    assert pd.isna(row["top5"])
    assert pd.isna(row["real_at_5"])


def test_predictions_for_another_number_of_images_are_refused_with_both_files_and_counts(tmp_path: Path) -> None:
    files = small_files(tmp_path)
    np.savez(files["predictions"], model=np.zeros((4, 1), dtype=int))
    expected = rf"p\.npz: array 'model' has 4 rows for 6 images of {files['images']}; make the file again"
    with pytest.raises(DatasetError, match=expected):
        read_outside_data(*files.values(), SPACE)


def test_an_array_that_would_fill_the_memory_is_refused_by_its_head(tmp_path: Path) -> None:
    path = tmp_path / "zeros.npz"
    head = io.BytesIO()
    np.lib.format.write_array_header_2_0(head, {"descr": "<i8", "fortran_order": False, "shape": (3, 10**11)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.npy", head.getvalue() + bytes(10**6))
    with pytest.raises(DatasetError, match=r"'m' has shape \(3, 100000000000\) and unpacks to 2,\d{3}\.\d GiB"):
        read_predictions(path, 3, 5)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("ids", "info", "tensor"):
            archive.writestr(f"{name}.npy", head.getvalue())
    with pytest.raises(DatasetError, match="unpacks to"):
        read_votes(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", head.getvalue())
    with pytest.raises(DatasetError, match="unpacks to"):
        next(format_named("numpy", "import").read([path], ReadOptions()))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((2, 4), int), "2 rows for 3 images"),
        (np.zeros((3, 9), int), "9 ranks; the label space has 5 classes"),
    ],
)
def test_a_ranking_of_the_wrong_size_is_refused_before_it_is_read(
    tmp_path: Path, array: np.ndarray, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "p.npz", m=array)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("its content was read"))
    with pytest.raises(DatasetError, match=told):
        read_predictions(tmp_path / "p.npz", 3, 5)
