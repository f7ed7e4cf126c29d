"""Stage 5 of a project: its models scored under the original and the refined labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BeforeValidator

from pipeline.errors import DatasetError, ProjectError
from pipeline.evaluation.accuracy import ModelAccuracy
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_pairs
from pipeline.evaluation.models import Evaluation, EvaluationFigures, evaluate_models
from pipeline.evaluation.shares import Share
from pipeline.formats.refined_labels_in import read_evidence_models, read_refined_labels
from pipeline.inference.predictions import predict, read_model_predictions
from pipeline.project.class_references import ClassNumbers
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns, original_labels
from pipeline.project.results import has_summary, read_summary, write_results
from pipeline.proposals.fusion import ProposalRecall, proposal_recall
from pipeline.proposals.reader import ProposalReader
from pipeline.stages.chance_level import tell_of_chance_level
from pipeline.stages.propose_from_predictions import keep_predictions
from pipeline.votes.words import Source


def _accuracy_from_json(value: object) -> object:
    """Gather a model's metrics, which the file keeps at the same level as its name."""
    if not isinstance(value, dict):
        return value
    return {"model": value.get("model"), "shares": {name: share for name, share in value.items() if name != "model"}}


@dataclass(frozen=True)
class EvaluateSummary(EvaluationFigures):
    """The figures of stage 5; :func:`pipeline.project.results.read_summary` reads back what `as_json` gives.

    `labels_from`, `n_undecided`, `original_label_kept` and the two figures of the proposals are those of
    :class:`ProjectEvaluation`.
    """

    labels_from: str
    n_undecided: int
    original_label_kept: Share
    proposal_recall: Share | None
    images_with_all_labels_proposed: Share | None
    simulated_annotators: tuple[str, ...]
    evidence_models: tuple[str, ...]
    annotators_left_out: tuple[str, ...]
    models: tuple[Annotated[ModelAccuracy, BeforeValidator(_accuracy_from_json)], ...]

    def as_json(self) -> dict[str, object]:
        """Return the content of `results/evaluate.json`: each share with its value and its interval."""
        return asdict(self) | {
            "original_label_kept": _share(self.original_label_kept),
            "proposal_recall": _share(self.proposal_recall),
            "images_with_all_labels_proposed": _share(self.images_with_all_labels_proposed),
            "models": [
                {"model": accuracy.model} | {name: _share(share) for name, share in accuracy.shares.items()}
                for accuracy in self.models
            ],
        }


@dataclass(frozen=True)
class _LeftOut:
    names: tuple[str, ...]


@dataclass(frozen=True)
class _WhoTookPart:
    """The part of the settling summary that evaluation needs."""

    simulated_annotators: tuple[str, ...]
    annotators_left_out: _LeftOut


@dataclass(frozen=True, eq=False)
class ProjectEvaluation:
    """Stage 5 of one project.

    Attributes
    ----------
    evaluation
        Every model's figures, on the decided images.
    image_index
        int64 ``(n_decided,)``: the decided images, in the order of `labels` and `original`.
    labels, original
        Their refined and their original labels (-1 for none).
    n_undecided
        How many of the project's images are left out, because they are undecided or the label file does not name them.
    n_original_kept
        Images whose original label is among the refined ones, out of those with an original label.
    recall
        How many of the refined labels the proposals contain; ``None`` without proposals.
    source
        Where the refined labels come from: the project, or the name of the file.
    summary
        All these figures in short.
    """

    evaluation: Evaluation
    image_index: NDArray[np.int64]
    labels: LabelSets
    original: NDArray[np.int32]
    n_undecided: int
    n_original_kept: Share
    recall: ProposalRecall | None
    source: str
    summary: EvaluateSummary


def add_predictions(
    project: Project,
    model: str | None = None,
    checkpoint: str | None = None,
    predictions: str | None = None,
    *,
    order: str | None = None,
    batch_size: int = 64,
    device: str = "auto",
    allow_missing_classes: bool = False,
) -> list[str]:
    """Add a model's rankings to the project, so that it is evaluated like the others; return the names added.

    Parameters
    ----------
    project
        An open project.
    model
        A name that `timm` knows; with a checkpoint, the checkpoint's architecture.
    checkpoint
        Weights on this machine.
    predictions
        An ``.npz`` of models that were run elsewhere, with rows in the order of the manifest.
    order
        As for :func:`pipeline.stages.propose_from_predictions.propose_from_predictions`.
    batch_size, device, allow_missing_classes
        As for :func:`pipeline.inference.predictions.predict`.

    Raises
    ------
    DatasetError
        If the model or the file cannot be read.
    ProjectError
        If an earlier run of this model used other settings.
    """
    added = []
    if model or checkpoint:
        from pipeline.inference.checkpoint import ModelSource

        source = ModelSource(model, Path(checkpoint) if checkpoint else None)
        done = predict(
            project,
            [source],
            batch_size=batch_size,
            device=device,
            allow_missing_classes=allow_missing_classes,
        )
        added += [summary.model for summary in done]
    if predictions:
        added += keep_predictions(project, predictions, order)
    return added


