"""`mlf analyze`: stage 3, where annotators differ, for a project or for a file of votes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import ProjectError
from pipeline.formats.votes_in import LOOKS, read_votes
from pipeline.project.wording import so_many


def analyze(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="PROJECT|VOTES",
            help=f"The project's folder; or votes: {LOOKS}.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="With VOTES: folder for the tables and summary.json.")] = None,
    resamples: Annotated[
        int, typer.Option(min=0, help="Bootstrap resamples for alpha's interval; 0 leaves the interval out.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> object:
    """Find where annotators differ, and on what.

    Of a project, runs the stage's notebook: set disagreement (the published rule), agreement of annotators and what
    they are like, disputed and confused classes, the model against people, what refining would be worth. The tables
    are kept in `results/analyze`, the report in `reports/analyze.html`.

    Of a file of votes, writes images.parquet (one row per image), classes.csv, confused_pairs.csv, annotator_pairs.csv
    and summary.json. A class that was not shown is missing, not a no; a figure that is not defined (one annotator, no
    variation) is null.

    mlf analyze birds

    mlf analyze votes.csv --out disagreement
    """
    if what.is_dir() and out is not None:
        raise ProjectError(f"{what}: a project keeps its tables in results/analyze; leave out --out")
    if what.is_file() and out is None:
        raise ProjectError(f"{what}: say with --out where to put the tables of these votes")
    return _analyze_project(what, resamples, seed) if out is None else _analyze_votes(what, out, resamples, seed)


def _analyze_project(project: Path, resamples: int, seed: int) -> object:
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.results import read_summary
    from pipeline.reports.headlines import disagreement_headline
    from pipeline.runs import run_stage
    from pipeline.stages.analyze import AnalyzeSummary

    opened = open_whole_project(project)
    run = run_stage(opened, "analyze", {"n_resamples": resamples, "seed": seed})
    summary = read_summary(opened, "analyze", AnalyzeSummary)
    for line in disagreement_headline(summary):
        typer.echo(line)
    typer.echo(f"Report: {run.report}")
    root = shlex.quote(str(project))
    is_disputed = summary.n_set_disagreements > 0
    typer.echo(f"Next: mlf refine {root} --refiners NAME,NAME" if is_disputed else f"Next: mlf settle {root}")
    return {"figures": summary, "report": run.report}


def _analyze_votes(votes: Path, out: Path, resamples: int, seed: int) -> object:
    from pipeline.disagreement import analyze_disagreement
    from pipeline.formats.consensus_tables import write_disagreement
    from pipeline.reports.formats import INTERVAL, number, percent

    analysis = analyze_disagreement(read_votes(votes), n_resamples=resamples, seed=seed)
    paths = write_disagreement(analysis, out)
    figures = analysis.summary
    share = percent(figures.set_disagreement_share)
    alpha = number(figures.alpha, 3, figures.alpha_low, figures.alpha_high, named=INTERVAL)
    typer.echo(
        f"Label sets differ on {figures.n_set_disagreements:,} of {so_many(figures.n_images_compared, 'image')} "
        f"that two or more annotators decided ({share}), on {figures.n_set_disagreements_shared:,} of them "
        f"over classes shown to both. Krippendorff's alpha: {alpha}."
    )
    typer.echo(f"Wrote {', '.join(path.name for path in paths)} to {out}.")
    return {"figures": figures, "files": list(paths)}
