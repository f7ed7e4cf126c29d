"""Stage 5 of a project: its models scored under the original and the refined labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BeforeValidator

from pipeline.errors import DatasetError, ProjectError
from pipeline.evaluation.accuracy import ModelAccuracy
from pipeline.evaluation.differences import OrderChange
from pipeline.evaluation.label_doubt import DoubtDraws, DoubtfulLabels, draw_labels
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_pairs
from pipeline.evaluation.models import Evaluation, EvaluationFigures, draws_for, evaluate_models
from pipeline.evaluation.shares import Mean, Share
from pipeline.formats.refined_labels_in import read_evidence_models, read_refined_labels
from pipeline.inference.many_models import NotRun
from pipeline.inference.precision import stated_precision
from pipeline.inference.predictions import read_ranking
from pipeline.project.class_references import ClassNumbers
from pipeline.project.current_classes import CurrentClasses
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns, original_labels
from pipeline.project.result_paths import tables_dir
from pipeline.project.results import has_summary, read_summary, write_results
from pipeline.project.wording import so_many
from pipeline.proposals.fusion import ProposalRecall, proposal_recall
from pipeline.proposals.reader import open_proposals
from pipeline.stages.chance_level import tell_of_chance_level
from pipeline.stages.levels import Level, LevelFigures, evaluation_by_level, level_table
from pipeline.stages.models_of_project import former_names
from pipeline.votes.words import Source


def _accuracy_from_json(value: object) -> object:
    """Gather a model's metrics, which the file keeps at the same level as its name."""
    if not isinstance(value, dict):
        return value
    return {"model": value.get("model"), "shares": {name: share for name, share in value.items() if name != "model"}}


#: Tables of models' accuracies: each says in which precision a model was computed.
_OF_ACCURACIES = frozenset(
    {"evaluation.csv", "accuracy_by_label_count.csv", "intervals.csv", "levels.csv", "ranks.csv", "real_with_doubt.csv"}
)


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
    models_not_run: tuple[NotRun, ...] = ()
    #: Model to the precision in which it was computed; `not stated` of models that were run elsewhere.
    precisions: Mapping[str, str] = field(default_factory=dict)
    #: How far Top-1 and ReaL order the models alike; None where they were not compared.
    order: OrderChange | None = None
    #: The best model at every level of the classes, the top one first; empty where no class has a parent.
    levels: tuple[LevelFigures, ...] = ()
    #: Interval of the multi-label share that holds the voters' doubt; None where it was not drawn.
    multi_label_with_doubt_95: tuple[float, float] | None = None

    def as_json(self) -> dict[str, object]:
        """Return the content of `results/evaluate.json`: each share with its value and its interval."""
        return asdict(self) | {
            "original_label_kept": _share(self.original_label_kept),
            "proposal_recall": _share(self.proposal_recall),
            "images_with_all_labels_proposed": _share(self.images_with_all_labels_proposed),
            "levels": [
                asdict(level) | {name: _share(getattr(level, name)) for name in ("multi_label", "top1", "real")}
                for level in self.levels
            ],
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
    doubt
        ReaL with the voters' doubt in its interval; ``None`` for labels from elsewhere, or without doubtful ones.
    levels
        The models at every level of the classes; empty where no class has a parent.
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
    doubt: DoubtDraws | None
    levels: tuple[Level, ...]
    summary: EvaluateSummary


def evaluate_project(
    project: Project,
    labels: str | None = None,
    *,
    class_numbers: ClassNumbers = "auto",
    not_run: Sequence[NotRun] = (),
    n_draws: int | None = None,
    seed: int = 0,
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
    not_run
        Models that were asked for and could not be run, for the summary to name.
    n_draws, seed
        How often images and labels are drawn anew, for the differences between models; None chooses by their number
        (:func:`pipeline.evaluation.models.draws_for`). The seed of the draws.

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
            f"`mlf evaluate {project.root} --model NAME`, `--predictions FILE.npz` or `--models LIST.txt`"
        )
    original = original_labels(project)
    rows, sets = (
        refined_labels_of(project) if labels is None else labels_from(Path(labels), project, class_numbers, original)
    )
    n_drawn = draws_for(len(rows) * len(paths), n_draws)
    doubtful = _doubtful(project, rows) if n_drawn and labels is None else None
    first_choices: dict[str, NDArray[np.integer]] | None = None if doubtful is None else {}
    rankings = _Rankings(paths, rows, len(original), project.current_classes, first_choices)
    evaluation = evaluate_models(rankings, original[rows], sets, len(project.label_space), n_draws=n_drawn, seed=seed)
    doubt = draw_labels(first_choices, sets, doubtful, n_drawn, seed) if first_choices and doubtful else None
    kept = _original_kept(original[rows], sets)
    recall = _recall(project, rows, sets)
    source = "the project" if labels is None else Path(labels).name
    n_undecided = len(original) - len(rows)
    gave_evidence = read_evidence_models(project.refined_labels_path if labels is None else Path(labels))
    evidence_models = {path.stem for path in paths if gave_evidence & {path.stem, *former_names(path)}}
    took_part = _took_part(project)
    precisions = {path.stem: stated_precision(path) for path in paths}
    levels = evaluation_by_level(project.label_space, rankings, original[rows], sets)
    found = ProjectEvaluation(
        evaluation=evaluation,
        image_index=rows,
        labels=sets,
        original=original[rows],
        n_undecided=n_undecided,
        n_original_kept=kept,
        recall=recall,
        source=source,
        doubt=doubt,
        levels=levels,
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
            models_not_run=tuple(not_run),
            precisions=precisions,
            order=None if evaluation.comparison is None else evaluation.comparison.order,
            multi_label_with_doubt_95=None if doubt is None else doubt.multi_label_interval(),
            models=evaluation.models,
            levels=tuple(level.in_short() for level in levels),
        ),
    )
    scored = evaluation.table()
    tables = {
        "evaluation.csv": scored.assign(gave_evidence=scored["model"].isin(evidence_models)),
        "accuracy_by_label_count.csv": evaluation.label_count_table(),
        "intervals.csv": evaluation.interval_table(),
        "underrating_by_class.csv": _named(project, evaluation.underrating),
    }
    if evaluation.comparison is not None:
        tables |= {"pairs.csv": evaluation.comparison.pairs, "ranks.csv": evaluation.comparison.ranks}
    if doubt is not None:
        tables["real_with_doubt.csv"] = doubt.table()
    if levels:
        tables["levels.csv"] = level_table(levels)
    for name in _OF_ACCURACIES & tables.keys():
        tables[name] = tables[name].assign(precision=tables[name]["model"].map(precisions))
    write_results(project, "evaluate", found.summary.as_json(), tables)
    tell_of_chance_level(project, [path.stem for path in paths])
    return found


