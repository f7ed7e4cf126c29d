"""Choosing and packing example images, and reading them back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError
from pipeline.examples.pack import pack_examples
from pipeline.examples.reader import ExampleReader
from pipeline.project.folder import Project
from pipeline.project.settings import ProposalSection, Settings
from pipeline.project.tables import EXAMPLES, EXAMPLES_ROW_GROUP

COLOURS = {"cat": (220, 30, 30), "dog": (30, 200, 30), "owl": (30, 30, 210)}


def draw(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (90, 60)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def make_project(tmp_path: Path, n_images: int = 14, seed: int = 0, name: str = "project") -> Project:
    """Make a project with `n_images` images each of cats and of dogs; its examples have too few owls and no dogs."""
    for key in ("cat", "dog"):
        for number in range(n_images):
            draw(tmp_path / f"images/{key}/{number}.png", COLOURS[key])
    (tmp_path / "classes.csv").write_text("key\ncat\ndog\nowl\n")
    settings = Settings(proposals=ProposalSection(thumbnail_px=40, seed=seed))
    return init_project(tmp_path / name, tmp_path / "images", tmp_path / "classes.csv", settings=settings)


def tile(data: bytes, number: int, n_columns: int, tile_px: int) -> np.ndarray:
    row, column = divmod(number, n_columns)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return pixels[row * tile_px : (row + 1) * tile_px, column * tile_px : (column + 1) * tile_px]


def test_every_tile_of_a_sprite_shows_an_image_of_the_class(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    summary = pack_examples(project)
    assert (summary.n_classes, summary.n_classes_with_examples) == (3, 2)
    assert 20 <= summary.n_examples <= 28
    reader = ExampleReader(project.examples_path, project.examples_root)
    for class_index, key in enumerate(("cat", "dog")):
        sprite = reader.sprite(class_index, "0")
        assert (sprite.n_columns, sprite.tile_px) == (5, 40)
        assert 5 < sprite.n_examples <= 10  # of those packed: where they are its own images, some do not come
        for number in range(sprite.n_examples):
            inner = tile(sprite.data, number, 5, 40)[8:-8, 8:-8]  # JPEG lets the white of an empty place in at the edge
            assert np.abs(inner - np.array(COLOURS[key], dtype=float)).max() < 12


def test_a_class_without_examples_has_an_empty_sprite(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    pack_examples(project)
    sprite = ExampleReader(project.examples_path).sprite(2)
    assert (sprite.n_examples, sprite.data) == (0, b"")


def test_the_choice_is_the_same_every_time_and_another_with_another_seed(tmp_path: Path) -> None:
    projects = [make_project(tmp_path, seed=seed, name=f"project{i}") for i, seed in enumerate((0, 0, 1))]
    for project in projects:
        pack_examples(project)
    tables = [pq.read_table(project.examples_path) for project in projects]
    assert tables[0].schema.remove_metadata().equals(EXAMPLES)
    assert tables[0].equals(tables[1])
    assert tables[0]["sources"] != tables[2]["sources"]


def test_the_choice_for_one_class_does_not_hang_on_the_others(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    pack_examples(project)
    draw(tmp_path / "images/owl/1.png", COLOURS["owl"])
    with_owl = init_project(tmp_path / "other", tmp_path / "images", tmp_path / "classes.csv")
    pack_examples(with_owl)
    before, after = (pq.read_table(made.examples_path)["sources"].to_pylist() for made in (project, with_owl))
    assert before[0] == after[0]
    assert after[2] == ["owl/1.png"]


def test_an_unreadable_example_gives_its_place_to_the_next_and_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path, n_images=11)
    (tmp_path / "images/cat/3.png").write_bytes(b"broken")
    summary = pack_examples(project)
    row = pq.read_table(project.examples_path).to_pylist()[0]
    assert row["n_examples"] == 10
    assert "cat/3.png" not in row["sources"]
    assert all("cat/3.png" in reason for reason in summary.unreadable)


@pytest.mark.parametrize("names", [["cat.png", "dog.jpg"], ["cat/1.png", "dog/1.jpg"]])
def test_examples_come_from_a_folder_of_their_own(tmp_path: Path, names: list[str]) -> None:
    for name in (*names, "horse.png"):
        draw(tmp_path / "reference" / name, (9, 9, 9))
    for key in ("cat", "dog"):
        draw(tmp_path / f"images/{key}/1.png", (0, 0, 0))
    project = init_project(tmp_path / "project", tmp_path / "images", examples=tmp_path / "reference")
    pack_examples(project)
    reader = ExampleReader(project.examples_path, project.examples_root)
    assert [reader.sources(index) for index in range(2)] == [(names[0],), (names[1],)]


def test_an_example_is_enlarged_from_its_file_or_else_from_its_tile(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    pack_examples(project)
    whole = ExampleReader(project.examples_path, project.examples_root).enlarged(0, 4, "0")
    assert Image.open(io.BytesIO(whole.data)).size == (whole.width_px, whole.height_px) == (90, 60)
    alone = ExampleReader(project.examples_path).enlarged(1, 4, "0")
    pixels = np.asarray(Image.open(io.BytesIO(alone.data)), dtype=float)
    assert pixels.shape == (40, 40, 3)
    assert np.abs(pixels - COLOURS["dog"]).max() < 12


def test_classes_and_examples_that_are_not_there_are_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    pack_examples(project)
    reader = ExampleReader(project.examples_path)
    with pytest.raises(DatasetError, match="no class 3; it has classes 0 to 2"):
        reader.sprite(3)
    n = reader.sprite(0, "0").n_examples
    with pytest.raises(DatasetError, match=f"class 0 has {n} examples; there is no number {n}"):
        reader.enlarged(0, n, "0")


@pytest.mark.shared_data
def test_a_sprite_of_a_real_photograph_is_its_centre_and_lies_in_its_own_row_group(
    tmp_path: Path, shared_data: Path
) -> None:
    samples = shared_data / "imagenet_samples"
    (tmp_path / "ids.csv").write_text("image,label\nx,0\n")
    project = init_project(tmp_path / "project", tmp_path / "ids.csv", "imagenet-1k", examples=samples)
    summary = pack_examples(project)
    assert summary.n_classes_with_examples == 1000
    file = pq.ParquetFile(project.examples_path)
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [EXAMPLES_ROW_GROUP] * 3
    reader = ExampleReader(project.examples_path, project.examples_root)
    for class_index in (0, 499, 999):
        photograph = Image.open(samples / f"{project.label_space[class_index].key}.jpg").convert("RGB")
        side_px, tile_px = min(photograph.size), 128
        left, top = (photograph.width - side_px) // 2, (photograph.height - side_px) // 2
        centre = photograph.crop((left, top, left + side_px, top + side_px)).resize((tile_px, tile_px), 1)
        sprite = Image.open(io.BytesIO(reader.sprite(class_index).data))
        difference = np.asarray(centre, dtype=float) - np.asarray(sprite, dtype=float)
        assert np.abs(difference).mean() < 8
