"""Classes from their words alone: models that were trained on pictures with captions (CLIP, SigLIP), by `open_clip`.

Each class is put into words by prompts; an image is compared with the words of every class. No example is needed.

References
----------
Radford, A., et al. (2021). Learning transferable visual models from natural language supervision. ICML.
Zhai, X., Mustafa, B., Kolesnikov, A., Beyer, L. (2023). Sigmoid loss for language image pre-training. ICCV.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource, read_description
from pipeline.inference.classifier import Classifier, first_line, weights_sha256, why_weights_do_not_fit
from pipeline.project.label_space import ClassInfo, LabelSpace

#: What is said of each class unless a person words it. A prompt with `{definition}` is used where there is one.
PROMPTS = ("a photo of a {name}.", "a photo with a {name} in it.", "{name}, {definition}.")
_FOLDER_CONFIG = "open_clip_config.json"
_HUB = ("hf-hub:", "hf_hub:")
_TEXTS_AT_ONCE = 256
#: How `timm` calls the ways in which `open_clip` brings a picture to a model's size.
_CROP_MODES = {"shortest": "center", "squash": "squash", "longest": "border"}


def load_zero_shot(model: str, space: LabelSpace, prompts: Sequence[str] = ()) -> Classifier:
    """Load an image-text model, and put the classes of a label space into words for it.

    Parameters
    ----------
    model
        A name and weights that `open_clip` knows (``ViT-B-32/openai``), a repository of the Hugging Face hub
        (``hf-hub:timm/ViT-B-16-SigLIP``), a folder as `open_clip` saves it (with ``open_clip_config.json``), or a file
        of weights with a JSON beside it that names the ``architecture``.
    prompts
        Sentences with ``{name}`` and, where wanted, ``{definition}``; :data:`PROMPTS` if there are none. Synonyms take
        the place of the name in turn. A class is the mean of all its sentences.

    Returns
    -------
    Classifier
        One whose outputs are the classes in order.

    Raises
    ------
    DatasetError
        If `open_clip` is not installed or does not know the model, its weights cannot be fetched or do not fit, or a
        prompt has no place for the name.
    """
    if find_spec("open_clip") is None:
        raise DatasetError(
            f"model {model}: --zero-shot needs open_clip, which is not installed: `pip install 'multilabelfy[clip]'`"
        )
    worded = tuple(prompts) or PROMPTS
    for prompt in worded:
        if "{name}" not in prompt:
            raise DatasetError(f"--prompt {prompt!r}: has no {{name}}, so it would say the same of every class")
    name, weights = _source(model)
    network, tokenize = _loaded(model, name, weights)
    text = _text_features(network, tokenize, space, worded)
    return Classifier(
        name=f"{_label(model)}.zero-shot",
        module=_ImageText(network, text).eval().requires_grad_(requires_grad=False),
        data_config=_data_config(network),
        outputs=torch.arange(len(space)),
        class_indices=torch.arange(len(space)),
        n_missing=0,
        class_order="keys",
        is_multi_label=getattr(network, "logit_bias", None) is not None,
        origin={
            "weights_sha256": weights_sha256(network),
            "prompts": list(worded),
            "words_sha256": _digest([sentence for info in space for sentence in sentences(info, worded)]),
        },
    )


def sentences(info: ClassInfo, prompts: Sequence[str]) -> list[str]:
    """Return everything that the prompts say of a class, each sentence once."""
    fitting = [prompt for prompt in prompts if info.definition or "{definition}" not in prompt]
    said = [
        info.definition.join(part.replace("{name}", name) for part in prompt.split("{definition}"))
        for prompt in fitting
        for name in (info.name, *info.synonyms)
    ]
    return list(dict.fromkeys(said or [info.name]))


class _ImageText(nn.Module):
    """The half of the model that sees, with the words of the classes: gives logits (n, n_classes)."""

    text: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor

    def __init__(self, network: Any, text: torch.Tensor) -> None:
        super().__init__()
        bias = getattr(network, "logit_bias", None)
        self.visual = network.visual
        self.register_buffer("text", text)
        self.register_buffer("scale", network.logit_scale.detach().float().exp())
        self.register_buffer("bias", torch.zeros(()) if bias is None else bias.detach().float().reshape(()))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen = self.visual(pixels)
        features = seen[0] if isinstance(seen, tuple) else seen  # CoCa gives its tokens, too
        found: torch.Tensor = nn.functional.normalize(features, dim=-1).float() @ self.text.T
        return found * self.scale + self.bias


def _label(model: str) -> str:
    path = Path(model)
    given = path.stem if path.is_file() else path.name if path.is_dir() else model.removeprefix("hf_hub:")
    return ModelSource(name=given).label


def _source(model: str) -> tuple[str, str | None]:
    """Return what `open_clip` is asked for: the model's name in its own spelling, and its weights."""
    path = Path(model)
    if path.is_dir():
        if not (path / _FOLDER_CONFIG).is_file():
            raise DatasetError(f"{path}: a folder without {_FOLDER_CONFIG}; take one that open_clip saved, or a file")
        return f"local-dir:{path}", None
    if path.is_file():
        architecture = read_description(path).architecture
        if not architecture:
            raise DatasetError(
                f'{path}: nothing says what model it is; put a JSON with "architecture" beside it, as '
                '{"architecture": "ViT-B-32"}'
            )
        return _known(architecture, f"{path}: architecture {architecture!r}"), str(path)
    if model.startswith(_HUB):
        return f"hf-hub:{model.partition(':')[2]}", None
    if model.startswith((".", "/", "~")) or path.suffix in {".pt", ".pth", ".bin", ".safetensors"}:
        raise DatasetError(f"{model}: no such file or folder of an image-text model for --zero-shot")
    return _built_in(model)


