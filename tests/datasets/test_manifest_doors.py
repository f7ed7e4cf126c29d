"""Manifests as pandas, spreadsheets, Windows, macOS and Hugging Face write them: read right, or refused by column."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.datasets.manifest import manifest_rows
from pipeline.errors import DatasetError
from pipeline.project.folder import Project
from pipeline.project.notices import notices_to


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)


def rows(project: Project) -> list[tuple[str, str | None, str | None]]:
    keys = project.label_space.keys
    table = pq.read_table(project.images_path).to_pylist()
    return [
        (row["image_id"], row["path"], None if row["original_label"] is None else keys[row["original_label"]])
        for row in table
    ]


def reasons(project: Project) -> list[str]:
    return [row["reason"] for row in pq.read_table(project.skipped_path).to_pylist()]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    draw(tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "cat/c.jpg")
    return tmp_path


TEXTS = {
    "spaces": " Label , Image \ncat , a.jpg\ndog,b.jpg\n",
    "excel": "sep=;\r\nimage;label\r\na.jpg;cat\r\nb.jpg;dog\r\n",
    "blank first lines": "\n,\n\nimage,label\na.jpg,cat\n\nb.jpg,dog\n",
    "id beside the file": "image_id,image,label\na.jpg,a.jpg,cat\nb.jpg,b.jpg,dog\n",
    "pandas": ",File Name,label\n0,a.jpg,cat\n1,b.jpg,dog\n",
    "line breaks": 'image,label,note\na.jpg,cat,"x\ny"\nb.jpg,dog,\n',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_same_images_come_of_every_spelling(pictures: Path, text: str) -> None:
    (pictures / "m.csv").write_bytes(text.encode())
    made = init_project(pictures / "p", pictures / "m.csv")
    assert rows(made) == [("a.jpg", "a.jpg", "cat"), ("b.jpg", "b.jpg", "dog")]


@pytest.mark.parametrize(
    "columns",
    [
        {"image": [b"a.jpg", b"b.jpg"], "label": [b"cat", b"dog"]},
        {"Image": ["a.jpg", "b.jpg"], "label": pa.array(["cat", "dog"]).dictionary_encode()},
        {"image": [{"bytes": None, "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}], "label": ["cat", "dog"]},
        {"image": [{"bytes": None, "path": "x"}] * 2, "file_name": ["a.jpg", "b.jpg"], "label": ["cat", "dog"]},
        {"image": pa.array(["a.jpg", "b.jpg"], pa.large_string()), "label": ["cat", "dog"], "tags": [["x"], []]},
    ],
)
def test_parquet_columns_are_text_by_their_type(pictures: Path, columns: dict[str, Any]) -> None:
    pq.write_table(pa.table(columns), pictures / "m.parquet")
    assert rows(init_project(pictures / "p", pictures / "m.parquet")) == [
        ("a.jpg", "a.jpg", "cat"),
        ("b.jpg", "b.jpg", "dog"),
    ]


def test_hugging_face_class_numbers_bring_all_their_names(pictures: Path) -> None:
    table = pa.table({"image": ["a.jpg", "b.jpg", "cat/c.jpg"], "label": [2, 0, None]})
    features = {"info": {"features": {"label": {"names": ["emu", "dog", "cat"], "_type": "ClassLabel"}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), pictures / "m.parquet")
    made = init_project(pictures / "p", pictures / "m.parquet")
    assert made.label_space.keys == ("emu", "dog", "cat")
    assert [label for _, _, label in rows(made)] == ["cat", "emu", None]
    (pictures / "classes.csv").write_text("key,index,name\nn1,0,cat\nn2,1,dog\nn3,2,emu\n")
    named = init_project(pictures / "q", pictures / "m.parquet", pictures / "classes.csv")
    assert [label for _, _, label in rows(named)] == ["n1", "n3", None]


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        ({"image": ["a.jpg"], "label": [["cat"]]}, "label"),
        ({"image": ["a.jpg"], "label": [{"name": "cat"}]}, "label"),
        ({"image": ["a.jpg"], "label": [0.5]}, "label"),
        ({"image": ["a.jpg"], "label": [True]}, "label"),
        ({"image": [b"\xff\xd8\xff"], "label": ["cat"]}, "image"),
        ({"image": ["a.jpg"], "label": [pd.Timestamp("2026-01-01")]}, "label"),
    ],
)
def test_parquet_columns_that_hold_no_names_are_refused_by_column(
    pictures: Path, columns: dict[str, Any], column: str
) -> None:
    pq.write_table(pa.table(columns), pictures / "m.parquet")
    with pytest.raises(DatasetError, match=rf"m\.parquet: column '{column}' holds"):
        init_project(pictures / "p", pictures / "m.parquet")


def test_pictures_in_a_column_are_no_names(tmp_path: Path) -> None:
    """A project reads them as images (`test_hugging_face.py`); a table that only names images cannot."""
    columns = {"image": [{"bytes": b"\xff\xd8", "path": "a.jpg"}], "label": ["cat"]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(DatasetError, match=r"m\.parquet: column 'image' holds the pictures themselves"):
        list(manifest_rows(str(tmp_path / "m.parquet")))


def test_a_missing_label_makes_no_number_of_the_others(pictures: Path) -> None:
    frame = pd.DataFrame({"image": ["a.jpg", "b.jpg", "cat/c.jpg"], "label": [1, 2, None]})
    frame.to_parquet(pictures / "m.parquet")
    frame.to_csv(pictures / "m.csv", index=False)
    (pictures / "classes.csv").write_text("key\n1\n2\n3\n")
    for suffix in ("parquet", "csv"):
        for classes in (pictures / "classes.csv", None):
            made = init_project(pictures / f"p_{suffix}_{bool(classes)}", pictures / f"m.{suffix}", classes)
            assert [label for _, _, label in rows(made)] == ["1", "2", None]


def test_columns_that_are_there_twice_are_refused_and_two_of_one_role_told(pictures: Path) -> None:
    (pictures / "m.csv").write_text("image,label,Label\na.jpg,cat,dog\n")
    with pytest.raises(DatasetError, match="has the column 'label' twice"):
        init_project(pictures / "p", pictures / "m.csv")
    (pictures / "m.csv").write_text("image,label,class\na.jpg,0,cat\n")
    told: list[str] = []
    with notices_to(told.append):
        init_project(pictures / "p", pictures / "m.csv")
    assert any("column 'label' is used, and 'class' is not" in line for line in told)


def test_windows_paths_and_names_of_a_mac_are_found_on_disk(tmp_path: Path) -> None:
    spelled = unicodedata.normalize("NFD", "th\u00e9")
    draw(tmp_path / spelled / "1.jpg", tmp_path / "cat/2.jpg")
    (tmp_path / "m.csv").write_text("path,label\nth\u00e9/1.jpg,th\u00e9\ncat\\2.jpg,cat\n", encoding="utf-8")
    made = init_project(tmp_path / "p", tmp_path / "m.csv")
    assert [row[1:] for row in rows(made)] == [(f"{spelled}/1.jpg", "th\u00e9"), ("cat/2.jpg", "cat")]


def test_folders_of_a_mac_are_the_classes_of_a_list_in_the_usual_form(tmp_path: Path) -> None:
    spelled = unicodedata.normalize("NFD", "caf\u00e9")
    draw(tmp_path / "images" / spelled / "1.jpg", tmp_path / "images/caf\u00e9/2.jpg")
    (tmp_path / "classes.txt").write_text("th\u00e9\ncaf\u00e9\n", encoding="utf-8")
    told: list[str] = []
    for name, classes in (("p", tmp_path / "classes.txt"), ("q", None)):
        with notices_to(told.append):
            made = init_project(tmp_path / name, tmp_path / "images", classes)
        assert {label for _, _, label in rows(made)} == {"caf\u00e9"}
        assert {image for image, _, _ in rows(made)} == {"caf\u00e9/1.jpg", "caf\u00e9/2.jpg"}
    assert any("one class" in line for line in told)


def test_folders_called_by_numbers_are_the_classes_they_count(tmp_path: Path) -> None:
    draw(*(tmp_path / f"images/{number}/x.jpg" for number in range(3)))
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\n")
    made = init_project(tmp_path / "p", tmp_path / "images", tmp_path / "classes.txt")
    assert [label for _, _, label in rows(made)] == ["ant", "bee", "cat"]


def test_ids_that_look_alike_are_one_image_and_the_second_is_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(
        "image,label\nJos\u00e9,a\nJose\u0301,a\n007,a\n7,a\n1e3,b\n1000,b\n True,b\n", "utf-8"
    )
    made = init_project(tmp_path / "p", tmp_path / "m.csv")
    assert [image for image, _, _ in rows(made)] == ["Jos\u00e9", "007", "7", "1e3", "1000", "True"]
    assert [reason.split(":")[0] for reason in reasons(made)] == ["duplicate id"]


def test_rows_that_cannot_be_used_are_named_by_the_line_of_an_editor(pictures: Path) -> None:
    (pictures / "classes.txt").write_text("cat\ndog\n")
    (pictures / "m.csv").write_text('image,label,note\na.jpg,cat,"x\n\ny"\n\nb.jpg,wolf,\n')
    made = init_project(pictures / "p", pictures / "m.csv", pictures / "classes.txt")
    assert reasons(made) == ["line 6: unknown class 'wolf': it is not in classes"]
    pd.read_csv(pictures / "m.csv").to_parquet(pictures / "m.parquet")
    made = init_project(pictures / "q", pictures / "m.parquet", pictures / "classes.txt")
    assert reasons(made)[0].startswith("row 1: unknown class 'wolf'")


def test_numbers_that_count_classes_in_two_ways_are_refused_and_an_option_forces_one(pictures: Path) -> None:
    (pictures / "classes.txt").write_text("ant\nbee\ncat\n")
    (pictures / "m.csv").write_text("image,label\na.jpg,1\nb.jpg,2\n")
    with pytest.raises(DatasetError, match=r"m\.csv, labels: its class numbers \(1 to 2\) fit two readings"):
        init_project(pictures / "p", pictures / "m.csv", pictures / "classes.txt")
    made = init_project(pictures / "p", pictures / "m.csv", pictures / "classes.txt", numbers="from-1")
    assert [label for _, _, label in rows(made)] == ["ant", "bee"]
