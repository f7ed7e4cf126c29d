"""A small project with proposals that need no model."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.project.folder import Project, create_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.settings import Settings
from pipeline.project.tables import IMAGES

N_IMAGES = 40


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of 40 images without files and 10 classes."""
    made = create_project(tmp_path / "project", Settings(), label_space_from_keys([f"class_{i}" for i in range(10)]))
    rows = [{"image_index": i, "image_id": f"{i}.png", "path": None, "original_label": i % 10} for i in range(N_IMAGES)]
    pq.write_table(pa.Table.from_pylist(rows, schema=IMAGES), made.images_path)
    return made


@pytest.fixture
def gold_csv(tmp_path: Path) -> Path:
    """Return answers for images 0 to 5: image i has classes i and i + 1, image 5 has none."""
    path = tmp_path / "answers.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "class"])
        for i in range(5):
            writer.writerows([[f"{i}.png", f"class_{i}"], [f"{i}.png", f"class_{i + 1}"]])
        writer.writerow(["5.png", ""])
    return path