def _built_in(model: str) -> tuple[str, str]:
    """Return the name and the weights of a model that `open_clip` lists."""
    import open_clip

    architecture, _, tag = model.rpartition("/")
    if model.replace("/", "-") in open_clip.list_models():
        architecture, tag = model.replace("/", "-"), ""
    name = _known(architecture or model, f"model {model!r}")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if not tag and len(tags) == 1:
        tag = tags[0]
    if tag not in tags:
        said = f"{name} has no weights {tag!r}" if tag else f"{name} has several weights"
        raise DatasetError(f"model {model!r}: {said}; name one of {', '.join(f'{name}/{known}' for known in tags)}")
    return name, tag


def _known(architecture: str, what: str) -> str:
    import open_clip

    known = open_clip.list_models()
    if architecture in known:
        return architecture
    near = get_close_matches(architecture, known, 3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "`open_clip.list_models()` lists names"
    raise DatasetError(
        f"{what}: open_clip knows no such model; {hint} Others are hf-hub:OWNER/NAME, a folder, or a file of weights"
    )


def _loaded(model: str, name: str, weights: str | None) -> tuple[Any, Callable[[list[str]], torch.Tensor]]:
    import open_clip

    try:
        with _nothing_logged():
            network = open_clip.create_model(name, pretrained=weights, require_pretrained=True)
            tokenize = open_clip.get_tokenizer(name)
    except Exception as error:  # open_clip, its hub client and readers of damaged files may raise anything
        if Path(model).exists():
            raise DatasetError(
                f"{model}: cannot be loaded as an image-text model: {why_weights_do_not_fit(error)}"
            ) from error
        raise DatasetError(
            f"model {model!r}: cannot be fetched: {first_line(error)}; where no model hub is reached, give a folder or "
            "a file of weights that lies on this machine"
        ) from error
    return network.eval(), tokenize


@contextmanager
def _nothing_logged() -> Iterator[None]:
    """Keep `open_clip` from logging what the error says anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _text_features(
    network: Any, tokenize: Callable[[list[str]], torch.Tensor], space: LabelSpace, prompts: Sequence[str]
) -> torch.Tensor:
    """Return each class's direction: the mean of its sentences', of length 1, float32 (n_classes, width)."""
    from tqdm.auto import tqdm

    said = [sentences(info, prompts) for info in space]
    flat = [sentence for of_class in said for sentence in of_class]
    class_of = torch.repeat_interleave(torch.tensor([len(of_class) for of_class in said]))
    parts = []
    starts = range(0, len(flat), _TEXTS_AT_ONCE)
    with torch.inference_mode():
        for first in starts if len(starts) < 2 else tqdm(starts, desc="words of the classes", unit=" batches"):
            tokens = tokenize(flat[first : first + _TEXTS_AT_ONCE])
            parts.append(network.encode_text(tokens, normalize=True).float())
    features = torch.cat(parts)
    total = torch.zeros(len(space), features.shape[1]).index_add_(0, class_of, features)
    return nn.functional.normalize(total, dim=-1)


def _data_config(network: Any) -> dict[str, Any]:
    """Return how `open_clip` prepares pictures for a model, as `timm` says it."""
    config = network.visual.preprocess_cfg
    size = config["size"]
    height_px, width_px = (size, size) if isinstance(size, int) else tuple(size)
    interpolation = config.get("interpolation") or "bicubic"
    return {
        "input_size": (3, int(height_px), int(width_px)),
        "interpolation": "bicubic" if interpolation == "random" else interpolation,
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "crop_pct": 1.0,
        "crop_mode": _CROP_MODES[config.get("resize_mode") or "shortest"],
    }


def _digest(texts: Sequence[str]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
