"""`mlf compare-labels`: a project's refined labels beside its original ones, a file's or another project's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare_labels(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    other: Annotated[
        Path | None,
        typer.Argument(
            help="Another project, or a JSON of labels; left out, the project's own original labels.",
            show_default=False,
        ),
    ] = None,
    class_numbers: Annotated[
        str, typer.Option(help="What class numbers in the JSON mean: `keys`, `from-0` or `from-1`.")
    ] = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Folder for differences.csv and differences.html; left out, in the project.")
    ] = None,
) -> object:
    """Say which images have other labels than before, or than elsewhere, by kind, with thumbnails.

    Compared are the images that both have decided; classes of two projects are paired by key, images by name.

    Example: mlf compare-labels birds published.json
    """
    from pipeline.project.class_references import as_class_numbers
    from pipeline.project.image_table import open_whole_project
    from pipeline.reports.label_comparison_page import comparison_lines, write_label_comparison
    from pipeline.stages import compare_labels as stage

    opened = open_whole_project(project)
    found = stage.compare_labels(opened, other, as_class_numbers(class_numbers))
    folder = out or opened.results_dir / "compare" / ("original" if other is None else other.stem)
    page = write_label_comparison(opened, found, folder)
    for line in comparison_lines(found):
        typer.echo(line)
    typer.echo(f"Written: {page}, with differences.csv beside it")
    return {"figures": found, "page": page}
