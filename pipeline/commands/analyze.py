"""`mlf analyze`: stage 3, where annotators differ."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def analyze(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples of alpha's interval; 0: none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Find where a project's annotators differ, and on what.

    Runs the stage's notebook: set disagreement (the published rule), agreement of annotators and what they are like,
    disputed and confused classes, the model against people, what refining would be worth. The tables are kept in
    `results/disagreement`, the report in `reports/disagreement.html`.

    Example: mlf analyze birds
    """
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import disagreement_headline
    from pipeline.runs import run_stage

    opened = open_whole_project(project)
    run = run_stage(opened, "disagreement", {"n_resamples": resamples, "seed": seed})
    summary = read_summary(opened, "disagreement")
    for line in disagreement_headline(summary):
        typer.echo(line)
    typer.echo(f"Report: {run.report}")
    if summary["n_set_disagreements"]:
        typer.echo(f"Next: mlf refine {shlex.quote(str(project))} --refiners NAME,NAME")
    else:
        typer.echo(f"Next: mlf refine {shlex.quote(str(project))}")
