"""Training on the toybox, the models that ship with it, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
import typer
from typer.testing import CliRunner

from pipeline.commands.toybox import toybox
from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_classifier
from pipeline.project.label_space import load_label_space
from pipeline.toybox import ToyboxPaths, toybox_checkpoint
from pipeline.toybox.checkpoints import SHIPPED
from pipeline.toybox.objects import TOY_CLASSES
from pipeline.toybox.scoring import ToyboxScore, score_toybox_model
from pipeline.toybox.training import augment, train_toybox_model

N_CLASSES = len(TOY_CLASSES)


def _train(small_toybox: ToyboxPaths, checkpoint: Path, seed: int = 0) -> Path:
    return train_toybox_model(small_toybox.root, checkpoint, seed=seed, n_epochs=1, input_px=64)


def test_training_writes_weights_that_timm_loads_and_says_what_they_are(
    small_toybox: ToyboxPaths, tmp_path: Path
) -> None:
    checkpoint = _train(small_toybox, tmp_path / "model.pth", seed=5)
    described = json.loads((tmp_path / "model.json").read_text())
    assert described["class_keys"] == [toy.key for toy in TOY_CLASSES]
    assert described["input_size"] == [3, 85, 85]  # scenes are shown a third larger than training views
    assert described["seed"] == 5
    assert "--epochs 1" in described["command"]
    assert described["n_pictures"] == 2 * N_CLASSES
    model = timm.create_model(
        described["architecture"], num_classes=described["num_classes"], checkpoint_path=str(checkpoint)
    )
    assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, N_CLASSES)


def test_training_twice_with_one_seed_gives_one_model(small_toybox: ToyboxPaths, tmp_path: Path) -> None:
    first, again, other = (
        torch.load(_train(small_toybox, tmp_path / name, seed), weights_only=True)
        for name, seed in (("a.pth", 0), ("b.pth", 0), ("c.pth", 1))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_by_the_clock_ends(small_toybox: ToyboxPaths, tmp_path: Path) -> None:
    def n_steps(seconds: float) -> int:
        checkpoint = train_toybox_model(small_toybox.root, tmp_path / "m.pth", seconds=seconds, input_px=48)
        return int(json.loads(checkpoint.with_suffix(".json").read_text())["n_steps"])

    assert n_steps(0.5) >= 1
    assert n_steps(1e-9) == 1  # however slow the machine is


def test_augmentation_gives_finite_views_and_labels_that_add_up_to_one() -> None:
    pictures = torch.randint(0, 256, (10, 3, 40, 40), dtype=torch.uint8)
    labels = torch.arange(10)
    views, targets = augment(pictures, labels, 32, torch.Generator().manual_seed(0))
    assert views.shape == (10, 3, 32, 32)
    assert views.isfinite().all()
    assert torch.allclose(targets.sum(1), torch.ones(10))
    mosaics = targets[targets.max(1).values < 1]
    assert len(mosaics) >= 1
    assert torch.equal(targets[-1].nonzero().flatten(), labels[-1:])
    repeated, _ = augment(pictures, labels, 32, torch.Generator().manual_seed(0))
    assert torch.equal(views, repeated)


@pytest.fixture(scope="module")
def scores(small_toybox: ToyboxPaths) -> dict[str, ToyboxScore]:
    return {name: score_toybox_model(small_toybox.root, toybox_checkpoint(name)) for name in SHIPPED}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_small_and_beats_chance_by_a_wide_margin(name: str, scores: dict[str, ToyboxScore]) -> None:
    assert toybox_checkpoint(name).stat().st_size < 2_000_000
    score = scores[name]
    assert score.n_scenes == 90
    assert score.top1 > 5 / N_CLASSES
    assert score.recall_at_20 > 20 / N_CLASSES + 0.2
    assert score.recall_at_10 <= score.recall_at_20
    assert score.top1 <= score.real


def test_the_shipped_models_differ_in_strength(scores: dict[str, ToyboxScore]) -> None:
    strengths = [scores[name].real for name in SHIPPED]
    assert strengths[0] > strengths[-1] + 0.1
    assert len(set(strengths)) == len(strengths)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_one_that_stage_one_can_run(name: str, small_toybox: ToyboxPaths) -> None:
    classifier = load_classifier(
        ModelSource(checkpoint=toybox_checkpoint(name)), load_label_space(small_toybox.classes)
    )
    assert classifier.name == name
    assert classifier.n_missing == 0
    assert classifier.class_order == "keys"


def test_an_unknown_checkpoint_or_one_without_description_is_refused(small_toybox: ToyboxPaths, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="toybox_resnet"):
        toybox_checkpoint("vgg")
    with pytest.raises(DatasetError, match="bare"):
        score_toybox_model(small_toybox.root, tmp_path / "bare.pth")


def test_the_command_draws_trains_and_says_how_good_the_model_is(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(toybox)
    arguments = [str(tmp_path / "box"), "--scenes", "3", "--reference", "1", "--seed", "4"]
    drawn = CliRunner().invoke(app, arguments)
    assert drawn.exit_code == 0, drawn.output
    assert "3 scenes" in drawn.output
    trained = CliRunner().invoke(app, [*arguments, "--train", str(tmp_path / "toy.pth"), "--epochs", "1"])
    assert trained.exit_code == 0, trained.output
    assert "Top-1" in trained.output
    assert (tmp_path / "toy.pth").is_file()
