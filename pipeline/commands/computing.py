"""Options of the commands that run models: how much at once, and where."""

from __future__ import annotations

from typing import Annotated

import typer

BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Images that a model sees at once. Left out, as suits the device.")
]
Device = Annotated[
    str,
    typer.Option(
        help="Where to run models: `auto`, `cpu`, `cuda`, `cuda:1`; several models are spread over `cuda:0,cuda:1`."
    ),
]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that decode images; 0 for none.")]
