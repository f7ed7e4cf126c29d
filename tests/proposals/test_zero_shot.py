"""Proposals from the words of the classes, by a small model that learned the words of the toybox's objects."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from cutting import expect_same_tables, is_cut_off
from PIL import Image
from small_clip import make_small_clip
from timm.data import create_transform

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_module
from pipeline.inference.image_text import PROMPTS, load_zero_shot, sentences
from pipeline.project.folder import Project
from pipeline.project.label_space import ClassInfo, LabelSpace, load_label_space
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.propose import propose
from pipeline.toybox import ToyboxPaths, toybox_checkpoint, write_toybox

CPU = {"device": "cpu", "n_workers": 0}
N_SCENES = 40


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> ToyboxPaths:
    return write_toybox(tmp_path_factory.mktemp("toys"), n_scenes=N_SCENES, n_reference=1, seed=21)


@pytest.fixture(scope="module")
def small_clips(tmp_path_factory: pytest.TempPathFactory, toys: ToyboxPaths) -> dict[str, Path]:
    """Return the folders of two models, one that compares classes (CLIP) and one that judges each (SigLIP)."""
    folder, space = tmp_path_factory.mktemp("clip"), load_label_space(toys.classes)
    seeing = load_module(ModelSource(checkpoint=toybox_checkpoint()), space)
    options = {"width": 48, "n_steps": 120}
    return {
        name: make_small_clip(folder / name, "test_resnet", seeing, space, is_siglip=name == "siglip", **options)
        for name in ("clip", "siglip")
    }


def project_of(folder: Path, toys: ToyboxPaths) -> Project:
    return init_project(folder, toys.scenes_csv, toys.classes, toys.reference)


def truth_of(project: Project, toys: ToyboxPaths) -> list[set[int]]:
    named = json.loads(toys.truth.read_text())
    return [{project.label_space.index_of(key) for key in keys} for keys in named.values()]


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_objects_are_proposed_by_their_words(
    family: str, small_clips: dict[str, Path], toys: ToyboxPaths, tmp_path: Path
) -> None:
    project = project_of(tmp_path / "project", toys)
    summary = propose(project, zero_shot=str(small_clips[family]), views=1, **CPU)
    assert summary.models == (f"{family}.zero-shot",)
    found = ProposalReader(project.proposals_path).as_arrays()
    truth = truth_of(project, toys)
    n_found = sum(
        len(of_image & set(row[:10].tolist())) for of_image, row in zip(truth, found.class_index, strict=True)
    )
    assert n_found / sum(map(len, truth)) > 0.55, "ten of 56 classes at random would hold 18%"
    assert ((found.score > 0) & (found.score <= 1)).all()
    is_shared = np.isclose(found.score.sum(axis=1), 1, atol=0.05)
    assert not is_shared.any() if family == "siglip" else (found.score.sum(axis=1) <= 1.001).all()


def test_a_run_that_is_cut_off_anywhere_ends_in_the_same_tables(
    small_clips: dict[str, Path], toys: ToyboxPaths, tmp_path: Path
) -> None:
    whole, cut = project_of(tmp_path / "whole", toys), project_of(tmp_path / "cut", toys)
    options = {"zero_shot": str(small_clips["clip"]), "views": 5, "batch_size": 20, **CPU}
    propose(whole, **options)
    assert all(is_cut_off(lambda: propose(cut, **options), n_steps) for n_steps in (15, 15, 12))
    propose(cut, **options)
    expect_same_tables(whole.root, cut.root)


def test_pictures_are_prepared_as_the_model_wants_them(small_clips: dict[str, Path], toys: ToyboxPaths) -> None:
    space = load_label_space(toys.classes)
    found = load_zero_shot(str(small_clips["clip"]), space)
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{small_clips['clip']}")
    model.eval()
    own = create_transform(**found.data_config, is_training=False)
    picture = Image.open(min(toys.root.glob("scenes/*.*g"))).convert("RGB")
    torch.testing.assert_close(own(picture), prepare(picture), atol=0.02, rtol=0)
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(f"local-dir:{small_clips['clip']}")(sentences(space[3], PROMPTS))
        text = torch.nn.functional.normalize(model.encode_text(tokens, normalize=True).mean(dim=0), dim=-1)
        image = model.encode_image(prepare(picture)[None], normalize=True)
        expected = model.logit_scale.exp() * image @ text
        torch.testing.assert_close(found.module(prepare(picture)[None])[:, 3], expected, atol=1e-4, rtol=1e-4)


def test_a_class_is_its_names_synonyms_and_definition() -> None:
    info = ClassInfo(0, "n1", "tabby", ("tabby cat", "grey tabby"), "a cat with a striped coat")
    said = sentences(info, ("a photo of a {name}.", "{name}, {definition}"))
    assert said[:3] == ["a photo of a tabby.", "a photo of a tabby cat.", "a photo of a grey tabby."]
    assert said[3] == "tabby, a cat with a striped coat"
    assert sentences(replace(info, definition=""), ("{name}: {definition}",)) == ["tabby"]
    assert sentences(replace(info, name="{definition}", synonyms=(), definition=""), ("a {name}",)) == [
        "a {definition}"
    ]


def test_other_words_are_another_run(small_clips: dict[str, Path], toys: ToyboxPaths, tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", toys)
    options = {"zero_shot": str(small_clips["clip"]), "views": 1, **CPU}
    propose(project, **options)
    first = ProposalReader(project.proposals_path).as_arrays().score
    with pytest.raises(ProjectError, match=r"prompts was .*--restart"):
        propose(project, prompts=["a drawing of a {name}"], **options)
    propose(project, prompts=["a drawing of a {name}"], restart=True, **options)
    assert (ProposalReader(project.proposals_path).as_arrays().score != first).any()


def test_a_file_of_weights_needs_to_say_what_it_is(small_clips: dict[str, Path], tmp_path: Path) -> None:
    space = LabelSpace((ClassInfo(0, "a", "a"), ClassInfo(1, "b", "b")))
    torch.manual_seed(0)
    weights = tmp_path / "mine.pt"
    torch.save(open_clip.create_model("ViT-S-32-alt").state_dict(), weights)
    with pytest.raises(DatasetError, match=r'mine.pt: nothing says what model it is; put a JSON with "architecture"'):
        load_zero_shot(str(weights), space)
    beside = tmp_path / "mine.json"
    beside.write_text('{"architecture": "ViT-S-32-alt"}')
    found = load_zero_shot(str(weights), space)
    assert (found.name, found.is_multi_label, found.data_config["input_size"]) == (
        "mine.zero-shot",
        False,
        (3, 224, 224),
    )
    beside.write_text('{"architecture": "ViT-S-16-alt"}')
    with pytest.raises(DatasetError, match=r"^\S+mine.pt: cannot be loaded as an image-text model: .* shape .*"):
        load_zero_shot(str(weights), space)
    beside.write_text('{"architecture": "ViT-S-33"}')
    with pytest.raises(DatasetError, match=r"mine.pt: architecture 'ViT-S-33': open_clip knows no such model"):
        load_zero_shot(str(weights), space)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("ViT-B-33", r"model 'ViT-B-33': open_clip knows no such model; did you mean ViT-B-32"),
        ("resnet50.a1_in1k", r"open_clip knows no such model"),
        ("ViT-B-32", r"ViT-B-32 has several weights; name one of .*ViT-B-32/openai"),
        ("ViT-B-32/nobody", r"ViT-B-32 has no weights 'nobody'; name one of"),
        ("./absent", r"./absent: no such file or folder"),
        ("absent.safetensors", r"absent.safetensors: no such file or folder"),
        (
            "hf-hub:nobody/has-this",
            r"model 'hf-hub:nobody/has-this': cannot be fetched: .*where no model hub is reached",
        ),
        ("ViT-B-16-SigLIP", r"model 'ViT-B-16-SigLIP': cannot be fetched: .*where no model hub is reached"),
    ],
)
def test_a_model_that_is_not_to_be_had_is_told_in_one_line(
    model: str, message: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_network(*_arguments: object, **_options: object) -> None:
        raise OSError("Network is unreachable\nwhile asking a hub")

    monkeypatch.setattr("open_clip.factory.download_pretrained", no_network)
    monkeypatch.setattr("open_clip.factory._get_hf_config", no_network)
    space = LabelSpace((ClassInfo(0, "a", "a"),))
    with pytest.raises(DatasetError, match=message) as refused:
        load_zero_shot(model, space)
    assert "\n" not in str(refused.value)
    assert caplog.records == []


def test_what_is_missing_or_damaged_is_told(
    small_clips: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = LabelSpace((ClassInfo(0, "a", "a"),))
    with pytest.raises(DatasetError, match=r"a folder without open_clip_config.json"):
        load_zero_shot(str(tmp_path), space)
    spoilt = tmp_path / "spoilt"
    shutil.copytree(small_clips["clip"], spoilt)
    (spoilt / "open_clip_pytorch_model.bin").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DatasetError, match=r"spoilt: cannot be loaded as an image-text model: "):
        load_zero_shot(str(spoilt), space)
    (spoilt / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(DatasetError, match=r"spoilt: cannot be loaded as an image-text model: "):
        load_zero_shot(str(spoilt), space)
    with pytest.raises(DatasetError, match=r"--prompt 'a photo': has no \{name\}"):
        load_zero_shot(str(small_clips["clip"]), space, ["a photo"])
    monkeypatch.setattr("pipeline.inference.image_text.find_spec", lambda _package: None)
    with pytest.raises(DatasetError, match=r"pip install 'multilabelfy\[clip\]'"):
        load_zero_shot("ViT-B-32/openai", space)
