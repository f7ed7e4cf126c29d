"""The JSON beside a checkpoint, files that are not weights, and models whose answers mean nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource, read_description
from pipeline.inference.classifier import load_classifier
from pipeline.inference.predictions import predict
from pipeline.project.folder import Project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.notices import notices_to

KEYS = ("ant", "bee", "cow")


def state_of(**options: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = timm.create_model("test_resnet", num_classes=3, **options).state_dict()
    return state


def described(folder: Path, **content: Any) -> Path:
    (folder / "m.pth").write_bytes(b"weights")
    (folder / "m.json").write_text(json.dumps(content))
    return folder / "m.pth"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    rng = np.random.default_rng(0)
    for key in KEYS:
        (tmp_path / "images" / key).mkdir(parents=True)
        for number in range(2):
            blocks = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            picture = Image.fromarray(blocks).resize((64, 64), Image.Resampling.NEAREST)
            picture.save(tmp_path / "images" / key / f"{number}.png")
    return init_project(tmp_path / "project", tmp_path / "images")


def run(project: Project, checkpoint: Path, architecture: str | None = "test_resnet") -> list[str]:
    """Rank with a checkpoint on the CPU; return the messages along the way."""
    told: list[str] = []
    with notices_to(told.append):
        predict(project, [ModelSource(architecture, checkpoint)], device="cpu", n_workers=0, batch_size=4)
    return told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"class_names": ["a"]}, r"'class_names' is not known; did you mean 'class_keys'"),
        ({"input-size": 3}, r"'input-size' is not known; did you mean 'input_size'"),
        ({"img_size": 64}, r"did you mean 'input_size'"),
        ({"crop_pct": 87.5}, r"crop_pct 87.5 is not a share"),
        ({"mean": [123.7, 116.3, 103.5]}, r"levels from 0 to 255; divide mean and std by 255"),
        ({"mean": [0.5, 0.5]}, r"mean has 2 values for 3 channels"),
        ({"std": [0, 1, 1]}, r"std .* above 0"),
        ({"std": ["a", 1, 1]}, r"std .* list of numbers"),
        ({"mean": [float("nan")] * 3}, r"mean .* list of numbers"),
        ({"interpolation": "cubic"}, r"interpolation 'cubic' is not known; it is one of nearest, bilinear, bicubic"),
        ({"crop_mode": "middle"}, r"crop_mode 'middle' is not known"),
        ({"input_size": [224, 224, 3]}, r"channels last"),
        ({"input_size": "224"}, r"input_size '224' is not a size"),
        ({"num_classes": 4, "class_keys": KEYS}, r"num_classes is 4, and class_keys names 3"),
        ({"num_classes": 2.5}, r"num_classes 2.5"),
        ({"class_keys": ["a", "b", "a"]}, r"class_keys names 'a' twice"),
        ({"class_keys": "abc"}, r"class_keys must be a list"),
        ({"class_keys": {"cat": 0, "dog": 2}}, r"outputs that are not 0 to 1"),
        ({"architecture": 3}, r"architecture 3 is not a name"),
    ],
)
def test_a_field_that_is_wrong_is_named(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=rf"m\.json: .*{message}"):
        read_description(described(tmp_path, **content))


@pytest.mark.parametrize(
    "keys", [list(KEYS), {key: place for place, key in enumerate(KEYS)}, {str(n): key for n, key in enumerate(KEYS)}]
)
def test_class_keys_are_a_list_or_what_frameworks_write(tmp_path: Path, keys: object) -> None:
    assert read_description(described(tmp_path, class_keys=keys)).class_keys == KEYS


def test_timms_own_config_beside_its_weights_is_read(tmp_path: Path) -> None:
    save_file(state_of(), tmp_path / "model.safetensors")
    config = {"input_size": [3, 96, 96], "mean": [0.1] * 3, "std": [0.2] * 3, "crop_pct": 0.9, "first_conv": "conv1"}
    content = {"architecture": "test_resnet", "num_classes": 3, "pretrained_cfg": config, "label_names": KEYS}
    (tmp_path / "config.json").write_text(json.dumps(content))
    found = load_classifier(ModelSource(checkpoint=tmp_path / "model.safetensors"), label_space_from_keys(KEYS))
    assert (found.data_config["input_size"], found.data_config["mean"]) == ((3, 96, 96), (0.1,) * 3)
    assert (found.class_order, found.notes) == ("keys", ())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.pth", b"", "an empty file"),
        ("m.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n", "git lfs pull"),
        ("m.pth", b"<!DOCTYPE html><html>", "a web page"),
        ("m.safetensors", (10**6).to_bytes(8, "little") + b'{"a":', "cut short"),
    ],
)
def test_a_file_that_is_no_weights_is_told_in_plain_words(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{name}: .*{message}"):
        load_classifier(ModelSource("test_resnet", tmp_path / name), label_space_from_keys(KEYS))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_that_are_cut_are_called_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m.{suffix}"
    if suffix == "pth":
        torch.save(state_of(), path)
    else:
        save_file(state_of(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DatasetError, match="cut short or damaged"):
        load_classifier(ModelSource("test_resnet", path), label_space_from_keys(KEYS))


def test_a_whole_model_in_place_of_its_weights_is_not_opened_and_told(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_resnet", num_classes=3), tmp_path / "m.pth")
    with pytest.raises(DatasetError, match=r"Python objects .*torch\.save\(model\.state_dict\(\), path\)"):
        load_classifier(ModelSource("test_resnet", tmp_path / "m.pth"), label_space_from_keys(KEYS))


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone.net."])
def test_names_that_a_framework_put_before_all_weights_are_taken_away(tmp_path: Path, prefix: str) -> None:
    torch.save({"state_dict": {prefix + name: value for name, value in state_of().items()}}, tmp_path / "m.pth")
    found = load_classifier(ModelSource("test_resnet", tmp_path / "m.pth"), label_space_from_keys(KEYS))
    assert all(torch.equal(value, found.module.state_dict()[name]) for name, value in state_of().items())


def test_weights_of_another_number_of_classes_or_channels_are_told_by_shape(tmp_path: Path) -> None:
    torch.save(state_of(in_chans=1), tmp_path / "grey.pth")
    with pytest.raises(DatasetError, match=r"has the shape .*its first value is the number of channels"):
        load_classifier(ModelSource("test_resnet", tmp_path / "grey.pth"), label_space_from_keys(KEYS))


@pytest.mark.parametrize("mean", [None, [0.5], [0.4, 0.5, 0.6]])
def test_a_grey_model_is_run_on_grey_images(tmp_path: Path, project: Project, mean: list[float] | None) -> None:
    torch.save(state_of(in_chans=1), tmp_path / "grey.pth")
    content = {"architecture": "test_resnet", "input_size": [1, 64, 64], "class_keys": KEYS}
    if mean is not None and len(mean) == 1:
        content |= {"mean": mean, "std": mean}
    (tmp_path / "grey.json").write_text(json.dumps(content))
    run(project, tmp_path / "grey.pth", None)


def test_a_model_of_four_channels_is_refused_in_words(tmp_path: Path) -> None:
    torch.save(state_of(in_chans=4), tmp_path / "m.pth")
    (tmp_path / "m.json").write_text(json.dumps({"architecture": "test_resnet", "input_size": [4, 64, 64]}))
    with pytest.raises(DatasetError, match="takes images of 4 channels; photographs have 3"):
        load_classifier(ModelSource(checkpoint=tmp_path / "m.pth"), label_space_from_keys(KEYS))


def spoilt(change: str) -> dict[str, torch.Tensor]:
    state = state_of()
    if change == "NaN in the head":
        state["fc.weight"] *= float("nan")
    elif change == "infinity in a bias":
        state["fc.bias"][1] = float("inf")
    elif change == "all zero":
        state = {name: torch.zeros_like(value) for name, value in state.items()}
    elif change == "no weight in the head":
        state["fc.weight"] *= 0
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("NaN in the head", "answers NaN or infinity for image 0"),
        ("infinity in a bias", "answers NaN or infinity"),
        ("all zero", "every class the same score"),
        ("no weight in the head", "answers the same to .* different images"),
    ],
)
def test_a_model_whose_answers_mean_nothing_stops_the_run_and_leaves_no_table(
    tmp_path: Path, project: Project, change: str, message: str
) -> None:
    torch.save(spoilt(change), tmp_path / "m.pth")
    with pytest.raises(DatasetError, match=rf"m: .*{message}"):
        run(project, tmp_path / "m.pth")
    assert not list(project.predictions_dir.glob("*.parquet"))


def test_images_that_are_all_the_same_may_be_answered_alike(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "images" / "ant").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), "teal").save(tmp_path / "images" / "ant" / f"{name}.png")
    (tmp_path / "classes.csv").write_text("key\n" + "\n".join(KEYS) + "\n")
    alike = init_project(tmp_path / "alike", tmp_path / "images", tmp_path / "classes.csv")
    torch.save(state_of(), tmp_path / "m.pth")
    run(alike, tmp_path / "m.pth")


def test_what_is_taken_for_granted_is_told_with_its_values(tmp_path: Path, project: Project) -> None:
    torch.save(state_of(), tmp_path / "plain.pth")
    order, preparation = run(project, tmp_path / "plain.pth")
    assert "order of classes (ant, bee, cow)" in order
    assert "input_size, mean, std" in preparation
    assert "3 × 160 × 160" in preparation
    assert str(tmp_path / "plain.json") in order


def test_what_a_description_says_is_not_told_again_and_what_nobody_knows_is_passed_over(
    tmp_path: Path, project: Project
) -> None:
    torch.save(state_of(), tmp_path / "m.pth")
    content = {"input_size": 64, "mean": [0.5] * 3, "std": [0.5] * 3, "class_keys": KEYS, "epoch": 3}
    (tmp_path / "m.json").write_text(json.dumps(content))
    (passed_over,) = run(project, tmp_path / "m.pth")
    assert passed_over.endswith("passed over, since they are not known: epoch")


def test_a_network_that_cannot_take_the_size_described_is_told_not_left_to_a_traceback(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(state_of(), tmp_path / "m.pth")

    def stubborn(module: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        raise AssertionError(f"Input height ({pixels.shape[2]}) doesn't match model (224).")

    monkeypatch.setattr("timm.models.resnet.ResNet.forward", stubborn)
    with pytest.raises(DatasetError, match=r"m: cannot take images of 3 × 160 × 160 .*say its input_size"):
        run(project, tmp_path / "m.pth")
