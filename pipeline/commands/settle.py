"""`mlf settle`: stage 4, makes the refined labels from all votes so far."""

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
    aim: Annotated[
        str,
        typer.Option(
            help="What labels are to be good at: f1, 'precision 0.9', 'posterior 0.7' or beyer2020; as mlf.toml says "
            "where left out."
        ),
    ] = "",
    evidence: Annotated[
        str,
        typer.Option(
            help="`votes`, or `models`: the predictions of the project's models speak for labels, too; as mlf.toml "
            "says where left out."
        ),
    ] = "",
    leave_out_model: Annotated[
        str, typer.Option(help="Models that give no evidence, such as those to be evaluated; separated by commas.")
    ] = "",
    leave_out: Annotated[
        str, typer.Option(help="Annotators whose votes do not count this time, separated by commas; none is deleted.")
    ] = "",
) -> object:
    """Settle every image's refined labels from all votes so far, whatever is still open.

    Each label keeps its source: agreed by all annotators, refined, or the consensus of the votes. They are kept in
    `results/refined_labels.parquet`, `.csv` and `.json` (the published format), the report in `reports/settle.html`.

    With models as evidence, `results/settle/suggestions.csv` has labels that they believe in and nobody was asked
    about, and models that gave evidence are marked wherever they are evaluated under the labels.

    mlf settle birds --evidence models --leave-out-model resnet18.a1_in1k

    Example: mlf settle birds
    """
    from pipeline.formats.refined_labels_out import EXPORTS
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import settle_headline
    from pipeline.runs import run_stage
    from pipeline.stages.settle import SettleSummary
    from pipeline.stages.status import evaluating

    opened = open_whole_project(project)
    parameters = {
        "min_fixed_per_minute": min_fixed_per_minute,
        "aim": aim,
        "evidence": evidence,
        "models_left_out": leave_out_model,
        "annotators_left_out": leave_out,
    }
    run = run_stage(opened, "settle", parameters)
    summary = read_summary(opened, "settle", SettleSummary)
    for line in settle_headline(summary):
        typer.echo(line)
    typer.echo(f"Refined labels: {opened.refined_labels_path} (and {', '.join(EXPORTS)})")
    typer.echo(f"Report: {run.report}")
    typer.echo(f"Next: {evaluating(opened, shlex.quote(str(project)))}")
    return {"figures": summary, "labels": opened.refined_labels_path, "report": run.report}
