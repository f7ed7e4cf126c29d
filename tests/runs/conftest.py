"""A small project, and stages whose notebooks a test writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
import timm
import torch
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project
from pipeline.runs import notebook_files

CLASS_KEYS = ("ant", "bee", "cat", "<b>dog</b>", "emu")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of ten noise images in five classes."""
    generator = np.random.default_rng(0)
    for number in range(10):
        path = tmp_path / "images" / f"class_{number % 5}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((60, 48), Image.Resampling.BICUBIC).save(path)
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps([{"key": f"class_{i}", "name": name} for i, name in enumerate(CLASS_KEYS)]))
    return init_project(tmp_path / "project", tmp_path / "images", classes)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of a small model of the five classes, with the JSON that describes it."""
    path = tmp_path_factory.mktemp("models") / "small.pth"
    torch.manual_seed(1)
    torch.save(timm.create_model("test_resnet", num_classes=5).state_dict(), path)
    keys = [f"class_{i}" for i in range(5)]
    described = {"architecture": "test_resnet", "num_classes": 5, "input_size": [3, 48, 48], "class_keys": keys}
    path.with_suffix(".json").write_text(json.dumps(described))
    return path


@pytest.fixture
def make_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that makes a stage from code cells; the first one holds its parameters."""
    folder = tmp_path / "notebooks"
    folder.mkdir()

    def make(
        *cells: str, parameters: str = 'project = ""\nnumber = 1\nword = None', tags: tuple[str, ...] = ("parameters",)
    ) -> str:
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": list(tags)})]
        notebook.cells += [
            nbformat.v4.new_markdown_cell(cell[3:]) if cell.startswith("md:") else nbformat.v4.new_code_cell(cell)
            for cell in cells
        ]
        nbformat.write(notebook, folder / "trial.ipynb")
        monkeypatch.setitem(notebook_files.STAGE_NOTEBOOKS, "trial", "trial.ipynb")
        monkeypatch.setattr(notebook_files, "notebook_path", lambda name: folder / name)
        return "trial"

    return make
