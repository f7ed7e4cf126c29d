"""Hugging Face data sets on disk, written by `datasets` itself: what it reads from them, a project reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from packed_inputs import contents, picture, reasons

from pipeline.project.folder import open_project

KEYS = ["emu", "cat", "dog"]


def made(n: int = 7, **more: list[Any]) -> datasets.Dataset:
    """Return a data set of pictures with classes, whose numbers are not in the order of the names."""
    features = {"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=KEYS)}
    columns = {
        "image": [{"bytes": picture(i), "path": f"of {i}/{i}.png"} for i in range(n)],
        "label": [i % 3 for i in range(n)],
    }
    given = {name: datasets.Value("string") for name in more}
    return datasets.Dataset.from_dict(columns | more, features=datasets.Features(features | given))


def theirs(data: datasets.Dataset) -> list[tuple[bytes, str]]:
    """Return what `datasets` itself reads."""
    names = data.features["label"].names
    return [(row["image"]["bytes"], names[row["label"]]) for row in data]


def test_a_saved_data_set_is_read_as_datasets_reads_it(tmp_path: Path) -> None:
    made().save_to_disk(tmp_path / "saved", num_shards=2)
    (tmp_path / "saved/cache-1234.arrow").write_bytes(b"what map leaves behind")
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "saved")
    assert list(contents(tmp_path / "p").values()) == theirs(datasets.load_from_disk(tmp_path / "saved"))
    assert list(contents(tmp_path / "p"))[:2] == ["0.png", "1.png"]
    assert open_project(tmp_path / "p").label_space.keys == tuple(KEYS)


@pytest.mark.parametrize("batch_size", [2, 100])
def test_parquet_of_the_hub_is_read_as_datasets_reads_it(tmp_path: Path, batch_size: int) -> None:
    (tmp_path / "data").mkdir()
    for part in range(2):
        shard = made().shard(2, part, contiguous=True)
        shard.to_parquet(tmp_path / f"data/train-{part:05d}-of-00002.parquet", batch_size=batch_size)
    expected = theirs(datasets.load_dataset("parquet", data_dir=str(tmp_path / "data"), split="train").cast_column(
        "image", datasets.Image(decode=False)
    ))  # fmt: skip
    for source in ("data", "data/train-*.parquet"):
        root = tmp_path / f"made {source.replace('/', '_')}"
        run_mlf("init", root, "--images", tmp_path / source)
        assert list(contents(root).values()) == expected
    run_mlf("init", tmp_path / "one", "--images", tmp_path / "data/train-00001-of-00002.parquet")
    assert list(contents(tmp_path / "one").values()) == expected[-len(contents(tmp_path / "one")) :]


def test_several_splits_are_named_and_one_of_them_is_read(tmp_path: Path) -> None:
    splits = made().train_test_split(test_size=3, seed=0)
    splits.save_to_disk(tmp_path / "saved")
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "saved", code=2)
    assert "holds several splits: test, train" in told
    assert f"--images '{tmp_path}/saved/train'" in told
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "saved/train")
    assert list(contents(tmp_path / "p").values()) == theirs(splits["train"])
    (tmp_path / "data").mkdir()
    for name, split in splits.items():
        split.to_parquet(tmp_path / f"data/{name}-00000-of-00001.parquet")
    told = run_mlf("init", tmp_path / "q", "--images", tmp_path / "data", code=2)
    assert "holds several splits: test, train" in told
    run_mlf("init", tmp_path / "q", "--images", tmp_path / "data/test*.parquet")
    assert list(contents(tmp_path / "q").values()) == theirs(splits["test"])


@pytest.mark.parametrize("kind", ["saved", "parquet"])
def test_rows_that_are_paths_and_rows_without_a_picture(tmp_path: Path, kind: str) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/x.png").write_bytes(picture(50))
    image = [
        {"bytes": picture(1), "path": None},
        {"bytes": None, "path": str(tmp_path / "photos/x.png")},
        {"bytes": None, "path": None},
        {"bytes": picture(2), "path": None},
    ]
    table = pa.table(
        {"image": pa.array(image, pa.struct({"bytes": pa.binary(), "path": pa.string()})), "label": list("abca")}
    )
    (tmp_path / "data").mkdir()
    if kind == "parquet":
        pq.write_table(table, tmp_path / "data/train-00000-of-00001.parquet", row_group_size=3)
    else:
        with pa.ipc.new_stream(tmp_path / "data/train-00000-of-00001.arrow", table.schema) as writer:
            writer.write_table(table)
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "data")
    stem = "train-00000-of-00001"
    assert contents(tmp_path / "p") == {
        f"{stem}/0": (picture(1), "a"),
        f"{stem}/1": (picture(50), "b"),
        f"{stem}/3": (picture(2), "a"),
    }
    assert reasons(tmp_path / "p") == [f"{stem}.{'arrow' if kind == 'saved' else 'parquet'}, row 2: holds no picture"]


def test_the_column_of_classes_is_the_usual_one_or_the_one_that_is_named(tmp_path: Path) -> None:
    data = made(kind=[f"kind {i % 2}" for i in range(7)])
    data.save_to_disk(tmp_path / "usual")
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "usual", "--label-column", "kind")
    assert [label for _, label in contents(tmp_path / "p").values()] == [f"kind {i % 2}" for i in range(7)]
    two = (
        data.rename_column("label", "fine").add_column("coarse", [0] * 7).cast_column("coarse", data.features["label"])
    )
    two.save_to_disk(tmp_path / "two")
    told = run_mlf("init", tmp_path / "q", "--images", tmp_path / "two", code=2)
    assert "has several columns of classes: fine, coarse; say which with --label-column" in told
    told = run_mlf("init", tmp_path / "q", "--images", tmp_path / "two", "--label-column", "sort", code=2)
    assert "no column 'sort' (--label-column); it has image, fine, kind, coarse" in told
    run_mlf("init", tmp_path / "q", "--images", tmp_path / "two", "--label-column", "coarse")
    assert {label for _, label in contents(tmp_path / "q").values()} == {"emu"}


def test_an_image_without_a_class_has_none_and_other_names_are_paired_in_order(tmp_path: Path) -> None:
    features = made().features
    data = datasets.Dataset.from_dict(
        {"image": [{"bytes": picture(i), "path": None} for i in range(3)], "label": [-1, 2, None]}, features=features
    )
    data.save_to_disk(tmp_path / "saved")
    (tmp_path / "classes.txt").write_text("n01\nn02\nn03\n")
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "saved", "--classes", tmp_path / "classes.txt")
    assert [label for _, label in contents(tmp_path / "p").values()] == [None, "n03", None]
    assert "they are paired in order, 'emu' with 'n01'" in told


def test_compressed_arrow_and_tables_without_pictures_are_refused(tmp_path: Path) -> None:
    table = made().data.table.combine_chunks()
    with pa.ipc.new_file(
        tmp_path / "z.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(table)
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "z.arrow", code=2)
    assert "z.arrow: its columns are compressed" in told
    (tmp_path / "z.arrow").write_bytes(b"ARROW1" + b"x" * 50)
    assert "z.arrow: cannot be read" in run_mlf("init", tmp_path / "p", "--images", tmp_path / "z.arrow", code=2)
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"image": ["a.jpg"]}), tmp_path / "data/train-00000-of-00001.parquet")
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "data", code=2)
    assert "has no column of pictures" in told


def test_a_table_that_is_written_anew_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data/train-00000-of-00001.parquet"
    made().to_parquet(path)
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "data")
    made(3).to_parquet(path)
    assert "7 images have a file that was written again" in run_mlf("add", tmp_path / "p")


def test_a_picture_of_a_size_that_is_no_picture_is_skipped_by_its_row(tmp_path: Path) -> None:
    written = io.BytesIO()
    written.write(b"no picture")
    data = made(2).to_dict()
    data["image"][1]["bytes"] = written.getvalue()
    datasets.Dataset.from_dict(data, features=made().features).save_to_disk(tmp_path / "saved")
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "saved")
    [reason] = reasons(tmp_path / "p")
    assert "data-00000-of-00001.arrow#" in reason
    assert reason.endswith("/1.png: not an image in a known format")
