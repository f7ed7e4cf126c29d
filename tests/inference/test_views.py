"""Where a model looks: which parts of an image, and how several looks are combined."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform

from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError
from pipeline.inference.predictions import predictions_path, read_model_predictions
from pipeline.inference.views import VIEW_COUNTS, views
from pipeline.project.folder import Project
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.propose import propose

KEYS = tuple(f"class_{index:02d}" for index in range(12))
SIDE_PX = 32


@pytest.mark.parametrize("n_views", VIEW_COUNTS)
@given(width_px=st.integers(1, 400), height_px=st.integers(1, 400))
def test_views_lie_within_the_image_and_leave_no_pixel_out(n_views: int, width_px: int, height_px: int) -> None:
    boxes = [view.box(width_px, height_px) for view in views(n_views)]
    assert boxes[0] == (0, 0, width_px, height_px)
    seen = np.zeros((height_px, width_px), dtype=bool)
    for left, top, right, lower in boxes[1:]:
        assert 0 <= left < right <= max(width_px, left + 1)
        assert 0 <= top < lower <= max(height_px, top + 1)
        seen[top:lower, left:right] = True
    assert n_views == 1 or seen.all()


def test_a_number_of_views_that_there_is_not_is_refused() -> None:
    with pytest.raises(ProjectError, match="--views 7: there are 1, 5, 14"):
        views(7)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., tuple[Project, Path]]:
    """Return a function that makes a project of three noise images and a model with random weights."""

    def make(name: str = "project", **described: object) -> tuple[Project, Path]:
        folder = tmp_path / "images"
        generator = np.random.default_rng(3)
        for number in range(3):
            path = folder / KEYS[number] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((81, 60), Image.Resampling.NEAREST).save(path)
        (tmp_path / "classes.json").write_text(json.dumps(KEYS))
        checkpoint = tmp_path / "small.pth"
        torch.manual_seed(2)
        torch.save(timm.create_model("test_resnet", num_classes=len(KEYS)).state_dict(), checkpoint)
        text = {"architecture": "test_resnet", "input_size": [3, SIDE_PX, SIDE_PX], "class_keys": KEYS, **described}
        checkpoint.with_suffix(".json").write_text(json.dumps(text))
        return init_project(tmp_path / name, folder, tmp_path / "classes.json"), checkpoint

    return make


def plain_scores(checkpoint: Path, path: Path, boxes: list[tuple[float, float, float]]) -> np.ndarray:
    """Return softmax scores of the crops (left, top, side) of a picture, as a plain loop computes them."""
    model = timm.create_model("test_resnet", num_classes=len(KEYS), checkpoint_path=str(checkpoint)).eval()
    config = timm.data.resolve_model_data_config(model) | {"input_size": (3, SIDE_PX, SIDE_PX)}
    transform = create_transform(**config, is_training=False)
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    scores = []
    for left, top, side in boxes:
        edges = (left * width, top * height, (left + side) * width, (top + side) * height)
        with torch.no_grad():
            scores.append(model(transform(picture.crop(tuple(map(round, edges))))[None]).softmax(-1)[0].numpy())
    return np.stack(scores)


def test_five_views_merge_as_a_plain_loop_over_crops_does(make: Callable[..., tuple[Project, Path]]) -> None:
    project, checkpoint = make()
    propose(project, checkpoint=checkpoint, views=5, device="cpu", n_workers=0, precision="float32")
    found = ProposalReader(project.proposals_path).as_arrays()
    boxes = [(0, 0, 1), (0, 0, 0.6), (0.4, 0, 0.6), (0, 0.4, 0.6), (0.4, 0.4, 0.6)]
    for image in range(3):
        scores = plain_scores(checkpoint, Path(project.images_root) / KEYS[image] / f"{image}.png", boxes)
        scores[1:] *= 0.8
        order = np.argsort(-scores.max(axis=0))
        assert found.class_index[image].tolist() == order.tolist()
        np.testing.assert_allclose(found.score[image], scores.max(axis=0)[order], rtol=1e-4)
        assert found.view[image].tolist() == scores.argmax(axis=0)[order].tolist()
    row = ProposalReader(project.proposals_path).rows([1])[1]
    assert row.view == tuple(found.view[1].tolist())


def test_what_evaluation_reads_stays_the_ranking_of_the_whole_image(
    make: Callable[..., tuple[Project, Path]],
) -> None:
    once, checkpoint = make("once")
    often, _ = make("often")
    propose(once, checkpoint=checkpoint, views=1, device="cpu", n_workers=0)
    propose(often, checkpoint=checkpoint, views=14, device="cpu", n_workers=0)
    first, second = (read_model_predictions(predictions_path(project, "small")) for project in (once, often))
    np.testing.assert_array_equal(first.class_index, second.class_index)
    np.testing.assert_allclose(first.score, second.score, rtol=1e-5)


def test_a_model_may_recommend_its_views_and_a_run_with_others_is_another_run(
    make: Callable[..., tuple[Project, Path]],
) -> None:
    project, checkpoint = make(views=5)
    propose(project, checkpoint=checkpoint, device="cpu", n_workers=0)
    reader = ProposalReader(project.proposals_path)
    assert reader.settings["n_views"] == 5
    assert set(np.unique(reader.as_arrays().view)) <= set(range(5))
    with pytest.raises(ProjectError, match="n_views was 5, now null"):
        propose(project, checkpoint=checkpoint, views=1, device="cpu", n_workers=0)
    propose(project, checkpoint=checkpoint, views=1, device="cpu", n_workers=0, restart=True)
    assert (ProposalReader(project.proposals_path).as_arrays().view == 0).all()
