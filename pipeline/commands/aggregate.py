"""`mlf aggregate`: votes in, one answer for each (image, class) out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.votes.words import Method


def aggregate(
    votes: Annotated[
        Path, typer.Argument(help="Votes: .csv or .parquet with image, class, annotator, vote; or ReaL's raters.npz.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for labels.parquet and annotators.csv.")],
    method: Annotated[Method, typer.Option(help="How votes become one answer.")] = Method.DAWID_SKENE,
    gold: Annotated[
        Path | None,
        typer.Option(
            help="Known answers: image, class and label (yes or no); or, without label, every class that applies to an "
            "image. They stand, and anchor Dawid-Skene."
        ),
    ] = None,
    original: Annotated[
        Path | None,
        typer.Option(
            help="Original labels (image, class), one an image: evidence for Dawid-Skene where people are unsure."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Keep labels with a posterior above this. Default: 0.5 for majorities, 0.8 for dawid-skene."),
    ] = None,
) -> None:
    """Settle votes into labels.

    A vote is yes, no or unsure. A class that an annotator was not shown has no row (or shown=false): it is missing, not
    a no. Writes labels.parquet (image, class, posterior, label) and annotators.csv (what each annotator is like).

    Example: mlf aggregate votes.csv --method dawid-skene --out consensus
    """
    from pipeline.consensus import reach_consensus
    from pipeline.formats.consensus_tables import write_consensus
    from pipeline.formats.known_answers import read_gold_answers, read_original_labels
    from pipeline.formats.votes_csv import read_votes

    arrays = read_votes(votes)
    answers = None if gold is None else read_gold_answers(gold, arrays)
    originals = None if original is None else read_original_labels(original, arrays)
    consensus = reach_consensus(
        arrays,
        method,
        gold=None if answers is None else answers.of_item,
        original=None if originals is None else originals.of_item,
        threshold=threshold,
    )
    labels, annotators = write_consensus(consensus, arrays, out)
    n_kept = int(consensus.label.sum())
    typer.echo(
        f"{arrays.n_votes:,} votes of {len(set(arrays.annotator.tolist())):,} annotators on {arrays.n_items:,} "
        f"(image, class) pairs: {n_kept:,} labels kept above {consensus.threshold:g} ({method})."
    )
    for known in (answers, originals):
        if known is not None:
            typer.echo(known.told)
    if consensus.model is not None and not consensus.model.is_converged:
        typer.echo(f"Not converged after {consensus.model.n_iterations} steps: read the posteriors with care.")
    typer.echo(f"Wrote {labels} and {annotators}.")
