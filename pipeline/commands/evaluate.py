"""`mlf evaluate`: stage 5, a project's models scored under the original and the refined labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import ProjectError

_OLD = "Now an option of `mlf score`."


def evaluate(
    project: Annotated[Path | None, typer.Argument(help="The project's folder.", show_default=False)] = None,
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
    batch_size: Annotated[int, typer.Option(min=1, help="With --model: images the model sees at once.")] = 64,
    device: Annotated[str, typer.Option(help="With --model: `auto`, `cpu`, `cuda`, …")] = "auto",
    allow_missing_classes: Annotated[
        bool, typer.Option(help="With --model: accept one that does not know every class of the project.")
    ] = False,
    images: Annotated[Path | None, typer.Option(hidden=True, help=_OLD)] = None,
    out: Annotated[Path | None, typer.Option(hidden=True, help=_OLD)] = None,
    classes: Annotated[str, typer.Option(hidden=True, help=_OLD)] = "imagenet-1k",
) -> None:
    """Score a project's models under the original labels (Top-1, Top-5) and the refined ones (ReaL, Real@5).

    Runs stage 5 with every model that made predictions there; --model, --checkpoint or --predictions add more. Top-1
    and Top-5 are over all images, ReaL and Real@5 over those with at least one refined label, the multi-label share
    over all images. Files without a project are scored with `mlf score`.

    Example: mlf evaluate birds --model resnet18.a1_in1k
    """
    from pipeline.project.class_references import as_class_numbers

    if project is None:
        if model or checkpoint:
            raise ProjectError("--model and --checkpoint run on a project's images; give its folder as PROJECT")
        _score_files(images, labels, predictions, out, classes, class_numbers)
        return
    misplaced = [name for name, value in (("--images", images), ("--out", out)) if value is not None]
    if misplaced:
        raise ProjectError(f"{project}: a project is evaluated on its own images; leave out {', '.join(misplaced)}")
    _evaluate_project(
        project,
        {
            "model": model,
            "checkpoint": _absolute(checkpoint),
            "predictions": _absolute(predictions),
            "order": order,
            "labels": _absolute(labels),
            "class_numbers": as_class_numbers(class_numbers),
            "batch_size": batch_size,
            "device": device,
            "allow_missing_classes": allow_missing_classes,
        },
    )


def _evaluate_project(project_dir: Path, parameters: Mapping[str, object]) -> None:
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import evaluation_headline
    from pipeline.runs import run_stage
    from pipeline.stages.evaluate import EvaluateSummary

    opened = open_whole_project(project_dir)
    run = run_stage(opened, "evaluate", parameters)
    for line in evaluation_headline(read_summary(opened, "evaluate", EvaluateSummary)):
        typer.echo(line)
    typer.echo(f"Report: {run.report}")


def _score_files(
    images: Path | None,
    labels: Path | None,
    predictions: Path | None,
    out: Path | None,
    classes: str,
    class_numbers: str,
) -> None:
    """Do what `mlf evaluate` did without a project before it became `mlf score`."""
    from pipeline.commands.score import score

    given = {"--images": images, "--labels": labels, "--predictions": predictions, "--out": out}
    if images is None or labels is None or predictions is None or out is None:
        missing = [name for name, value in given.items() if value is None]
        raise ProjectError(f"give a PROJECT folder, or score files: `mlf score` with {', '.join(missing)} as well")
    typer.echo("mlf evaluate without a project is now `mlf score`, with the same options", err=True)
    score(images, labels, predictions, out, classes, class_numbers)


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())
