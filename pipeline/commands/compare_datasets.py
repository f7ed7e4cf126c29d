"""`mlf compare-datasets`: the same models on two data sets, such as a validation set and its replica."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare_datasets(
    first: Annotated[Path, typer.Argument(help="A project, or the folder that `mlf score --out` wrote.")],
    second: Annotated[Path, typer.Argument(help="The other data set, the same way.")],
    out: Annotated[Path, typer.Option(help="Folder for drops.csv, summary.json and drops.html.")] = Path("comparison"),
) -> object:
    """Say how far models drop from one data set to another, under single labels and under refined ones.

    Both must have been scored before (`mlf evaluate`, `mlf score`); models are paired by name. Per model: Top-1 and
    ReaL on each, their drops with intervals, and by how much the drop is less under ReaL.

    Example: mlf compare-datasets validation replica --out comparison
    """
    from pipeline.evaluation.data_sets import compare_data_sets
    from pipeline.reports.data_set_page import comparison_lines, write_comparison
    from pipeline.stages.scored_tables import read_scored

    found = compare_data_sets(read_scored(first), read_scored(second))
    names = (first.name, second.name)
    page = write_comparison(found, names, out)
    for line in comparison_lines(found, names):
        typer.echo(line)
    typer.echo(f"Written: {page}, with drops.csv and summary.json beside it")
    return {"figures": found, "page": page}
