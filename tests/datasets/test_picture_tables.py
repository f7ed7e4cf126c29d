"""Tables of pictures that are not as `datasets` writes them today: what is read, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from packed_inputs import contents, picture, reasons

from pipeline.errors import DatasetError
from pipeline.images.locations import open_location
from pipeline.project.folder import open_project

PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
KEYS = ["emu", "cat", "dog"]


def pictures(*seeds: int | None, paths: tuple[str, ...] = ()) -> pa.Array:
    """Return a column of pictures, null where there is no seed."""
    rows = [None if seed is None else {"bytes": picture(seed), "path": None} for seed in seeds]
    for row, path in zip(rows, paths, strict=False):
        assert row is not None
        row["path"] = path
    return pa.array(rows, PICTURE)


def write(path: Path, columns: dict[str, Any], classes: str = "") -> Path:
    """Write a table, whose column `classes` is a `ClassLabel`; return its path."""
    features = {classes: {"names": KEYS, "_type": "ClassLabel"}} if classes else {}
    described = json.dumps({"info": {"features": features}})
    table = pa.table(columns).replace_schema_metadata({"huggingface": described})
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("name", ["data.arrow", "data.parquet"])
def test_no_other_picture_is_shown_for_a_row_after_its_file_is_written_anew(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / name, {"image": pictures(0, 1, 2), "label": KEYS})
    size = source.stat().st_size
    run_mlf("init", tmp_path / "p", "--images", source)
    assert [data for data, _ in contents(tmp_path / "p").values()] == [picture(i) for i in range(3)]
    write(source, {"image": pictures(2, 1, 0), "label": [*reversed(KEYS)]})
    assert source.stat().st_size == size
    with pytest.raises(DatasetError, match=r"is not where it was .*: another picture is there now"):
        contents(tmp_path / "p")


@pytest.mark.parametrize("name", ["data.arrow", "data.parquet"])
def test_locations_without_a_checksum_are_read_as_before(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / name, {"image": pictures(0, 1), "label": ["cat", "dog"]})
    run_mlf("init", tmp_path / "p", "--images", source)
    project = open_project(tmp_path / "p")
    path = pq.read_table(project.images_path)["path"][1].as_py()
    place, _, name = path.partition("~")
    old = f"{project.images_root}/{place}/{name.partition('/')[2]}"
    assert "~" not in old
    with open_location(old) as file:
        assert file.read() == picture(1)


def test_pictures_are_those_of_the_column_image_and_not_the_masks_before_it(tmp_path: Path) -> None:
    columns = {"annotation": pictures(10, 11), "image": pictures(0, 1), "label": ["cat", "dog"]}
    told = run_mlf("init", tmp_path / "p", "--images", write(tmp_path / "a.parquet", columns))
    assert "pictures are those of 'image', and not of 'annotation'" in told
    assert [data for data, _ in contents(tmp_path / "p").values()] == [picture(0), picture(1)]
    columns["photo"] = columns.pop("image")
    told = run_mlf("init", tmp_path / "q", "--images", write(tmp_path / "b.arrow", columns), code=2)
    assert "b.arrow: has several columns of pictures: annotation, photo; call the one of the images `image`" in told


def test_pictures_in_a_table_are_read_although_it_names_files_too(tmp_path: Path) -> None:
    columns = {"image": pictures(0, 1), "file_name": ["x.png", "y.png"], "label": ["cat", "dog"]}
    run_mlf("init", tmp_path / "p", "--images", write(tmp_path / "a.parquet", columns))
    assert contents(tmp_path / "p") == {"a/0": (picture(0), "cat"), "a/1": (picture(1), "dog")}


def test_an_indices_mapping_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "saved/data.arrow", {"image": pictures(0, 1), "label": ["cat", "dog"]})
    state = {"_data_files": [{"filename": "data.arrow"}], "_indices_data_files": [{"filename": "indices.arrow"}]}
    (tmp_path / "saved/state.json").write_text(json.dumps(state))
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "saved", code=2)
    assert "has an indices mapping" in told
    assert "flatten_indices()" in told


def test_labels_in_the_plural_are_labels_and_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(KEYS))
    options = ("--classes", tmp_path / "classes.txt")
    source = write(tmp_path / "a.arrow", {"image": pictures(0, 1), "labels": ["cat", "dog"]})
    run_mlf("init", tmp_path / "p", "--images", source, *options)
    assert [label for _, label in contents(tmp_path / "p").values()] == ["cat", "dog"]
    source = write(tmp_path / "b.arrow", {"image": pictures(0, 1), "kind": ["cat", "dog"]})
    told = run_mlf("init", tmp_path / "q", "--images", source, *options)
    assert "no column is known to hold classes; --label-column reads one: kind" in told
    assert [label for _, label in contents(tmp_path / "q").values()] == [None, None]


@pytest.mark.parametrize(
    ("labels", "holds"), [([[0], [1, 2]], "lists"), ([True, False], "truth values"), ([{"a": 1}] * 2, "records")]
)
def test_labels_of_another_kind_are_refused_with_what_to_give(tmp_path: Path, labels: list[Any], holds: str) -> None:
    source = write(tmp_path / "a.parquet", {"image": pictures(0, 1), "labels": labels})
    told = run_mlf("init", tmp_path / "p", "--images", source, code=2)
    assert f"a.parquet: column 'labels' holds {holds}" in told
    assert "One class an image is read; --label-column names another column, or `none`" in told
    (tmp_path / "classes.txt").write_text("\n".join(KEYS))
    options = ("--classes", tmp_path / "classes.txt", "--label-column", "none")
    run_mlf("init", tmp_path / "p", "--images", source, *options)
    assert [label for _, label in contents(tmp_path / "p").values()] == [None, None]


def test_class_names_as_text_are_names_whatever_the_description_says(tmp_path: Path) -> None:
    source = write(tmp_path / "a.arrow", {"image": pictures(0, 1), "label": ["cat", "dog"]}, classes="label")
    run_mlf("init", tmp_path / "p", "--images", source)
    assert [label for _, label in contents(tmp_path / "p").values()] == ["cat", "dog"]
    assert open_project(tmp_path / "p").label_space.keys == tuple(KEYS)


@pytest.mark.parametrize("name", ["data.arrow", "data.parquet"])
def test_a_row_without_a_picture_is_skipped_by_its_number(tmp_path: Path, name: str) -> None:
    columns = {"image": pictures(None, 1), "label": ["cat", "dog"]}
    run_mlf("init", tmp_path / "p", "--images", write(tmp_path / name, columns))
    assert reasons(tmp_path / "p") == [f"{name}, row 0: holds no picture"]


def test_other_types_of_bytes_are_read_or_refused_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(picture(5))
    none = pa.array([{"bytes": None, "path": "x.png"}], pa.struct({"bytes": pa.null(), "path": pa.string()}))
    run_mlf("init", tmp_path / "p", "--images", write(tmp_path / "none.arrow", {"image": none, "label": ["cat"]}))
    assert contents(tmp_path / "p") == {"x.png": (picture(5), "cat")}
    kind = pa.struct({"bytes": pa.binary_view(), "path": pa.string()})
    views = pa.array([{"bytes": picture(0), "path": None}], kind)
    source = write(tmp_path / "views.arrow", {"image": views, "label": ["cat"]})
    told = run_mlf("init", tmp_path / "q", "--images", source, code=2)
    assert "views.arrow: column 'image' holds pictures as binary_view; save it again with `bytes` as binary" in told
