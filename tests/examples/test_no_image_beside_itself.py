"""Where the images of a project are its own examples, none comes with itself, whatever the class."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.annotation.session import Sprite
from pipeline.datasets.create import init_project
from pipeline.examples.pack import pack_examples
from pipeline.examples.reader import ExampleReader
from pipeline.project.folder import Project
from pipeline.project.opaque_ids import example_group

N_EACH = {"bowl": 30, "cup": 3, "dice": 1}
GROUPS = ("0", "1", "2", "3")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, n in N_EACH.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (20, 20), colour_of(name, i)).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


def colour_of(name: str, number: int) -> tuple[int, ...]:
    """Return the colour of an image: no two are alike."""
    return tuple(np.random.default_rng([len(name), number]).integers(0, 256, 3).tolist())


def reader_of(project: Project) -> ExampleReader:
    """Return a reader of a project's examples."""
    return ExampleReader(project.examples_path, project.examples_root)


def colours_in(sprite: Sprite) -> list[np.ndarray]:
    """Return the colour of each tile as its bytes have it."""
    with Image.open(BytesIO(sprite.data)) as picture:
        pixels = np.asarray(picture).astype(int)
    places = [divmod(number, sprite.n_columns) for number in range(sprite.n_examples)]
    half = sprite.tile_px // 2
    return [pixels[row * sprite.tile_px + half, column * sprite.tile_px + half] for row, column in places]


def test_what_comes_with_an_image_holds_no_tile_of_it_and_as_many_of_others_for_all(photos, tmp_path):
    project = init_project(tmp_path / "project", str(photos))
    pack_examples(project)
    examples = reader_of(project)
    assert examples.has_own_images
    table = pq.read_table(project.images_path).to_pylist()
    assert {example_group(row["image_index"]) for row in table} == set(GROUPS)
    for info in project.label_space:
        counts = set()
        for row in table:
            group = example_group(row["image_index"])
            sprite, sources = examples.sprite(info.index, group), examples.sources(info.index, group)
            assert row["path"] not in sources
            assert len(sources) == sprite.n_examples
            counts.add(sprite.n_examples)
            if not sources:
                continue
            for source, colour in zip(sources, colours_in(sprite), strict=True):
                name, file = source.split("/")
                assert abs(colour - colour_of(name, int(file.removesuffix(".png")))).max() <= 8
            # Nothing else is in the picture: its size is that of the tiles, and places without a tile are white.
            with Image.open(BytesIO(sprite.data)) as picture:
                n_places = picture.width * picture.height // sprite.tile_px**2
                pixels = np.asarray(picture)
            for place in range(sprite.n_examples, n_places):
                top, left = (sprite.tile_px * part for part in divmod(place, sprite.n_columns))
                assert pixels[top : top + sprite.tile_px, left : left + sprite.tile_px].min() >= 250
        assert len(counts) == 1
    assert examples.sprite(project.label_space.index_of("bowl"), "0").n_examples >= 10


def test_an_enlarged_example_is_the_one_of_that_number_among_those_for_the_image(photos, tmp_path):
    project = init_project(tmp_path / "project", str(photos))
    pack_examples(project)
    examples, bowl = reader_of(project), project.label_space.index_of("bowl")
    for group in GROUPS:
        for number, source in enumerate(examples.sources(bowl, group)):
            with Image.open(BytesIO(examples.enlarged(bowl, number, group).data)) as picture:
                colour = np.asarray(picture)[9, 9].astype(int)
            assert abs(colour - colour_of("bowl", int(Path(source).stem))).max() <= 8
        assert examples.sprite(bowl, group) == examples.sprite(bowl, group)


def test_where_no_image_is_named_only_examples_from_elsewhere_come(photos, tmp_path):
    (photos / "cup" / "other.png").write_bytes((photos / "dice" / "0.png").read_bytes())
    project = init_project(tmp_path / "project", str(photos), examples=str(photos))
    (photos / "cup" / "new.png").write_bytes((photos / "dice" / "0.png").read_bytes())
    pack_examples(project)
    assert [reader_of(project).sprite(info.index).n_examples for info in project.label_space] == [0, 0, 0]


@pytest.mark.parametrize("how", ["same folder", "link", "copy", "links"])
def test_images_are_known_by_whatever_way_the_examples_lead_to_them(photos, tmp_path, how):
    elsewhere = tmp_path / "reference"
    if how == "link":
        elsewhere.symlink_to(photos)
    elif how == "copy":
        shutil.copytree(photos, elsewhere)
    elif how == "links":
        for path in photos.glob("*/*"):
            (elsewhere / path.parent.name).mkdir(parents=True, exist_ok=True)
            (elsewhere / path.parent.name / path.name).symlink_to(path)
    examples = f"{photos}/../photos" if how == "same folder" else str(elsewhere)
    project = init_project(tmp_path / "project", str(photos), examples=examples)
    pack_examples(project)
    found = reader_of(project)
    assert found.has_own_images
    for row in pq.read_table(project.images_path).to_pylist():
        for info in project.label_space:
            assert row["path"] not in found.sources(info.index, example_group(row["image_index"]))


def test_examples_from_elsewhere_come_with_all(photos, tmp_path):
    elsewhere = tmp_path / "reference"
    photos.rename(elsewhere)
    (tmp_path / "photos" / "bowl").mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(tmp_path / "photos" / "bowl" / "a.png")
    project = init_project(tmp_path / "project", str(tmp_path / "photos"), examples=str(elsewhere))
    pack_examples(project)
    examples, bowl = reader_of(project), project.label_space.index_of("bowl")
    assert not examples.has_own_images
    assert {examples.sprite(bowl, group).n_examples for group in ("", *GROUPS)} == {10}
    assert examples.sprite(bowl, "2") == examples.sprite(bowl)
