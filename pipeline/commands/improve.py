"""`mlf improve`: stage 6, settled labels improve the proposals that nobody has worked on yet."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


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
    batch_size: Annotated[int, typer.Option(min=1, help="Images the model sees at once.")] = 64,
    device: Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda`, `cuda:1`, …")] = "auto",
    n_workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode images; 0 for none.")] = None,
) -> None:
    """Learn from the settled labels, and propose anew for the images that nobody has worked on.

    Learnt are what each model's word is worth, which classes go together, and a head on frozen features; a class that
    nobody was shown counts neither way. Runs the stage's notebook, whose report tells recall before and after on images
    that nothing was learnt from. `results/improve/next_images.csv` lists what is still to be annotated, the least
    certain first.

    Example: mlf settle birds && mlf improve birds
    """
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.runs import run_stage
    from pipeline.stages.improve import RATES, ImproveSummary

    opened = open_whole_project(project)
    run_stage(
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
    found = read_summary(opened, "improve", ImproveSummary)
    typer.echo(
        f"{project}: learnt from {found.n_settled:,} settled images, new proposals for {found.n_renewed:,} images"
    )
    if found.simulated_annotators:
        typer.echo(f"Simulated: the votes of {', '.join(found.simulated_annotators)} were made by programs")
    typer.echo("Recall of the labels that people settled, each image by what was learnt from others:")
    for row in found.recall:
        if row.before is None or row.after is None:
            typer.echo(f"  at {row.k}: undefined, no label is settled")
            continue
        low, high = row.interval
        typer.echo(
            f"  at {row.k}: {row.before:.1%} before, {row.after:.1%} now, of {row.n_labels:,} labels; "
            f"gain {row.gain:+.1%} (95%: {low:+.1%} to {high:+.1%})"
        )
    for rate, enough in zip(RATES, found.enough, strict=True):
        many = "not promised by what is settled" if enough is None else f"{enough} proposals"
        typer.echo(f"To miss at most {rate:.0%} of an image's labels, as expected over images like these: {many}")
    typer.echo(f"Next: mlf assign {shlex.quote(str(project))} --annotators NAME,NAME")
