"""`mlf propose`: stage 1, which classes are offered for each image."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def propose(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A timm model (`resnet50.a1_in1k`, `hf_hub:…`), or a --checkpoint's architecture; repeatable. Without "
            "any, the best model at hand for the classes."
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="Weights on this machine; a JSON beside them may say architecture, class_keys and more."),
    ] = None,
    from_examples: Annotated[
        bool,
        typer.Option("--from-examples", help="Propose from examples of each class; --model is then a backbone."),
    ] = False,
    learn_from: Annotated[
        str | None,
        typer.Option(help="With --from-examples: `references`, `labels` (original ones, out of fold) or `both`."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method more, as `examples`, `examples:BACKBONE` or `classifier:MODEL`; repeatable."),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(
            help="Parts of each image to look at: 1 (whole), 5 or 14 (overlapping crops). More find more small objects "
            "and cost as many times as much. Left out, the project's setting."
        ),
    ] = None,
    merge: Annotated[str, typer.Option(help="Of several methods: by calibrated `score` or by `rank`.")] = "score",
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
    """Rank the classes of every image with pretrained models; the topmost become its proposals.

    Runs the stage's notebook. A run that was cut off goes on where it was when the same command is given again. Images
    that cannot be decoded are skipped and named in `skipped.parquet`. Examples of each class are packed along the way.

    Classes that no model knows are proposed from examples of them: the reference set, or the images' own labels.

    Example: mlf propose birds --model resnet50.a1_in1k --views 5 && mlf propose mine --from-examples
    """
    from pipeline.errors import ProjectError
    from pipeline.inference.offline import best_at_hand
    from pipeline.project.image_table import open_whole_project
    from pipeline.runs import run_stage
    from pipeline.stages.propose import propose_summary

    models, checkpoints, methods = list(model or ()), list(checkpoint or ()), list(method or ())
    is_named = bool(models or checkpoints or methods or from_examples)
    if from_predictions and is_named:
        raise ProjectError("--from-predictions goes without models to run: those of the file were run elsewhere")
    if learn_from and not (from_examples or methods):
        raise ProjectError("--learn-from says from which examples: give it with --from-examples")
    if order and not from_predictions:
        raise ProjectError("--order says in which order the rows of --from-predictions are; leave it out")
    opened = open_whole_project(project)
    if not (from_predictions or is_named):
        source, said = best_at_hand(opened.label_space)
        models = [source.architecture] if source.architecture else []
        checkpoints = [source.checkpoint] if source.checkpoint else []
        typer.echo(f"No model is named; this takes {said}")
    run_stage(
        opened,
        "propose",
        {
            "model": models,
            "checkpoint": [str(path.absolute()) for path in checkpoints],
            "from_examples": from_examples,
            "learn_from": learn_from,
            "methods": methods,
            "views": views,
            "merge": merge,
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
    named = ", ".join(summary.models[:3]) + (f" and {len(summary.models) - 3} more" if len(summary.models) > 3 else "")
    typer.echo(f"{project}: proposals for {summary.n_with_proposals:,} of {summary.n_images:,} images, from {named}")
    if summary.skipped:
        typer.echo(f"{len(summary.skipped):,} images skipped, named in {opened.skipped_path}; the first:")
        for row in summary.skipped[:3]:
            typer.echo(f"  {row.image_id}: {row.reason}")
    typer.echo(f"Next: mlf assign {shlex.quote(str(project))} --annotators NAME,NAME")
