"""Work done in other tools, brought into a project: votes, comments, labels and proposals, with their origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import pandas as pd

from pipeline.errors import DatasetError
from pipeline.examples.pack import pack_examples
from pipeline.formats.exchange.content import ImageContent, ReadOptions, Refused
from pipeline.formats.exchange.registry import Format
from pipeline.formats.exchange.rows import refuse_packed
from pipeline.project.changing import note_change
from pipeline.project.class_references import ClassNumbers
from pipeline.project.files import sha256_of, write_table
from pipeline.project.folder import Project
from pipeline.project.history import person
from pipeline.project.image_table import image_columns
from pipeline.project.names import first_few
from pipeline.project.wording import so_many
from pipeline.stages.import_labels import import_labels, import_proposals
from pipeline.stages.import_votes import Shown, import_votes
from pipeline.stages.incoming import (
    CHANGED,
    OUTCOMES,
    REFUSED,
    TAKEN,
    THERE,
    Row,
    Rows,
    as_votes_of,
    refuse_meaning,
    understood,
)

#: What can be brought in.
PARTS: Final = ("votes", "labels", "proposals")
#: Endings of the files in a folder that may hold work.
_WORK: Final = frozenset({".json", ".jsonl", ".csv", ".parquet", ".xml", ".txt", ".npz"})
#: The folder of a project that keeps the report of each import, row by row.
IMPORTS: Final = "imports"


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did.

    Parameters
    ----------
    rows
        Every row with what became of it.
    counts
        How many rows came to each outcome: by outcome, then by part.
    report
        The file in the project that names every row; None where nothing was written.
    """

    rows: tuple[Row, ...]
    counts: dict[str, dict[str, int]]
    report: Path | None

    def n(self, outcome: str) -> int:
        """Return how many rows came to this."""
        return sum(self.counts.get(outcome, {}).values())


def import_work(
    project: Project,
    paths: Sequence[Path],
    kind: Format,
    *,
    annotator: str = "",
    only: Sequence[str] = (),
    as_votes: bool = False,
    controls: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    shown: Shown = "named",
    empty: str = "",
    numbers: ClassNumbers = "auto",
    is_simulated: bool = False,
    replaces: bool = False,
    is_dry: bool = False,
    by: str = "",
) -> ImportSummary:
    """Bring files of another tool into a project. Giving them again changes nothing.

    Parameters
    ----------
    project
        An open project with images.
    paths
        The files, all of one format and of one data set.
    kind
        Their format.
    annotator
        Who did the work, where the files do not say.
    only
        Which of :data:`PARTS` are wanted; all where empty.
    as_votes
        Take label sets for votes of `annotator`, not for the project's refined labels.
    controls
        Which controls of Label Studio's interface hold labels, where several have choices.
    leave_out
        Which columns of tables are read as if they were not there.
    shown, empty, numbers, is_simulated, replaces, is_dry
        As for :func:`pipeline.stages.import_votes.import_votes` and :func:`pipeline.stages.incoming.understood`.
    by
        Who imports, for the project's history; left out, the account that runs this.

    Raises
    ------
    DatasetError
        If a file cannot be read, or no row of it can be used; the message names the first.
    """
    _refuse_options(empty, only, annotator, as_votes=as_votes)
    if controls and kind.module != "label_studio":
        raise DatasetError(f"--controls: {kind.title} has none; they are those of a labelling interface (Label Studio)")
    if leave_out and kind.module not in {"tables", "croissant"}:
        raise DatasetError(f"--leave-out: {kind.title} has no columns to leave out; csv, parquet and croissant have")
    _refuse_paths(kind, paths)
    rows = Rows()
    where = first_few(str(path) for path in paths)
    ids = image_columns(project, ["image_id"])["image_id"].to_pylist()
    options = ReadOptions(tuple(ids), project.label_space.keys, annotator, as_votes, tuple(controls), tuple(leave_out))
    incoming = understood(project, _read(kind, paths, options, where), rows, where, numbers=numbers, empty=empty)
    if as_votes:
        incoming = replace(incoming, records=[as_votes_of(annotator, record) for record in incoming.records])
    files = [{"name": name, "sha256": sha256_of(path)} for name, path in _files(paths)]
    by = by or person()
    provenance = {"format": kind.name, "files": files, "by": by}
    wanted = only or PARTS
    if "proposals" in wanted:
        import_proposals(project, incoming, rows, provenance, replaces=replaces, is_dry=is_dry)
    if "votes" in wanted:
        import_votes(project, incoming, rows, shown=shown, is_simulated=is_simulated, replaces=replaces, is_dry=is_dry)
    if "labels" in wanted:
        import_labels(project, incoming, rows, provenance, replaces=replaces, is_dry=is_dry)
    if not any(rows.count(outcome) for outcome in (TAKEN, CHANGED, THERE)):
        raise DatasetError(_nothing(where, rows, wanted))
    counts = {outcome: dict(Counter(row.what for row in rows.rows if row.outcome == outcome)) for outcome in OUTCOMES}
    report = None if is_dry else _write_report(project, kind.name, rows)
    if report is not None and (rows.count(TAKEN) or rows.count(CHANGED)):
        text = f"{so_many(rows.count(TAKEN), 'row')} taken from {where} ({kind.title})"
        detail = {"text": text, **provenance, "report": report.name, "counts": {o: rows.count(o) for o in OUTCOMES}}
        note_change(project.root, "import", detail, by)
        if project.proposals_path.exists() and not project.examples_path.exists():
            pack_examples(project)
    return ImportSummary(tuple(rows.rows), counts, report)


