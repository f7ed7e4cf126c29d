"""Small projects and a small model with random weights."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project
from pipeline.project.settings import ProposalSection, Settings
from pipeline.stages.propose import propose

CLASS_KEYS = tuple(f"class_{index:02d}" for index in range(30))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of a small model, with the JSON that describes it."""
    path = tmp_path_factory.mktemp("models") / "small.pth"
    torch.manual_seed(1)
    torch.save(timm.create_model("test_resnet", num_classes=len(CLASS_KEYS)).state_dict(), path)
    described = {"architecture": "test_resnet", "num_classes": len(CLASS_KEYS), "input_size": [3, 48, 48]}
    path.with_suffix(".json").write_text(json.dumps({**described, "class_keys": CLASS_KEYS}))
    return path


@pytest.fixture(scope="session")
def ray_token() -> Iterator[None]:
    """Close Ray's clusters to everybody else on this machine, and keep Ray from telling its makers; before its import.

    Ray reads this once in a process, so it stays for all tests there.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Return a function that makes a project of `n_images` noise images and `n_proposals` proposals each."""

    def make(n_images: int = 24, n_proposals: int = 7, name: str = "project") -> Project:
        images = tmp_path / "images"
        if not images.exists():
            generator = np.random.default_rng(0)
            for number in range(n_images):
                path = images / CLASS_KEYS[number % len(CLASS_KEYS)] / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                coarse = generator.integers(0, 256, (5, 5, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((70, 56), Image.Resampling.BICUBIC).save(path)
        classes = tmp_path / "classes.json"
        classes.write_text(json.dumps(CLASS_KEYS))
        settings = Settings(proposals=ProposalSection(n_proposals=n_proposals))
        return init_project(tmp_path / name, images, classes, settings=settings)

    return make


@pytest.fixture
def stage_parameters(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put in place a stage runner that records its parameters and proposes without a notebook."""
    noted: list[dict[str, Any]] = []

    def run_stage(project: Project, stage: str, parameters: dict[str, Any]) -> SimpleNamespace:
        assert stage == "propose"
        noted.append(parameters)
        propose(project, **parameters)
        return SimpleNamespace(report=None)

    module = ModuleType("pipeline.runs")
    module.run_stage = run_stage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.runs", module)
    return noted
