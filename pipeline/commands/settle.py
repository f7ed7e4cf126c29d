"""`mlf settle`: stage 4, the refined labels that come of all votes so far."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def settle(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    min_fixed_per_minute: Annotated[
        float, typer.Option(min=0, help="Lowest yield at which the report advises you to go on refining.")
    ] = 0.5,
) -> None:
    """Settle every image's refined labels from all votes so far, whatever is still open.

    Each label keeps its source: agreed by all annotators, refined, or the consensus of the votes. They are kept in
    `results/refined_labels.parquet`, `.csv` and `.json` (the published format), the report in `reports/settle.html`.

    Example: mlf settle birds
    """
    from pipeline.formats.refined_labels_out import EXPORTS
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import settle_headline
    from pipeline.runs import run_stage
    from pipeline.stages.settle import SettleSummary

    opened = open_whole_project(project)
    run = run_stage(opened, "settle", {"min_fixed_per_minute": min_fixed_per_minute})
    for line in settle_headline(read_summary(opened, "settle", SettleSummary)):
        typer.echo(line)
    typer.echo(f"Refined labels: {opened.refined_labels_path} (and {', '.join(EXPORTS)})")
    typer.echo(f"Report: {run.report}")
    typer.echo(f"Next: mlf evaluate {shlex.quote(str(project))}")
