"""A small image-text model for tests, made in seconds: a network that sees already, and a text tower that learns.

A classifier's last layer says which direction of its features stands for which class. The text tower learns to turn
what is said of a class (name, synonyms, bits of its definition) into that direction. No picture is needed for this.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import nn

from pipeline.inference.classifier import LoadedModule
from pipeline.project.label_space import ClassInfo, LabelSpace

_TEXT = {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}


def make_small_clip(
    folder: Path,
    architecture: str,
    seeing: LoadedModule,
    space: LabelSpace,
    *,
    width: int,
    n_steps: int,
    seed: int = 0,
    is_siglip: bool = False,
) -> Path:
    """Save an image-text model as `open_clip` saves one, and return its folder.

    Parameters
    ----------
    folder
        Where it is saved.
    architecture, seeing
        What sees: a `timm` model whose outputs are the classes in order, and how pictures are prepared for it.
    space
        The classes whose words are learned.
    width
        In how many directions images and words are compared.
    n_steps
        How long the text tower learns.
    seed
        Of its first weights, and of what is said when.
    is_siglip
        Whether classes are judged one by one, as SigLIP does.
    """
    data, classifier = seeing.data_config, seeing.module
    vision = {
        "image_size": data["input_size"][1],
        "timm_model_name": architecture,
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    }
    config: dict[str, Any] = {"embed_dim": width, "vision_cfg": vision, "text_cfg": _TEXT}
    if is_siglip:
        config |= {"init_logit_bias": -6.0, "custom_text": True}
    prepared = {name: list(data[name]) for name in ("mean", "std")}
    squash = data.get("crop_mode") == "squash"
    prepared |= {"interpolation": data["interpolation"], "resize_mode": "squash" if squash else "shortest"}
    folder.mkdir(parents=True)
    written = {"model_cfg": config, "preprocess_cfg": prepared}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    _see_as(model.visual, classifier, width)
    targets = nn.functional.normalize(_directions(classifier) @ model.visual.head.proj.weight.detach().T, dim=-1)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # steps are so small that threads would only wait for one another
    _learn_words(model, targets, space, n_steps, np.random.default_rng(seed))
    torch.set_num_threads(n_threads)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


def _directions(classifier: nn.Module) -> torch.Tensor:
    weight = classifier.get_classifier().weight.detach()
    return weight - weight.mean(dim=0)


def _see_as(visual: Any, classifier: nn.Module, width: int) -> None:
    """Give the half that sees the classifier's weights, and keep the directions in which classes differ most."""
    trunk = visual.trunk.state_dict()
    visual.trunk.load_state_dict({name: value for name, value in classifier.state_dict().items() if name in trunk})
    _, _, directions = torch.linalg.svd(_directions(classifier), full_matrices=False)
    visual.head.proj.weight.data.zero_()
    kept = directions[:width]
    visual.head.proj.weight.data[: len(kept)] = kept


def _learn_words(
    model: Any, targets: torch.Tensor, space: LabelSpace, n_steps: int, generator: np.random.Generator
) -> None:
    tokenize = open_clip.SimpleTokenizer(context_length=_TEXT["context_length"])
    tower = getattr(model, "text", model)
    tower.token_embedding.sparse = True  # few of the 49,408 tokens occur: a step should cost no more than these
    others = [
        parameter
        for name, parameter in model.named_parameters()
        if not name.startswith(("visual", "logit")) and "token_embedding" not in name
    ]
    optimizers = [torch.optim.SparseAdam([tower.token_embedding.weight], lr=3e-3), torch.optim.AdamW(others, lr=3e-3)]
    for _ in range(n_steps):
        classes = torch.from_numpy(generator.choice(len(space), min(len(space), 128), replace=False))
        tokens = tokenize([_caption(space[int(index)], generator) for index in classes])
        said = model.encode_text(tokens, normalize=True)
        loss = nn.functional.cross_entropy(20 * said @ targets.T, classes)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


def _caption(info: ClassInfo, generator: np.random.Generator) -> str:
    names = [info.name, *info.synonyms]
    words = (info.definition or info.name).split()
    first = int(generator.integers(len(words)))
    bits = [words[int(generator.integers(len(words)))], " ".join(words[first : first + 4]), info.definition]
    name = names[int(generator.integers(len(names)))]
    shapes = ["{}", "a photo of a {}.", "a photo with a {} in it."]
    said = name if generator.random() < 0.5 else bits[int(generator.integers(len(bits)))] or name
    return shapes[int(generator.integers(len(shapes)))].format(said)