def evaluate_project(
    project: Project, labels: str | None = None, *, class_numbers: ClassNumbers = "auto"
) -> ProjectEvaluation:
    """Score every model in the project's `predictions/`; write `results/evaluate.json` and the tables beside it.

    Every figure counts only decided images.

    Parameters
    ----------
    project
        A project with predictions.
    labels
        JSON of refined labels from elsewhere (:func:`pipeline.formats.refined_labels_in.read_refined_labels`); None
        takes the project's own.
    class_numbers
        How class numbers are read in `labels` (:mod:`pipeline.project.class_references`).

    Raises
    ------
    ProjectError
        If there are no refined labels or no predictions.
    DatasetError
        If a table cannot be read.
    """
    paths = sorted(project.predictions_dir.glob("*.parquet"))
    if not paths:
        raise ProjectError(
            f"{project.root} has no predictions to evaluate; add a model with "
            f"`mlf evaluate {project.root} --model NAME` or `--predictions FILE.npz`"
        )
    original = original_labels(project)
    rows, sets = (
        _project_labels(project) if labels is None else labels_from(Path(labels), project, class_numbers, original)
    )
    rankings = _Rankings(paths, rows, len(original))
    evaluation = evaluate_models(rankings, original[rows], sets, len(project.label_space))
    kept = _original_kept(original[rows], sets)
    recall = _recall(project, rows, sets)
    source = "the project" if labels is None else Path(labels).name
    n_undecided = len(original) - len(rows)
    evidence_models = read_evidence_models(project.refined_labels_path if labels is None else Path(labels))
    took_part = _took_part(project)
    found = ProjectEvaluation(
        evaluation=evaluation,
        image_index=rows,
        labels=sets,
        original=original[rows],
        n_undecided=n_undecided,
        n_original_kept=kept,
        recall=recall,
        source=source,
        summary=EvaluateSummary(
            **vars(evaluation.summary()),
            labels_from=source,
            n_undecided=n_undecided,
            original_label_kept=kept,
            proposal_recall=None if recall is None else recall.labels,
            images_with_all_labels_proposed=None if recall is None else recall.complete_images,
            simulated_annotators=() if labels is not None else took_part.simulated_annotators,
            evidence_models=tuple(row.model for row in evaluation.models if row.model in evidence_models),
            annotators_left_out=() if labels is not None else took_part.annotators_left_out.names,
            models=evaluation.models,
        ),
    )
    scored = evaluation.table()
    write_results(
        project,
        "evaluate",
        found.summary.as_json(),
        {
            "evaluation.csv": scored.assign(gave_evidence=scored["model"].isin(evidence_models)),
            "accuracy_by_label_count.csv": evaluation.label_count_table(),
            "intervals.csv": evaluation.interval_table(),
        },
    )
    tell_of_chance_level(project, [path.stem for path in paths])
    return found


def label_count_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return how many images have each number of labels, as columns ``n_labels``, ``n_images``, ``share``."""
    counts = evaluation.label_counts
    table = pd.DataFrame({"n_labels": list(counts), "n_images": list(counts.values())})
    return table.assign(share=table["n_images"] / evaluation.n_images)


class _Rankings(Mapping[str, NDArray[np.integer]]):
    """Models' rankings of some images; each is read when asked for, so that only one is in memory at a time."""

    def __init__(self, paths: list[Path], rows: NDArray[np.int64], n_images: int) -> None:
        self._paths = {path.stem: path for path in paths}
        self._rows = rows
        self._n_images = n_images

    def __getitem__(self, model: str) -> NDArray[np.integer]:
        path = self._paths[model]
        ranking = read_model_predictions(path).class_index
        if len(ranking) != self._n_images:
            raise DatasetError(
                f"{path}: has {len(ranking):,} rows for the {self._n_images:,} images of the project; "
                "run the model again"
            )
        return ranking[self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _project_labels(project: Project) -> tuple[NDArray[np.int64], LabelSets]:
    table = pq.read_table(
        project.require(project.refined_labels_path, "mlf settle"), columns=["image_index", "class_index", "source"]
    ).to_pandas()
    decided = table[table["source"] != Source.UNLABELLED]
    if len(decided) == 0:
        raise ProjectError(f"{project.refined_labels_path}: no image has been decided; run `mlf settle` again")
    rows = np.unique(decided["image_index"].to_numpy(dtype=np.int64))
    labelled = decided[decided["class_index"].notna()]
    ids = image_columns(project, ["image_id"]).column(0).take(rows).to_pylist()
    place = np.searchsorted(rows, labelled["image_index"].to_numpy(dtype=np.int64))
    return rows, label_sets_from_pairs(place, labelled["class_index"].to_numpy(dtype=np.int32), ids)


def labels_from(
    path: Path, project: Project, numbers: ClassNumbers, original: NDArray[np.int32]
) -> tuple[NDArray[np.int64], LabelSets]:
    """Return which of the project's images a file of refined labels names, and the labels it gives them."""
    ids = image_columns(project, ["image_id"]).column(0).to_pylist()
    paired = read_refined_labels(path, ids, project.label_space, numbers, original.tolist())
    return paired.rows, paired.labels


def _original_kept(original: NDArray[np.int32], labels: LabelSets) -> Share:
    is_kept = np.zeros(len(labels), dtype=bool)
    is_kept[labels.image_index[labels.class_index == original[labels.image_index]]] = True
    return Share(int(is_kept.sum()), int((original >= 0).sum()))


def _recall(project: Project, rows: NDArray[np.int64], labels: LabelSets) -> ProposalRecall | None:
    if not project.proposals_path.exists():
        return None
    proposed = ProposalReader(project.proposals_path).as_arrays().class_index
    return proposal_recall(proposed[rows, : project.settings.proposals.n_proposals], labels)


def _took_part(project: Project) -> _WhoTookPart:
    if not has_summary(project, "settle"):
        return _WhoTookPart((), _LeftOut(()))
    return read_summary(project, "settle", _WhoTookPart)


def _share(share: Share | None) -> dict[str, object] | None:
    return None if share is None else asdict(share) | {"value": share.value, "interval_95": share.interval}
