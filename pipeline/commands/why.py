"""`mlf why`: where the labels of one image come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def why(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    image: Annotated[str, typer.Argument(help="The image's id, as the data set calls it; or its index.")],
    full: Annotated[bool, typer.Option("--full", help="Also proposals without a vote, and every event.")] = False,
) -> object:
    """Trace each label of an image to its votes: who said what, when, and in which event of the log.

    `mlf store verify` tells whether these events are as they were written.

    Example: mlf why birds sparrows/0007.jpg
    """
    from pipeline.project.image_table import open_whole_project
    from pipeline.stages.trace import lines_of, trace_image
    from pipeline.store import open_project_store

    opened = open_whole_project(project)
    with open_project_store(opened) as store:
        trace = trace_image(opened, store, image)
    for line in lines_of(trace, list(opened.label_space.names), is_full=full):
        typer.echo(line)
    return trace