def _read(kind: Format, paths: Sequence[Path], options: ReadOptions, where: str) -> Iterator[ImageContent | Refused]:
    """Yield what a reader finds; where a file is laid out as no such file is, say after which entry."""
    last = ""
    try:
        for each in kind.read(paths, options):
            last = each.place
            yield each
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        after = f" after {last}" if last else ""
        raise DatasetError(f"{where}: not laid out as {kind.title}{after}: {error}") from error


def _refuse_options(empty: str, only: Sequence[str], annotator: str, *, as_votes: bool) -> None:
    refuse_meaning(empty)
    unknown = next((part for part in only if part not in PARTS), None)
    if unknown is not None:
        raise DatasetError(f"--only {unknown!r}: a file brings {', '.join(PARTS)}")
    if as_votes and not annotator:
        raise DatasetError("--as-votes: say whose votes the labels are with --annotator")


def _refuse_paths(kind: Format, paths: Sequence[Path]) -> None:
    """Refuse what no reader can take, in the same words for every format."""
    for path in paths:
        if not path.exists():
            raise DatasetError(f"{path} does not exist; give a file")
        if path.is_dir() and not kind.has_folder:
            inside = first_few(each.name for each in sorted(path.iterdir()) if each.suffix.lower() in _WORK)
            raise DatasetError(
                f"{path} is a folder, and {kind.title} is read from files; give those in it: "
                f"{inside or 'there are none that could be such files'}"
            )
        refuse_packed(path)


def _nothing(where: str, rows: Rows, wanted: Sequence[str]) -> str:
    if not rows.rows:
        return f"{where}: holds nothing of {', '.join(wanted)}"
    first = next((row for row in rows.rows if row.outcome == REFUSED), rows.rows[0])
    image = f" ({first.image})" if first.image else ""
    return f"{first.place}{image}: {first.reason}; none of {so_many(len(rows.rows), 'row')} in {where} can be used"


def _files(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the files that were given and, of folders, those in which a reader may find work; each with its name."""
    for given in paths:
        if given.is_file():
            yield given.name, given
        elif given.is_dir():
            inner = (each for each in given.iterdir() if each.is_dir() and each.name.lower() == "annotations")
            near = _work_in(path for folder in sorted([given, *inner]) for path in sorted(folder.iterdir()))
            for path in near or _work_in(sorted(given.rglob("*"))):
                yield path.relative_to(given).as_posix(), path


def _work_in(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in _WORK and path.is_file()]


def _write_report(project: Project, name: str, rows: Rows) -> Path:
    folder = project.root / IMPORTS
    folder.mkdir(exist_ok=True)
    number = 1 + max((int(p.name[:4]) for p in folder.glob("[0-9][0-9][0-9][0-9]-*.csv")), default=0)
    path = folder / f"{number:04d}-{name}.csv"
    columns = {field.name: [getattr(row, field.name) for row in rows.rows] for field in fields(Row)}
    write_table(pd.DataFrame(columns), path)
    return path
