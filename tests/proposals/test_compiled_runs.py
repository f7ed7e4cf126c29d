"""A run whose networks are compiled: it goes on so wherever its table is taken up, and what says otherwise is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import ProjectError
from pipeline.inference.filling import RunOptions
from pipeline.inference.parts import read_run_settings
from pipeline.inference.predictions import predictions_path
from pipeline.project.folder import Project
from pipeline.stages.add import add_images
from pipeline.stages.models_of_project import add_predictions
from pipeline.stages.propose import propose

ON_CPU: dict[str, Any] = {"device": "cpu", "n_workers": 0, "precision": "float32"}


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[torch.nn.Module]:
    """Return what was compiled; it stays as it is, which takes no time."""
    noted: list[torch.nn.Module] = []

    def compile_nothing(module: torch.nn.Module, **_: object) -> torch.nn.Module:
        noted.append(module)
        return module

    monkeypatch.setattr(torch, "compile", compile_nothing)
    return noted


def test_a_run_that_was_compiled_goes_on_so_in_every_command(
    make_project: Callable[..., Project], checkpoint: Path, compilations: list[torch.nn.Module], tmp_path: Path
) -> None:
    project = make_project()
    table = predictions_path(project, "small")
    propose(project, checkpoint=checkpoint, compiled=True, **ON_CPU)
    before = table.read_bytes()
    propose(project, checkpoint=checkpoint, **ON_CPU)
    assert add_predictions(project, checkpoint=str(checkpoint), options=RunOptions(**ON_CPU)).names == ("small",)
    assert table.read_bytes() == before
    assert len(compilations) == 1
    new = tmp_path / "new" / "class_00" / "new.png"
    new.parent.mkdir(parents=True)
    Image.new("RGB", (70, 56), "green").save(new)
    add_images(project, new.parents[1], model={"model": [], "checkpoint": [checkpoint], **ON_CPU})
    assert read_run_settings(table)["compiled"]
    assert len(compilations) == 2


def test_a_run_that_was_not_is_named_with_the_option_that_differs(
    make_project: Callable[..., Project], checkpoint: Path, compilations: list[torch.nn.Module]
) -> None:
    project = make_project()
    propose(project, checkpoint=checkpoint, **ON_CPU)
    with pytest.raises(ProjectError, match=r"compiled was false, now true\); go on with it \(without --compile\), or"):
        propose(project, checkpoint=checkpoint, compiled=True, **ON_CPU)
    propose(project, checkpoint=checkpoint, compiled=True, restart=True, **ON_CPU)
    propose(project, checkpoint=checkpoint, restart=True, **ON_CPU)
    assert "compiled" not in read_run_settings(predictions_path(project, "small"))
    assert len(compilations) == 1


def test_where_no_classifier_is_run_there_is_none_to_compile(
    make_project: Callable[..., Project], checkpoint: Path
) -> None:
    project = make_project()
    np.savez(project.root / "p.npz", elsewhere=np.tile(np.arange(5), (24, 1)))
    for how in ({"from_predictions": project.root / "p.npz"}, {"checkpoint": checkpoint, "from_examples": True}):
        with pytest.raises(ProjectError, match="--compile makes classifiers faster, and none is run"):
            propose(project, compiled=True, **how)
