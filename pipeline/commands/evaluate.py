"""`mlf evaluate`: stage 5, a project's models scored under the original and the refined labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.computing import BatchSize, Device


def evaluate(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help='Refined labels in place of the project\'s own, JSON: {"image.jpeg": ["370"]} or one list per image '
            "by file name."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Models run elsewhere: .npz with one int array (images, k) a model, rows as in the manifest."
        ),
    ] = None,
    class_numbers: Annotated[
        str,
        typer.Option(
            help="What class numbers in --labels mean, where they could mean two things: `keys`, `from-0` (indices "
            "counted from 0) or `from-1`."
        ),
    ] = "auto",
    order: Annotated[
        str | None,
        typer.Option(
            help="In a project made from a folder: order of classes and images in --predictions, `natural` (timm) or "
            "`torchvision` (Keras and Hugging Face, too)."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Also run this timm model; with --checkpoint, its architecture.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Also run these weights.")] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            help="Also run every model of this list: a timm name, a checkpoint (or ARCHITECTURE CHECKPOINT) or an .npz "
            "of predictions on each line."
        ),
    ] = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    precision: Annotated[
        str | None,
        typer.Option(
            help="What models are run in: `float32`, `bfloat16`, `float16` (GPU) or `auto`. Left out, the project's "
            "setting, which is float32 unless changed."
        ),
    ] = None,
    allow_missing_classes: Annotated[
        bool, typer.Option(help="Accept models that do not know every class of the project.")
    ] = False,
    restart: Annotated[
        bool, typer.Option(help="Throw away what an earlier run of the models named here left, and start over.")
    ] = False,
) -> object:
    """Score a project's models under the original labels (Top-1, Top-5) and the refined ones (ReaL, Real@5).

    Runs stage 5 with every model that made predictions there; --model, --checkpoint, --predictions or --models add
    more. A run that was stopped or killed goes on where it was when the same command is given again, and a model
    that cannot be run does not stop the others. Top-1 and Top-5 are over the images with an original label, ReaL
    and Real@5 over those with at least one refined label, the multi-label share over all images. `mlf models`
    lists, renames and removes models; files without a project are scored with `mlf score`.

    Example: mlf evaluate birds --models models.txt
    """
    from pipeline.inference.precision import as_asked
    from pipeline.project.class_references import as_class_numbers
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import evaluation_headline
    from pipeline.runs import run_stage
    from pipeline.stages.evaluate import EvaluateSummary

    opened = open_whole_project(project)
    parameters = {
        "model": model,
        "checkpoint": _absolute(checkpoint),
        "predictions": _absolute(predictions),
        "models": _absolute(models),
        "order": order,
        "labels": _absolute(labels),
        "class_numbers": as_class_numbers(class_numbers),
        "batch_size": batch_size,
        "device": device,
        "precision": as_asked(precision) if precision else None,
        "allow_missing_classes": allow_missing_classes,
        "restart": restart,
    }
    run = run_stage(opened, "evaluate", parameters)
    summary = read_summary(opened, "evaluate", EvaluateSummary)
    for line in evaluation_headline(summary):
        typer.echo(line)
    typer.echo(f"Report: {run.report}")
    return {"figures": summary, "report": run.report}


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())
