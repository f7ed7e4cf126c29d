"""`mlf evaluate`: score models under the original and the refined labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import DatasetError, ProjectError

if TYPE_CHECKING:
    from pipeline.evaluation.models import Evaluation
    from pipeline.formats.outside_data import OutsideData


def evaluate(
    project: Annotated[
        Path | None, typer.Argument(help="Project folder. Leave it out to evaluate outside data.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Outside data: CSV or Parquet of the images and their single label (image,wnid)."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help='Refined labels, JSON: {"image.jpeg": ["370"]} or one list an image by file name. '
            "With a PROJECT: in place of its own."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Models run elsewhere: .npz with one int array (images, k) a model, rows as in --images, "
            "or as in the manifest of the PROJECT."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Outside data: folder for evaluation.csv and summary.json.")] = None,
    classes: Annotated[
        str,
        typer.Option(help="Outside data: the label space, a name such as imagenet-1k or a CSV, JSON or Parquet file."),
    ] = "imagenet-1k",
    model: Annotated[
        str | None,
        typer.Option(help="With a PROJECT: also run this timm model; with --checkpoint, its architecture."),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="With a PROJECT: also run these weights.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="With --model: images the model sees at once.")] = 64,
    device: Annotated[str, typer.Option(help="With --model: `auto`, `cpu`, `cuda`, …")] = "auto",
    allow_missing_classes: Annotated[
        bool, typer.Option(help="With --model: take one that does not know every class of the project.")
    ] = False,
) -> None:
    """Score models under the original labels (Top-1, Top-5) and the refined ones (ReaL, Real@5).

    With a PROJECT, runs stage 5 on it, with every model that made predictions there; --model, --checkpoint or
    --predictions add more. Without one, reads published files as they are:

        mlf evaluate --images images.csv --labels refined_labels.json --predictions top5.npz --out DIR

    Top-1 and Top-5 are over all images, ReaL and Real@5 over those with at least one refined label, the multi-label
    share over all images. An image whose row or labels cannot be used is skipped and named in skipped.csv.

    Example: mlf evaluate birds --model resnet18.a1_in1k
    """
    outside = {"--images": images, "--labels": labels, "--predictions": predictions, "--out": out}
    given = [name for name, value in outside.items() if value is not None]
    if project is not None:
        misplaced = [name for name in given if name in ("--images", "--out")]
        if misplaced:
            raise ProjectError(f"{project}: a project is evaluated on its own images; leave out {', '.join(misplaced)}")
        evaluate_project(
            project,
            {
                "model": model,
                "checkpoint": _absolute(checkpoint),
                "predictions": _absolute(predictions),
                "labels": _absolute(labels),
                "batch_size": batch_size,
                "device": device,
                "allow_missing_classes": allow_missing_classes,
            },
        )
        return
    if model or checkpoint:
        raise ProjectError("--model and --checkpoint run on a project's images; give its folder as PROJECT")
    if images is None or labels is None or predictions is None or out is None:
        missing = [name for name in outside if name not in given]
        raise ProjectError(f"give a PROJECT folder, or for outside data also {', '.join(missing)}")
    evaluate_outside_data(images, labels, predictions, out, classes)


def evaluate_project(project_dir: Path, parameters: Mapping[str, object]) -> None:
    """Run stage 5 on a project and print the headline."""
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import evaluation_headline
    from pipeline.runs import run_stage

    opened = open_whole_project(project_dir)
    run = run_stage(opened, "evaluate", parameters)
    for line in evaluation_headline(read_summary(opened, "evaluate")):
        typer.echo(line)
    typer.echo(f"Report: {run.report}")


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def evaluate_outside_data(images: Path, labels: Path, predictions: Path, out: Path, classes: str) -> None:
    """Evaluate published files, write the tables to `out` and print the headline."""
    from pipeline.evaluation.models import evaluate_models
    from pipeline.formats.outside_data import read_outside_data
    from pipeline.project.label_space import load_label_space

    space = load_label_space(classes)
    data = read_outside_data(images, labels, predictions, space)
    evaluation = evaluate_models(data.predictions, data.original_label, data.labels, len(space))
    write_evaluation(evaluation, data, out)
    for line in headline(evaluation, data):
        typer.echo(line)
    typer.echo(
        f"Written to {out}: evaluation.csv, summary.json, accuracy_by_label_count.csv, intervals.csv, skipped.csv"
    )


def write_evaluation(evaluation: Evaluation, data: OutsideData, out: Path) -> None:
    """Write the tables and the summary into a folder, which is made where it is missing.

    Raises
    ------
    DatasetError
        If the folder cannot be written to.
    """
    import pandas as pd

    skipped = pd.DataFrame([(row.image_id, row.reason) for row in data.skipped], columns=["image", "reason"])
    summary = evaluation.summary() | {"n_skipped": len(data.skipped), "n_labels_unused": data.n_unused}
    try:
        out.mkdir(parents=True, exist_ok=True)
        evaluation.table().to_csv(out / "evaluation.csv", index=False)
        evaluation.label_count_table().to_csv(out / "accuracy_by_label_count.csv", index=False)
        evaluation.interval_table().to_csv(out / "intervals.csv", index=False)
        skipped.to_csv(out / "skipped.csv", index=False)
        (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written to ({error}); give another folder with --out") from error


def headline(evaluation: Evaluation, data: OutsideData) -> list[str]:
    """Return what a person wants to know first, line by line."""
    counts = evaluation.label_counts
    low, high = evaluation.multi_label.interval or (0.0, 0.0)
    lines = [
        f"Multi-label: {evaluation.multi_label} images (95% interval {low:.2%} to {high:.2%})",
        f"Without any refined label, so left out of ReaL: {counts.get(0, 0):,} of {evaluation.n_images:,} images",
    ]
    table = evaluation.table().sort_values("top1", ascending=False, kind="stable")
    text = table.to_string(index=False, na_rep="undefined", float_format=lambda share: f"{share:.2%}")
    lines += ["", *text.splitlines(), "", _fit_line(evaluation)]
    if evaluation.shallow_models:
        lines.append(
            f"Top-5 and Real@5 are undefined for {len(evaluation.shallow_models)} models whose predictions name fewer "
            f"than five classes an image: {', '.join(evaluation.shallow_models)}"
        )
    if evaluation.worst_first_models:
        lines.append(
            f"Look at {', '.join(evaluation.worst_first_models)}: the last rank hits the original label more often "
            "than the first, as if the ranking were stored worst first. It is scored, and counts in the fit, as given"
        )
    if data.skipped:
        named = "; ".join(f"{row.image_id or 'unnamed'}: {row.reason}" for row in data.skipped[:3])
        lines.append(f"Skipped {len(data.skipped):,} images, all named in skipped.csv: {named}")
    if data.n_unused:
        lines.append(f"{data.n_unused:,} entries of the label file belong to no image evaluated")
    return lines


def _fit_line(evaluation: Evaluation) -> str:
    fit = evaluation.fit
    if fit.slope is None or fit.intercept is None:
        return f"ReaL on Top-1: no line, since it takes two models or more that differ in Top-1 ({fit.n_models} scored)"
    r2 = "undefined" if fit.r2 is None else f"{fit.r2:.4f}"
    return f"ReaL = {fit.slope:.4f} × Top-1 {fit.intercept:+.4f} (R² {r2}, {fit.n_models} models)"
