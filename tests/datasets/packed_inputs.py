"""Shards and Hugging Face data sets as their own libraries write them, and what a project reads from them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from pipeline.images.locations import join_location, open_location
from pipeline.project.folder import open_project


def picture(seed: int) -> bytes:
    """Return a small PNG that no other seed has."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "PNG")
    return written.getvalue()


def write_tar(path: Path, members: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> Path:
    """Write a tar of these members, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def contents(root: Path) -> dict[str, tuple[bytes | None, str | None]]:
    """Return what a project reads of each image by its location alone, and its class."""
    project = open_project(root)
    keys = project.label_space.keys
    found: dict[str, tuple[bytes | None, str | None]] = {}
    for row in pq.read_table(project.images_path).to_pylist():
        data = None
        if row["path"] is not None:
            with open_location(join_location(project.images_root, row["path"], project.image_folders)) as file:
                data = file.read()
        found[row["image_id"]] = data, None if row["original_label"] is None else keys[row["original_label"]]
    return found


def reasons(root: Path) -> list[str]:
    """Return why rows of a source were skipped."""
    return [row["reason"] for row in pq.read_table(open_project(root).skipped_path).to_pylist()]
