"""`mlf improve`: stage 6, settled labels improve the proposals that nobody has worked on yet."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.computing import BatchSize, Device, Workers


def improve(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    labels: Annotated[
        Path | None, typer.Option(help="JSON of refined labels from elsewhere; left out, the project's own.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A timm model whose features are used; left out, the best at hand.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights on this machine, instead of --model.")] = None,
    views: Annotated[
        int | None, typer.Option(help="Parts of each image that the model looks at: 1, 5 or 14; left out, as it wants.")
    ] = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    n_workers: Workers = None,
) -> object:
    """Learn from the settled labels, and propose anew for the images that nobody has worked on.

    Learnt are what each model's word and each look at a part of an image are worth, which classes go together, and a
    head on frozen features; a class that nobody was shown counts neither way. Runs the stage's notebook, whose report
    tells recall before and after on images that nothing was learnt from. `results/improve/next_images.csv` lists what
    is still to be annotated, the least certain first.

    Example: mlf settle birds && mlf improve birds
    """
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import improve_headline
    from pipeline.runs import run_stage
    from pipeline.stages.improve import ImproveSummary

    opened = open_whole_project(project)
    run = run_stage(
        opened,
        "improve",
        {
            "labels": str(labels.resolve()) if labels else None,
            "model": model,
            "checkpoint": str(checkpoint.resolve()) if checkpoint else None,
            "views": views,
            "batch_size": batch_size,
            "device": device,
            "n_workers": n_workers,
        },
    )
    summary = read_summary(opened, "improve", ImproveSummary)
    for line in improve_headline(summary):
        typer.echo(line)
    typer.echo(f"Next: mlf assign {shlex.quote(str(project))} --annotators NAME,NAME")
    return {"figures": summary, "report": run.report}
