"""Loading models and pairing what they know with a label space; ranking as a plain timm loop does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_classifier
from pipeline.inference.hardware import choose_device
from pipeline.inference.predictions import predict, read_model_predictions
from pipeline.project.label_space import label_space_from_keys

KEYS = ("ant", "bee", "cow", "dog", "eel", "fox")


def save_model(path: Path, n_classes: int, architecture: str = "test_resnet", **described: Any) -> Path:
    torch.manual_seed(0)
    torch.save(timm.create_model(architecture, num_classes=n_classes).state_dict(), path)
    if described:
        path.with_suffix(".json").write_text(json.dumps({"architecture": architecture, **described}))
    return path


def plain_topk(
    architecture: str, checkpoint: Path, n_classes: int, files: Sequence[Path], top_k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rank as anyone would with timm: one image at a time, timm's own transform, softmax, topk."""
    model = timm.create_model(architecture, num_classes=n_classes, checkpoint_path=str(checkpoint)).eval()
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    with torch.no_grad():
        logits = torch.cat([model(transform(Image.open(file).convert("RGB"))[None]) for file in files])
    scores, classes = logits.softmax(-1).topk(top_k)
    return classes.numpy(), scores.numpy()


@pytest.mark.shared_data
def test_real_photographs_are_ranked_as_by_a_plain_timm_loop(tmp_path: Path, shared_data: Path) -> None:
    names = sorted(path.name for path in (shared_data / "imagenet_samples").glob("*.jpg"))[::40]
    (tmp_path / "images.csv").write_text("image,label\n" + "".join(f"{name},{name[:-4]}\n" for name in names))
    project = init_project(
        tmp_path / "project", tmp_path / "images.csv", "imagenet-1k", images_root=shared_data / "imagenet_samples"
    )
    checkpoint = save_model(tmp_path / "model.pth", 1000)
    source = ModelSource("test_resnet", checkpoint)
    (done,) = predict(project, [source], top_k=20, batch_size=7, device="cpu", n_workers=2)
    files = [shared_data / "imagenet_samples" / name for name in names]
    classes, scores = plain_topk("test_resnet", checkpoint, 1000, files, 20)
    found = read_model_predictions(done.path)
    np.testing.assert_allclose(found.score, scores, rtol=1e-4)
    same_sets = [set(one) == set(other) for one, other in zip(found.class_index, classes, strict=True)]
    assert np.mean(same_sets) == 1.0
    assert (found.class_index[:, 0] == classes[:, 0]).all()


def test_outputs_are_paired_with_classes_by_key_not_by_position(tmp_path: Path) -> None:
    shuffled = ("fox", "ant", "dog", "bee", "extra", "eel", "cow")
    checkpoint = save_model(tmp_path / "m.pth", 7, num_classes=7, class_keys=shuffled)
    classifier = load_classifier(ModelSource(checkpoint=checkpoint), label_space_from_keys(KEYS))
    pairs = dict(zip(classifier.class_indices.tolist(), classifier.outputs.tolist(), strict=True))
    assert {KEYS[index]: shuffled[output] for index, output in pairs.items()} == {key: key for key in KEYS}
    assert (classifier.n_missing, classifier.class_order) == (0, "keys")


def test_a_model_that_lacks_classes_is_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    checkpoint = save_model(tmp_path / "m.pth", 4, num_classes=4, class_keys=KEYS[:4])
    source, space = ModelSource(checkpoint=checkpoint), label_space_from_keys(KEYS)
    with pytest.raises(DatasetError, match=r"does not know 2 of the 6 classes .*\(eel, fox\).*--allow-missing-classes"):
        load_classifier(source, space)
    assert load_classifier(source, space, allow_missing_classes=True).n_missing == 2


def test_a_model_of_other_classes_is_refused_even_then(tmp_path: Path) -> None:
    checkpoint = save_model(tmp_path / "m.pth", 2, num_classes=2, class_keys=["oak", "elm"])
    with pytest.raises(DatasetError, match=r"does not know 6 of the 6 classes.*it knows oak, elm"):
        load_classifier(ModelSource(checkpoint=checkpoint), label_space_from_keys(KEYS), allow_missing_classes=True)


