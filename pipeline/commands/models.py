"""`mlf models`: the models that a project has rankings of; they are listed, renamed and removed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.project.wording import so_many


def models(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    rename: Annotated[
        tuple[str, str] | None, typer.Option(metavar="NAME NEW", help="Give a model another name.", show_default=False)
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Remove a model's rankings; can be given several times.")
    ] = None,
) -> object:
    """List the models that a project has rankings of, those too whose run did not end; rename or remove some.

    Rankings are what `mlf evaluate` scores. What a removed model proposed stays. After a change, `mlf evaluate` brings
    the report up to date.

    Example: mlf models birds --rename resnet50.a1_in1k resnet50 --remove wrong_run
    """
    from pipeline.project.image_table import image_columns, open_whole_project
    from pipeline.stages.models_of_project import list_models, remove_models, rename_model

    opened = open_whole_project(project)
    if rename:
        renamed = rename_model(opened, *rename)
        typer.echo(f"{rename[0]} is now {renamed.name}")
    if remove:
        remove_models(opened, remove)
        typer.echo(f"Removed: {', '.join(remove)}")
    n_images = image_columns(opened, ["image_index"]).num_rows
    kept = list_models(opened)
    typer.echo(f"{so_many(len(kept), 'model')}, {so_many(n_images, 'image')}")
    width = max((len(model.name) for model in kept), default=0)
    for model in kept:
        state = f"{model.n_images:,} ranked"
        if model.n_skipped:
            state += f", {model.n_skipped:,} cannot be decoded"
        if model.made_by == "unknown":
            state = "damaged: remove it, or run it again: mlf evaluate … --restart"
        elif not model.is_complete:
            state += ": not complete; the command that began it goes on from there"
        if model.precision is not None:
            state += f", computed in {model.precision}"
        where = {"run": "run here", "predictions": "from a file", "unknown": ""}[model.made_by]
        former = f" (was {', '.join(model.former_names)})" if model.former_names else ""
        typer.echo(f"  {model.name:<{width}}  {where:<11}  {state}{former}")
    if rename or remove:
        typer.echo(f"Next: mlf evaluate {shlex.quote(str(project))}")
    return {"n_images": n_images, "models": kept}
