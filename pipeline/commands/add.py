"""`mlf add`: new images for a project, and what became of the files of the others."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.project.wording import so_many

if TYPE_CHECKING:
    from pipeline.datasets.file_marks import FileChanges
    from pipeline.project.folder import Project

_SHOWN = 3


def add(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    images: Annotated[
        str | None,
        typer.Option(help="The new images, as for `mlf init`; files that are in the project already are left."),
    ] = None,
    images_root: Annotated[
        str | None, typer.Option(help="What the manifest's paths are relative to; its own folder if left out.")
    ] = None,
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="Whether the manifest's images have files here.")
    ] = True,
    prefix: Annotated[str, typer.Option(help="Put before the new images' ids, where they would clash.")] = "",
    model: Annotated[
        list[str] | None, typer.Option(help="Model that proposes; left out, as the project's proposals were made.")
    ] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="Weights of such a model.")] = None,
    from_predictions: Annotated[
        Path | None, typer.Option(help="NPZ of models run elsewhere on the new images, a row for each row of theirs.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where the model runs, as for `mlf propose`; left out, where it ran then.")
    ] = None,
    assign: Annotated[
        bool, typer.Option("--assign/--no-assign", help="Whether they join an assignment that covers all others.")
    ] = True,
    label_column: Annotated[
        str, typer.Option(help="Where labels stand in shards or Hugging Face's files, if not in the usual place.")
    ] = "",
    class_numbers: Annotated[
        str, typer.Option(help="What labels that are numbers mean: `keys`, `from-0` or `from-1`.")
    ] = "auto",
    check: Annotated[str, typer.Option(help="Look at each file: `none`, `header`, or decode it in `full`.")] = "header",
    accept_files: Annotated[
        bool, typer.Option("--accept-files", help="Take the images' files as they are now for what they should be.")
    ] = False,
    by: Annotated[str, typer.Option(help="Who adds them; left out, the account that runs the command.")] = "",
) -> object:
    """Add images while people work: they get proposals for themselves alone, and annotators in equal shares.

    Everything that is there stays as it is, bit for bit; the change is made wholly or, if it is cut off, not at all.
    Without --images it looks only for files that changed or vanished since they came, and names them.

    Example: mlf add birds --images new_photos/
    """
    from pipeline.datasets.create import as_check
    from pipeline.project.class_references import as_class_numbers
    from pipeline.project.image_table import open_whole_project
    from pipeline.stages.add import add_images

    opened = open_whole_project(project)
    if accept_files:
        _accept(opened)
    if images is None:
        return _tell_of_files(opened)
    named: dict[str, Any] | None = None
    if model or checkpoint:
        named = {"model": list(model or ()), "checkpoint": [path.absolute() for path in checkpoint or ()]}
    done = add_images(
        opened,
        images,
        images_root=images_root,
        has_files=files,
        prefix=prefix,
        check=as_check(check),
        numbers=as_class_numbers(class_numbers),
        label_column=label_column,
        model=named,
        from_predictions=from_predictions,
        device=device,
        is_assigned=assign,
        by=by,
    )
    root = shlex.quote(str(project))
    total = done.n_before + done.n_added
    typer.echo(f"Change {done.change.number}: {done.change.text}; {so_many(total, 'image')} in the project")
    if done.n_known:
        typer.echo(f"{done.n_known:,} were in the project already")
    _tell_skipped(done.skipped, root)
    if done.n_proposed is not None:
        typer.echo(
            f"Proposals for {done.n_proposed:,} of {so_many(done.n_added, 'new image')}; those of the others are "
            "unchanged"
        )
    for name, load in done.loads.items():
        typer.echo(f"  {name}: {so_many(load, 'new task')}")
    if done.why_unassigned:
        typer.echo(f"Not assigned: {done.why_unassigned}. To assign them: mlf assign {root} --annotators NAME,NAME")
    _tell_of_files(open_whole_project(project), is_asked=False)  # it may have one more folder of images now
    typer.echo(f"Next: mlf status {root}")
    return done


def _tell_skipped(skipped: Sequence[Any], root: str) -> None:
    from pipeline.project.names import on_one_line

    if not skipped:
        return
    typer.echo(f"Skipped {so_many(len(skipped), 'row or file', 'rows or files')}, named in skipped.parquet; the first:")
    for row in skipped[:_SHOWN]:
        typer.echo(f"  {on_one_line(row.image_id or row.path or '?')}: {row.reason}")
    if any("unknown class" in row.reason for row in skipped):
        typer.echo(f"Classes that the project lacks can be added first: mlf classes add {root} KEY")


def _tell_of_files(project: Project, *, is_asked: bool = True) -> object:
    from pipeline.datasets.file_marks import changed_files

    found = changed_files(project)
    for line in lost_and_changed(project.root, found):
        typer.echo(line)
    if not is_asked or found.changed or found.vanished:
        return found
    if found.n_looked_at:
        typer.echo(f"{found.n_looked_at:,} files are as they were when they came")
    else:
        typer.echo("No file was looked at: the images have none on this machine, or came before files were marked")
    return found


def lost_and_changed(root: Path, found: FileChanges) -> list[str]:
    """Return which images' files are not what they were and what to do, line by line; nothing where all are."""
    from pipeline.project.names import first_few

    vanished, changed = (first_few(map(repr, ids)) for ids in (found.vanished, found.changed))
    accept = f"mlf add {shlex.quote(str(root))} --accept-files"
    lines = []
    if found.vanished:
        lines.append(
            f"{so_many(len(found.vanished), 'image has lost its file', 'images have lost their file')} ({vanished}): "
            "put the files back, or restore their folder from a copy"
        )
    if found.changed:
        lines.append(
            f"{so_many(len(found.changed), 'image has', 'images have')} a file that was written again since it came "
            f"({changed}): votes on them were given on the earlier picture; put that back, or, where the pictures are "
            f"the same, accept the files: {accept}"
        )
    return lines


def _accept(project: Project) -> None:
    from pipeline.datasets.file_marks import MARKS_FILE, write_marks

    write_marks(project, project.root / MARKS_FILE)
