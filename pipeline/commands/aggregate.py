"""`mlf aggregate`: votes in, one answer for each (image, class) out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class MethodName(StrEnum):
    """How votes become one answer (the words of :class:`pipeline.consensus.Method`, without loading it)."""

    MAJORITY = "majority"
    WEIGHTED = "weighted"
    DAWID_SKENE = "dawid-skene"


def aggregate(
    votes: Annotated[
        Path, typer.Argument(help="Votes: .csv or .parquet with image, class, annotator, vote; or ReaL's raters.npz.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for labels.parquet and annotators.csv.")],
    method: Annotated[MethodName, typer.Option(help="How votes become one answer.")] = MethodName.DAWID_SKENE,
    gold: Annotated[
        Path | None, typer.Option(help="Known answers (image, class, label): they stand, and anchor Dawid-Skene.")
    ] = None,
    original: Annotated[
        Path | None,
        typer.Option(help="Original labels (image, class), one an image: evidence for Dawid-Skene."),
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
    from pipeline.consensus import Method, match_gold, match_original, reach_consensus
    from pipeline.vote_tables import read_known_table, read_votes, write_consensus

    arrays = read_votes(votes)
    consensus = reach_consensus(
        arrays,
        Method(method.value),
        gold=None if gold is None else match_gold(arrays, read_known_table(gold, arrays)),
        original=None if original is None else match_original(arrays, read_known_table(original, arrays)),
        threshold=threshold,
    )
    labels, annotators = write_consensus(consensus, arrays, out)
    n_kept = int(consensus.label.sum())
    typer.echo(
        f"{arrays.n_votes:,} votes of {len(set(arrays.annotator.tolist())):,} annotators on {arrays.n_items:,} "
        f"(image, class) pairs: {n_kept:,} labels kept above {consensus.threshold:g} ({method.value})."
    )
    if consensus.model is not None and not consensus.model.is_converged:
        typer.echo(f"Not converged after {consensus.model.n_iterations} steps: read the posteriors with care.")
    typer.echo(f"Wrote {labels} and {annotators}.")