def label_count_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return how many images have each number of labels, as columns ``n_labels``, ``n_images``, ``share``."""
    counts = evaluation.label_counts
    table = pd.DataFrame({"n_labels": list(counts), "n_images": list(counts.values())})
    return table.assign(share=table["n_images"] / evaluation.n_images)


class _Rankings(Mapping[str, NDArray[np.integer]]):
    """Models' rankings of some images; each is read when asked for, so that only one is in memory at a time.

    Where `first_choices` are wanted, each model's are put there as it is read.
    """

    def __init__(
        self,
        paths: list[Path],
        rows: NDArray[np.int64],
        n_images: int,
        current: CurrentClasses,
        first_choices: dict[str, NDArray[np.integer]] | None,
    ) -> None:
        self._current = current
        self._paths = {path.stem: path for path in paths}
        self._rows = rows
        self._n_images = n_images
        self._first_choices = first_choices

    def __getitem__(self, model: str) -> NDArray[np.integer]:
        path = self._paths[model]
        ranking = read_ranking(path, self._current)
        if len(ranking) != self._n_images:
            raise DatasetError(
                f"{path}: has {so_many(len(ranking), 'row')} for the {so_many(self._n_images, 'image')} of the "
                "project; run the model again (after `mlf add` it looks at the new images alone), or remove it: `mlf "
                f"models PROJECT --remove {model}`"
            )
        wanted = ranking if len(self._rows) == self._n_images else ranking[self._rows]
        if self._first_choices is not None:
            self._first_choices[model] = wanted[:, 0].copy()
        return wanted

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def refined_labels_of(project: Project) -> tuple[NDArray[np.int64], LabelSets]:
    """Return the images that the project has decided, ascending, and their refined labels.

    Raise `ProjectError` if there are no refined labels, or no image is decided.
    """
    table = pq.read_table(
        project.require(project.refined_labels_path, "mlf settle"), columns=["image_index", "class_index", "source"]
    ).to_pandas()
    decided = table[table["source"] != Source.UNLABELLED]
    if len(decided) == 0:
        raise ProjectError(f"{project.refined_labels_path}: no image has been decided; run `mlf settle` again")
    if decided["class_index"].isin(list(project.label_space.gone)).any():
        raise ProjectError(
            f"{project.refined_labels_path}: classes were merged, split or retired after these labels were settled; "
            f"run `mlf settle {project.root}` again"
        )
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
    proposed = open_proposals(project).classes()[:, : project.settings.proposals.n_proposals]
    return proposal_recall(proposed if len(rows) == len(proposed) else proposed[rows], labels)


def _doubtful(project: Project, rows: NDArray[np.int64]) -> DoubtfulLabels | None:
    """Return the labels of these images of which the votes left a doubt; None where there are none."""
    path = tables_dir(project, "settle") / "chances.parquet"
    if not path.is_file():
        return None
    table = pd.read_parquet(path)
    place = np.searchsorted(rows, table["image_index"])
    is_there = rows[np.minimum(place, len(rows) - 1)] == table["image_index"]
    if not is_there.any():
        return None
    return DoubtfulLabels(
        place[is_there].astype(np.int64),
        table["class_index"][is_there].to_numpy(dtype=np.int64),
        table["chance"][is_there].to_numpy(dtype=np.float64),
    )


def _named(project: Project, by_class: pd.DataFrame) -> pd.DataFrame:
    space = project.label_space
    classes = by_class["class_index"]
    return by_class.assign(key=[space.keys[c] for c in classes], name=[space.names[c] for c in classes])


def _took_part(project: Project) -> _WhoTookPart:
    if not has_summary(project, "settle"):
        return _WhoTookPart((), _LeftOut(()))
    return read_summary(project, "settle", _WhoTookPart)


def _share(share: Share | Mean | None) -> dict[str, object] | None:
    return None if share is None else asdict(share) | {"value": share.value, "interval_95": share.interval}
