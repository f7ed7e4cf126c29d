"""Many models over the same images: a few at a time share a pass, and one that fails does not stop the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.checkpoint import ModelSource, read_description
from pipeline.inference.filling import RunOptions, fill_tables
from pipeline.inference.predictions import TOP_K, ranking_tables
from pipeline.project.folder import Project
from pipeline.project.notices import tell

if TYPE_CHECKING:
    from pipeline.inference.classifier import Classifier

#: From how many models on a bar shows how far the whole list is, and the time left for it.
_SHOWN_FROM = 2
#: Weights of one pass together, in bytes.
_WEIGHT_BYTES_AT_ONCE = 2**30


@dataclass(frozen=True, slots=True)
class NotRun:
    """A model that could not be run, and why."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class RanModels:
    """Names of the models whose rankings are complete now, in the order asked for, and those that could not be run."""

    names: tuple[str, ...] = ()
    not_run: tuple[NotRun, ...] = ()


def predict_with_many(
    project: Project, sources: Sequence[ModelSource], options: RunOptions, *, allow_missing_classes: bool = False
) -> RanModels:
    """Rank every image with each of these models, however many there are.

    Each model's table appears when it is complete, and a run that was killed goes on where it was. Models are loaded a
    few at a time, as many as memory takes; those with the same preprocessing share a pass over the images.

    Parameters
    ----------
    project
        Whose images.
    allow_missing_classes
        Accept models that do not know every class.

    Raises
    ------
    DatasetError, ProjectError
        If not a single model can be run; the error is that of the first.
    """
    from tqdm.auto import tqdm

    done = set[str]()
    failed = dict[str, DatasetError | ProjectError]()
    # Said only where it is hidden: `disable=False` would show a bar in a pipe, too.
    hidden = {"disable": True} if len(sources) < _SHOWN_FROM else {}
    with tqdm(total=len(sources), desc="models", unit=" models", **hidden) as progress:
        for classifiers in _passes(project, sources, failed, allow_missing_classes=allow_missing_classes):
            for note in (note for classifier in classifiers for note in classifier.notes):
                tell(note)
            _run(project, classifiers, options, done, failed)
            progress.update(len(done) + len(failed) - progress.n)
    if failed and not done:
        raise next(iter(failed.values()))
    return RanModels(
        tuple(source.label for source in sources if source.label in done),
        tuple(NotRun(name, str(error)) for name, error in failed.items()),
    )


def _passes(
    project: Project,
    sources: Sequence[ModelSource],
    failed: dict[str, DatasetError | ProjectError],
    *,
    allow_missing_classes: bool,
) -> Iterator[list[Classifier]]:
    """Yield loaded models, as many at a time as fit; those with the same preprocessing stand together."""
    from pipeline.inference.classifier import load_classifier

    loaded: list[Classifier] = []
    for source in sorted(sources, key=_expected_preprocessing):
        try:
            classifier = load_classifier(source, project.label_space, allow_missing_classes=allow_missing_classes)
        except DatasetError as error:
            failed[source.label] = error
            continue
        if loaded and not _fit_together([*loaded, classifier]):
            yield loaded
            loaded = []
        loaded.append(classifier)
    if loaded:
        yield loaded


def _run(
    project: Project,
    classifiers: Sequence[Classifier],
    options: RunOptions,
    done: set[str],
    failed: dict[str, DatasetError | ProjectError],
) -> None:
    """Run the models of one pass together; if that fails, each alone, to tell whose fault it is."""
    try:
        fillings = [ranking_tables(project, classifier, 1, TOP_K, options)[0] for classifier in classifiers]
        fill_tables(project, fillings, 1, options)
        done.update(classifier.name for classifier in classifiers)
    except (DatasetError, ProjectError) as error:
        if len(classifiers) == 1:
            failed[classifiers[0].name] = error
            return
        for classifier in classifiers:
            _run(project, [classifier], options, done, failed)


def _fit_together(classifiers: Sequence[Classifier]) -> bool:
    """Tell whether models can share a pass: the size to which a JPEG is decoded depends on all of a pass.

    So only models with the same preprocessing share one, and each has the rankings that it has alone.
    """
    n_bytes = sum(p.numel() * p.element_size() for c in classifiers for p in c.module.parameters())
    is_same = all(classifier.data_config == classifiers[0].data_config for classifier in classifiers)
    return is_same and n_bytes <= _WEIGHT_BYTES_AT_ONCE


def _expected_preprocessing(source: ModelSource) -> str:
    """Return what is known of a model's preprocessing without loading it; models are sorted by it."""
    if source.checkpoint is None:
        from timm.models import get_pretrained_cfg

        config = get_pretrained_cfg(source.architecture or "") if ":" not in (source.architecture or ":") else None
        return "" if config is None else f"{config.input_size} {config.mean} {config.interpolation} {config.crop_pct}"
    try:
        described = read_description(source.checkpoint)
    except DatasetError:
        return ""  # told when it is loaded
    return json.dumps([described.preprocessing, source.architecture or described.architecture], default=str)
