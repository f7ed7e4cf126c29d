"""A small project, and a small model with random weights that ranks its classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project

KEYS = ("ant", "bee", "cow", "dog", "eel", "fox")


@pytest.fixture
def project(images: Path, tmp_path: Path) -> Project:
    """Return a project of a module's own images."""
    return init_project(tmp_path / "project", images)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model's weights, with the JSON that describes them."""
    path = tmp_path_factory.mktemp("model") / "small.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", num_classes=len(KEYS)).state_dict(), path)
    described = {"architecture": "test_resnet", "class_keys": KEYS, "input_size": 64}
    path.with_suffix(".json").write_text(json.dumps(described))
    return path
