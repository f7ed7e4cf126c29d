"""`mlf propose`: stage 1, the classes offered for each image."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def propose(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="A timm model (`resnet50.a1_in1k`, `hf_hub:…`); with --checkpoint, its architecture. Without either, "
            "the best model at hand for the classes."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Weights on this machine; a JSON beside them may say architecture, class_keys and more."),
    ] = None,
    from_predictions: Annotated[
        Path | None,
        typer.Option(help="NPZ of models run elsewhere: an int array (images, k) a model, rows in manifest order."),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            help="Order of a folder's classes and images in --from-predictions: `natural` (1, 2, 10: timm) or "
            "`torchvision` (1, 10, 2: Keras and Hugging Face, too)."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images the model sees at once.")] = 64,
    device: Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda`, `cuda:1`, …")] = "auto",
    n_workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode images; 0 for none.")] = None,
    include_original: Annotated[
        bool, typer.Option(help="Offer the original label, last, where the model does not propose it.")
    ] = False,
    allow_missing_classes: Annotated[
        bool, typer.Option(help="Accept a model that does not know every class of the project.")
    ] = False,
    restart: Annotated[bool, typer.Option(help="Throw away what an earlier run left, and start over.")] = False,
) -> None:
    """Rank the classes of every image with a pretrained model; the topmost become its proposals.

    Runs the stage's notebook. A run that was cut off goes on where it was when the same command is given again. Images
    that cannot be decoded are skipped and named in `skipped.parquet`. Examples of each class are packed along the way.

    Example: mlf propose birds --model resnet50.a1_in1k --device cuda --batch-size 256
    """
    from pipeline.errors import ProjectError
    from pipeline.inference.offline import best_at_hand
    from pipeline.project.image_table import open_whole_project
    from pipeline.runs import run_stage
    from pipeline.stages.propose import propose_summary

    if from_predictions and (model or checkpoint):
        raise ProjectError("--from-predictions goes without --model and --checkpoint: those models were run elsewhere")
    if order and not from_predictions:
        raise ProjectError("--order says in which order the rows of --from-predictions are; leave it out")
    opened = open_whole_project(project)
    if not (from_predictions or model or checkpoint):
        source, said = best_at_hand(opened.label_space)
        model, checkpoint = source.architecture, source.checkpoint
        typer.echo(f"No model is named; this takes {said}")
    run_stage(
        opened,
        "propose",
        {
            "model": model,
            "checkpoint": str(checkpoint.absolute()) if checkpoint else None,
            "from_predictions": str(from_predictions.absolute()) if from_predictions else None,
            **({"order": order} if order else {}),
            "batch_size": batch_size,
            "device": device,
            "n_workers": n_workers,
            "include_original": include_original,
            "allow_missing_classes": allow_missing_classes,
            "restart": restart,
        },
    )
    summary = propose_summary(opened)
    models = ", ".join(summary.models[:3]) + (f" and {len(summary.models) - 3} more" if len(summary.models) > 3 else "")
    typer.echo(f"{project}: proposals for {summary.n_with_proposals:,} of {summary.n_images:,} images, from {models}")
    if summary.skipped:
        typer.echo(f"{len(summary.skipped):,} images skipped, named in {opened.skipped_path}; the first:")
        for row in summary.skipped[:3]:
            typer.echo(f"  {row.image_id}: {row.reason}")
    typer.echo(f"Next: mlf assign {shlex.quote(str(project))} --annotators NAME,NAME")
