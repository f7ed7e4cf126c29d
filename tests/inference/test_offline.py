"""Models that come as packages: which one is taken for which classes, and weights that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_classifier
from pipeline.inference.offline import OFFLINE_MODELS, best_at_hand, load_offline, offline_weights
from pipeline.project.label_space import label_space_from_keys, load_label_space
from pipeline.toybox.objects import TOY_CLASSES


@pytest.mark.parametrize("architecture", OFFLINE_MODELS)
def test_every_offline_model_gets_all_of_its_weights(architecture: str) -> None:
    path = offline_weights(architecture)
    assert path is not None
    found = list(torch.load(path, weights_only=True).values())
    classifier = load_classifier(ModelSource(architecture), load_label_space("imagenet-1k"))
    own = list(classifier.module.state_dict().values())
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(own, found, strict=True))
    assert (classifier.name, classifier.n_missing, classifier.class_order) == (architecture, 0, "keys")


@pytest.mark.parametrize("spoilt", ["one tensor less", "another shape"])
def test_weights_that_do_not_fit_are_named(spoilt: str, tmp_path: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=4).state_dict()
    state = {f"other.{name}": value for name, value in state.items()}
    last = list(state)[-1]
    if spoilt == "another shape":
        state[last] = torch.zeros(7)
    else:
        del state[last]
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(DatasetError, match=r"weights.pth: has \d+ tensors|weights.pth: other\S+ has the shape"):
        load_offline("test_resnet", path)


def test_the_best_model_at_hand_depends_on_the_classes() -> None:
    imagenet = load_label_space("imagenet-1k")
    assert best_at_hand(imagenet)[0].label == "tf_efficientnet_lite2"
    assert best_at_hand(label_space_from_keys(imagenet.keys[5:9]))[0].label == "tf_efficientnet_lite2"
    toys = [toy.key for toy in TOY_CLASSES]
    assert best_at_hand(label_space_from_keys(toys))[0].label == "toybox_resnet"
    for others in (["cat", "dog"], toys[:-1], [*imagenet.keys[:3], "cat"]):
        with pytest.raises(DatasetError, match=r"none at hand knows the classes of .*--from-predictions"):
            best_at_hand(label_space_from_keys(others))


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.inference.offline.find_spec", lambda _package: None)
    with pytest.raises(DatasetError, match=r"multilabelfy\[offline\]"):
        best_at_hand(load_label_space("imagenet-1k"))
