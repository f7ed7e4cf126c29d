"""Where the images of a project are its own examples, none is shown beside itself, whatever the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.examples.pack import pack_examples
from pipeline.examples.reader import ExampleReader
from pipeline.project.opaque_ids import example_group, opaque_image_id

N_EACH = {"bowl": 30, "cup": 3, "dice": 1}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, n in N_EACH.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(n):
            colour = tuple(np.random.default_rng(i).integers(0, 256, 3).tolist())
            Image.new("RGB", (20, 20), colour).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


def test_what_is_shown_beside_an_image_leaves_out_its_own_group_and_so_itself(photos, tmp_path):
    project = init_project(tmp_path / "project", str(photos))
    pack_examples(project)
    examples = ExampleReader(project.examples_path, project.examples_root)
    table = pq.read_table(project.images_path).to_pylist()
    assert len({example_group(row["image_index"]) for row in table}) == 4
    n_shown = []
    for row in table:
        own = opaque_image_id(project.settings.project.id, row["image_index"])[-1]
        for class_index in range(len(project.label_space)):
            groups, sources = examples.sprite(class_index).groups, examples.sources(class_index)
            assert len(groups) == len(sources)
            shown = [source for source, group in zip(sources, groups, strict=True) if group != own]
            assert row["path"] not in shown
            if class_index == project.label_space.index_of("bowl"):
                n_shown.append(len(shown))
    assert min(n_shown) >= 10


def test_examples_from_elsewhere_are_shown_beside_all(photos, tmp_path):
    elsewhere = tmp_path / "reference"
    photos.rename(elsewhere)
    (tmp_path / "photos" / "bowl").mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(tmp_path / "photos" / "bowl" / "a.png")
    project = init_project(tmp_path / "project", str(tmp_path / "photos"), examples=str(elsewhere))
    pack_examples(project)
    sprite = ExampleReader(project.examples_path, project.examples_root).sprite(project.label_space.index_of("bowl"))
    assert (sprite.groups, sprite.n_examples) == ("", 10)


def test_examples_in_a_folder_among_the_images_are_known_for_what_they_are(photos, tmp_path):
    project = init_project(tmp_path / "project", str(tmp_path / "photos"), examples=str(photos) + "/../photos")
    pack_examples(project)
    groups = ExampleReader(project.examples_path, project.examples_root).sprite(0).groups
    assert groups
    assert set(groups) <= set("0123")
