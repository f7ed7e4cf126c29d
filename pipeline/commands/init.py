"""`mlf init`: make a project from images and classes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.project.wording import so_many


def init(
    project: Annotated[Path, typer.Argument(help="New folder for the project.")],
    images: Annotated[
        str,
        typer.Option(
            help="Folder with one sub-folder per class; a CSV or Parquet manifest; tar shards (WebDataset), in a "
            "folder or as `train-{0000..0146}.tar`; or a Hugging Face data set on disk. A path or an fsspec URL."
        ),
    ],
    classes: Annotated[
        str | None,
        typer.Option(
            help="`imagenet-1k`, or a CSV, JSON, Parquet or text file; left out, the folders or labels found."
        ),
    ] = None,
    examples: Annotated[
        str | None,
        typer.Option(
            help="Folder of example images: one sub-folder per class, or `<class key>.jpg`; if left out, the images."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for the project.")] = None,
    images_root: Annotated[
        str | None, typer.Option(help="What the manifest's paths are relative to; its own folder if left out.")
    ] = None,
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="Whether the manifest's images have files here.")
    ] = True,
    label_column: Annotated[
        str,
        typer.Option(
            help="Where labels stand in shards or Hugging Face's files, if not in the usual place: a column, a field "
            "of the shards' JSON, `cls`, `txt`; `none`: images without labels."
        ),
    ] = "",
    class_numbers: Annotated[
        str,
        typer.Option(
            help="What labels that are numbers mean, where they could mean two things: `keys` of classes, `from-0` "
            "(indices counted from 0) or `from-1`."
        ),
    ] = "auto",
    order: Annotated[
        str | None,
        typer.Option(
            help="Order of a folder's classes and images: `natural` (1, 2, 10: timm) or `torchvision` (1, 10, 2: Keras "
            "and Hugging Face, too)."
        ),
    ] = None,
    check: Annotated[str, typer.Option(help="Look at each file: `none`, `header`, or decode it in `full`.")] = "header",
) -> object:
    """Make a project from a single-label data set.

    A manifest has a column for the image (`image`, `image_id` or `path`) and one for its label (`label`, `wnid` or
    `class`: a class key or index). Values of `image` that end like an image file are paths; others are ids of images
    without a file, for predictions made elsewhere. Columns of a CSV are separated by commas, or else by semicolons or
    tabulators. What cannot be used, and a file that is named a second time, is named in `skipped.parquet`. Images
    inside shards, Arrow or Parquet are read where they lie: nothing is unpacked.

    Example: mlf init birds --images photos/ && mlf propose birds --model resnet50.a1_in1k
    """
    from pipeline.datasets.create import as_check, init_project, init_summary
    from pipeline.datasets.folder_order import as_folder_order
    from pipeline.project.class_references import as_class_numbers
    from pipeline.project.names import on_one_line
    from pipeline.stages.status import proposing

    made = init_project(
        project,
        images,
        classes,
        examples,
        name,
        images_root=images_root,
        has_files=files,
        check=as_check(check),
        numbers=as_class_numbers(class_numbers),
        order=None if order is None else as_folder_order(order),
        label_column=label_column,
    )
    summary = init_summary(made)
    typer.echo(f"{project}: {so_many(summary.n_images, 'image')}, {so_many(summary.n_classes, 'class')}")
    if summary.n_unlabelled:
        typer.echo(f"Without an original label: {so_many(summary.n_unlabelled, 'image')}")
    if summary.n_without_file:
        typer.echo(
            f"Without a file here: {so_many(summary.n_without_file, 'image')}; "
            "propose with `mlf propose --from-predictions`"
        )
    if summary.skipped:
        typer.echo(
            f"Skipped {so_many(len(summary.skipped), 'row or file', 'rows or files')}, named in "
            f"{made.skipped_path}; the first:"
        )
        for row in summary.skipped[:3]:
            typer.echo(f"  {on_one_line(row.image_id or row.path or '?')}: {row.reason}")
    typer.echo(f"Next: {proposing(made, shlex.quote(str(project)))}")
    return summary