def test_without_a_description_the_order_of_classes_is_assumed_and_said_so(tmp_path: Path) -> None:
    checkpoint = save_model(tmp_path / "m.pth", 6)
    classifier = load_classifier(ModelSource("test_resnet", checkpoint), label_space_from_keys(KEYS))
    assert classifier.outputs.tolist() == classifier.class_indices.tolist() == list(range(6))
    assert classifier.class_order == "assumed"


def test_a_description_sets_the_preprocessing(tmp_path: Path) -> None:
    described = {
        "input_size": 64,
        "mean": [0.1, 0.2, 0.3],
        "std": [1, 1, 1],
        "crop_pct": 1.0,
        "interpolation": "bicubic",
    }
    checkpoint = save_model(tmp_path / "m.pth", 6, num_classes=6, class_keys=KEYS, **described)
    config = load_classifier(ModelSource(checkpoint=checkpoint), label_space_from_keys(KEYS)).data_config
    assert config["input_size"] == (3, 64, 64)
    assert config["mean"] == (0.1, 0.2, 0.3)
    assert (config["crop_pct"], config["interpolation"]) == (1.0, "bicubic")


def test_a_model_of_fixed_size_is_made_for_the_size_described(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=6, img_size=96)
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    described = {"architecture": "test_vit", "num_classes": 6, "input_size": [3, 96, 96], "class_keys": KEYS}
    (tmp_path / "vit.json").write_text(json.dumps(described))
    classifier = load_classifier(ModelSource(checkpoint=tmp_path / "vit.pth"), label_space_from_keys(KEYS))
    assert classifier.module(torch.zeros(1, 3, 96, 96)).shape == (1, 6)


@pytest.mark.parametrize(
    ("architecture", "content", "described", "message"),
    [
        ("test_resnet", None, None, r"m\.pth: no such checkpoint"),
        (None, b"x", None, r"m\.pth: nothing says what model it is"),
        ("no_such_model", b"x", None, r"model 'no_such_model': cannot be made"),
        ("test_resnet", b"not weights", None, r"m\.pth: not weights of a test_resnet with 6 classes"),
        ("test_resnet", b"x", "{", r"m\.json: cannot be read as the description"),
        ("test_resnet", b"x", '{"input_size": [1, 2, 3, 4]}', r"m\.json: .*is not a size"),
        ("test_resnet", b"x", "[]", r"m\.json: .*expected an object"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(
    tmp_path: Path, architecture: str | None, content: bytes | None, described: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "m.pth").write_bytes(content)
    if described is not None:
        (tmp_path / "m.json").write_text(described)
    with pytest.raises(DatasetError, match=message):
        load_classifier(ModelSource(architecture, tmp_path / "m.pth"), label_space_from_keys(KEYS))


def test_a_checkpoint_runs_no_code_of_its_own(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"weights": Harmful()}, tmp_path / "m.pth")
    with pytest.raises(DatasetError, match="not weights"):
        load_classifier(ModelSource("test_resnet", tmp_path / "m.pth"), label_space_from_keys(KEYS))
    assert not (tmp_path / "harmed").exists()


def test_a_model_that_timm_does_not_know_is_refused_by_name() -> None:
    with pytest.raises(DatasetError, match="model 'no_such_model': cannot be loaded"):
        load_classifier(ModelSource("no_such_model"), label_space_from_keys(KEYS))


def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(DatasetError, match="device 'cuda:99': not usable here"):
        choose_device("cuda:99")


def test_models_are_named_safely_for_files() -> None:
    assert ModelSource("hf_hub:timm/resnet50.a1_in1k").label == "timm_resnet50.a1_in1k"
    assert ModelSource("resnet18", Path("/models/my weights.pth")).label == "my_weights"
    with pytest.raises(DatasetError, match="no model is named"):
        _ = ModelSource().label


@pytest.mark.gpu
@pytest.mark.shared_data
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_ranks_as_the_cpu_does_but_for_half_precision(tmp_path: Path, shared_data: Path) -> None:
    checkpoint = save_model(tmp_path / "model.pth", 1000)
    found = []
    for device in ("cpu", "cuda"):
        project = init_project(tmp_path / device, shared_data / "imagenet_samples", "imagenet-1k", check="none")
        (done,) = predict(project, [ModelSource("test_resnet", checkpoint)], device=device, precision="auto")
        found.append(read_model_predictions(done.path).score)
    np.testing.assert_allclose(found[1], found[0], rtol=0.05)
