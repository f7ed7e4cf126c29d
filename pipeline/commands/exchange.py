"""`mlf import` and `mlf export`: work that comes from other tools, and goes to them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import DatasetError
from pipeline.project.wording import so_many

if TYPE_CHECKING:
    from pipeline.stages.import_work import ImportSummary

_SHOWN = 3


def import_(
    project: Annotated[Path | None, typer.Argument(help="The project's folder; `mlf init` makes it.")] = None,
    files: Annotated[list[Path] | None, typer.Argument(help="Files of one tool, all of one data set.")] = None,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(help="Their format; `--formats` lists them. Left out, as the files look.")
    ] = "",
    annotator: Annotated[str, typer.Option(help="Who did the work, where the files do not say.")] = "",
    only: Annotated[
        str, typer.Option(help="Take this alone: `votes` (with comments), `labels`, `proposals`; separated by commas.")
    ] = "",
    as_votes: Annotated[
        bool, typer.Option("--as-votes", help="Take label sets for votes of --annotator, not for refined labels.")
    ] = False,
    controls: Annotated[
        str,
        typer.Option(
            help="Label Studio: the controls (`from_name`) whose choices are labels, separated by commas; needed where "
            "several have choices."
        ),
    ] = "",
    leave_out: Annotated[
        str, typer.Option(help="Tables: columns to read as if they were not there, separated by commas.")
    ] = "",
    shown: Annotated[
        str,
        typer.Option(
            help="What annotators were shown, where the files do not say: only the classes that are `named`, the "
            "image's `proposals`, or `all` classes. What was shown and not ticked is a no."
        ),
    ] = "named",
    empty: Annotated[
        str,
        typer.Option(
            help="What an empty list means, where a tool leaves the same for a skipped image: `skip`, or `none` (no "
            "class applies). Left out, it is skipped and told."
        ),
    ] = "",
    class_numbers: Annotated[
        str, typer.Option(help="What classes that are numbers mean: `keys`, `from-0` or `from-1`.")
    ] = "auto",
    simulated: Annotated[bool, typer.Option("--simulated", help="The annotators are programs, not people.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the files' word where the project has another one.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    by: Annotated[str, typer.Option(help="Who imports; left out, the account that runs the command.")] = "",
    formats: Annotated[bool, typer.Option("--formats", help="List the formats, and what each brings.")] = False,
) -> object:
    """Bring work done in another tool into a project: votes, comments, refined labels, proposals.

    Images and classes are found by name. Every row is told: taken, changed, there already, skipped or refused, in a
    report in the project's `imports/`. The same files given again change nothing, and what people have decided in the
    project is never replaced unasked.

    Example: mlf import birds export.json --format label-studio
    """
    from pipeline.formats.exchange.registry import format_named, format_of_files
    from pipeline.project.class_references import as_class_numbers
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.names import names_in
    from pipeline.stages.import_votes import as_shown
    from pipeline.stages.import_work import import_work

    if formats:
        return _list("import")
    if project is None or not files:
        raise DatasetError("no file is named; give the files of another tool after the project's folder")
    kind = format_named(format, "import") if format else format_of_files(files)
    opened = open_whole_project(project)
    summary = import_work(
        opened,
        files,
        kind,
        annotator=annotator,
        only=names_in(only),
        as_votes=as_votes,
        controls=names_in(controls),
        leave_out=names_in(leave_out),
        shown=as_shown(shown),
        empty=empty,
        numbers=as_class_numbers(class_numbers),
        is_simulated=simulated,
        replaces=replace,
        is_dry=dry_run,
        by=by,
    )
    typer.echo(f"{kind.title}{', nothing is written yet' if dry_run else ''}:")
    _tell(summary)
    if not dry_run:
        typer.echo(f"Next: mlf status {shlex.quote(str(project))}")
    return {
        "format": kind.name,
        "counts": summary.counts,
        "report": summary.report,
        "rows_with_reasons": [row for row in summary.rows if row.reason],
    }


def _list(verb: str) -> object:
    from pipeline.formats.exchange.registry import known_formats, print_formats

    for line in print_formats(verb):
        typer.echo(line)
    parts = "taken" if verb == "import" else "given"
    return [{"name": each.name, "title": each.title, "carries": getattr(each, parts)} for each in known_formats(verb)]


def _tell(summary: ImportSummary) -> None:
    from pipeline.project.names import on_one_line
    from pipeline.stages.incoming import CHANGED, OUTCOMES, REFUSED, SKIPPED, TAKEN, THERE

    what = {
        "votes": ("decision of a person on an image", "decisions of people on images"),
        "labels": ("label set", "label sets"),
        "proposals": ("list of proposals", "lists of proposals"),
        "": ("row", "rows"),
    }
    for outcome in OUTCOMES:
        counts = [so_many(n, *what[part]) for part, n in summary.counts.get(outcome, {}).items()]
        if counts:
            typer.echo(f"  {outcome}: {', '.join(counts)}")
        rows = [row for row in summary.rows if row.outcome == outcome] if outcome not in {TAKEN, THERE} else []
        for row in rows[:_SHOWN]:
            where = ", ".join(on_one_line(part) for part in (row.place, row.image) if part)
            typer.echo(f"    {where}: {row.reason}")
    n_told = sum(summary.n(outcome) for outcome in (CHANGED, SKIPPED, REFUSED))
    if summary.report is not None:
        more = f"; {so_many(n_told, 'row')} with a reason" if n_told else ""
        typer.echo(f"Every row: {summary.report}{more}")


def export(
    project: Annotated[Path | None, typer.Argument(help="The project's folder.")] = None,
    format: Annotated[str, typer.Option(help="The format; `--formats` lists them.")] = "csv",  # noqa: A002
    out: Annotated[
        Path | None, typer.Option(help="The file or folder to write; left out, in the project's `exports/`.")
    ] = None,
    columns: Annotated[
        str, typer.Option(help="Columns of a table, or fields of a line, separated by commas; all where left out.")
    ] = "",
    table: Annotated[str, typer.Option(help="Which table, where a format has one: `labels` or `votes`.")] = "labels",
    names: Annotated[bool, typer.Option("--names/--keys", help="Call classes by name; by key where left out.")] = False,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether a folder with the labels has the images, as links.")
    ] = True,
    formats: Annotated[bool, typer.Option("--formats", help="List the formats, and what each carries.")] = False,
) -> object:
    """Write a project's labels, votes, exposure and proposals in the format of another tool.

    What the format cannot carry is told. `jsonl` carries everything, and comes back by `mlf import` as it was.

    Example: mlf export birds --format hugging-face --out birds-data
    """
    from pipeline.formats.exchange.registry import format_named
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.names import names_in
    from pipeline.stages.export_work import export_work

    if formats or project is None:
        return _list("export")
    if table not in {"labels", "votes"}:
        raise DatasetError(f"--table {table!r}: there are the tables labels and votes")
    kind = format_named(format, "export")
    opened = open_whole_project(project)
    output = kind.output.replace("labels", table, 1) if kind.module == "tables" else kind.output
    path = out or opened.root / "exports" / output
    summary = export_work(opened, kind, path, columns=names_in(columns), table=table, by_name=names, link_images=images)
    typer.echo(f"{kind.title}: {summary.path}, {so_many(summary.n_images, 'image')}")
    if summary.carried:
        typer.echo(f"  carried: {', '.join(summary.carried)}")
    if summary.not_carried:
        typer.echo(f"  not carried: {', '.join(summary.not_carried)}")
    for note in summary.notes:
        typer.echo(f"  {note}")
    if summary.simulated:
        typer.echo(
            f"  simulated annotators, marked as such where the format names people: {', '.join(summary.simulated)}"
        )
    return summary
