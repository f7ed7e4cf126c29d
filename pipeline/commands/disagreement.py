"""`mlf disagreement`: where annotators differ, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def disagreement(
    votes: Annotated[
        Path, typer.Argument(help="Votes: .csv or .parquet with image, class, annotator, vote; or ReaL's raters.npz.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the tables and summary.json.")],
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples of alpha's interval; 0: none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Find where annotators differ.

    An image is disputed where any two annotators' label sets differ. A class that was not shown is missing, not a no.
    Writes images.parquet (one row an image), classes.csv, confused_pairs.csv, annotator_pairs.csv and summary.json;
    a figure that is not defined (one annotator, no variation) is null.

    Example: mlf disagreement votes.csv --out disagreement
    """
    from pipeline.disagreement import analyze_disagreement
    from pipeline.formats.consensus_tables import write_disagreement
    from pipeline.formats.votes_csv import read_votes

    analysis = analyze_disagreement(read_votes(votes), n_resamples=resamples, seed=seed)
    paths = write_disagreement(analysis, out)
    figures = analysis.summary
    share = "undefined" if figures.set_disagreement_share is None else f"{figures.set_disagreement_share:.1%}"
    alpha = "undefined" if figures.alpha is None else f"{figures.alpha:.3f}"
    if figures.alpha_low is not None and figures.alpha_high is not None:
        alpha += f" (95% interval {figures.alpha_low:.3f} to {figures.alpha_high:.3f})"
    typer.echo(
        f"Label sets differ on {figures.n_set_disagreements:,} of {figures.n_images_compared:,} images "
        f"that two or more annotators decided ({share}), on {figures.n_set_disagreements_shared:,} of them "
        f"over classes shown to both. Krippendorff's alpha: {alpha}."
    )
    typer.echo(f"Wrote {', '.join(path.name for path in paths)} to {out}.")
