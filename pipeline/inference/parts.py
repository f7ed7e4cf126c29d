"""A long table written part by part, so that a run that was cut off can resume where it stopped.

Parts lie in a folder of their own, and each is either complete or absent. The table appears under its final name only
when it is complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ProjectError
from pipeline.project.writing import whole_file, write_text

_MANIFEST = "run.json"
_LOCK = "lock"
_NOTE = "note.json"
#: The setting that names the precision in the record of a table; a table without it was computed in float32.
PRECISION = "precision"
#: The setting that says how a GPU decoded the images; a table without it has Pillow's.
DECODING = "decoding"
#: The setting that says that a network was compiled.
COMPILED = "compiled"
#: What a record means that does not say it.
_WHERE_NOT_SAID = {PRECISION: "float32", DECODING: "cpu", COMPILED: False}


class PartialTable:
    """The parts of one unfinished table; use it as a context manager, which keeps other runs out.

    Parameters
    ----------
    folder
        Where the parts lie; it is made when first needed and removed when the table is finished.
    settings
        What the run depends on, as plain JSON: parts made with other settings are not mixed with these.
    restart
        Throw away any parts that are already there; they count for nothing, and go once there is something instead.

    Raises
    ------
    ProjectError
        On entering, if another process is at work there, or the parts were made with other settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], *, restart: bool = False) -> None:
        self._folder = folder
        self._settings = settings
        self._restart = restart
        self._lock: int | None = None
        #: Whether there are parts of an earlier run that are thrown away once something is written.
        self.is_to_go = False

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            # A record lock, not flock: decoding workers outlive a killed run by seconds, and must not inherit it.
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._adopt_or_begin()
        except (BlockingIOError, PermissionError) as error:
            self._release()
            raise ProjectError(f"{self._folder}: another run is at work here; wait for it to end") from error
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release()

    @property
    def n_rows(self) -> int:
        """Return how many rows there are, counted from the first up to the first gap."""
        return sum(pq.read_metadata(path).num_rows for path in self._parts())

    @property
    def note(self) -> dict[str, str] | None:
        """Return what was noted about the run since it began; None where nothing was."""
        path = self._folder / _NOTE
        return json.loads(path.read_text()) if path.exists() and not self.is_to_go else None

    def write_note(self, note: dict[str, str]) -> None:
        """Note something about the run, for those that go on with it."""
        self._begin_anew()
        write_text(self._folder / _NOTE, json.dumps(note))

    def write_part(self, first_row: int, table: pa.Table) -> None:
        """Write the rows from `first_row` on; when this returns, all of them are on disk."""
        self._begin_anew()
        write_whole(table, self._part(first_row))

    def begin_with(self, path: Path, failures: list[tuple[int, str]]) -> None:
        """Take all rows of a finished table as the first part; `failures` are what the part's metadata keep."""
        with (
            pq.ParquetFile(path) as finished,
            whole_file(self._part(0)) as unfinished,
            pq.ParquetWriter(
                unfinished,
                finished.schema_arrow.with_metadata({"failures": json.dumps(failures)}),
                compression="zstd",
            ) as writer,
        ):
            for group in range(finished.num_row_groups):
                writer.write_table(finished.read_row_group(group).replace_schema_metadata(writer.schema.metadata))

    def tables(self) -> Iterator[pa.Table]:
        """Yield the parts in order."""
        for path in self._parts():
            yield pq.read_table(path)

    def finish(self, path: Path, schema: pa.Schema, row_group_size: int, metadata: dict[str, str]) -> None:
        """Join the parts into the table `path` and remove them."""
        with whole_file(path) as unfinished, pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            waiting = schema.empty_table()
            for part in self.tables():
                waiting = pa.concat_tables([waiting, part.replace_schema_metadata(None)])
                n_ready = waiting.num_rows // row_group_size * row_group_size
                if n_ready:
                    writer.write_table(waiting.slice(0, n_ready), row_group_size=row_group_size)
                    waiting = waiting.slice(n_ready)
            if waiting.num_rows:
                writer.write_table(waiting, row_group_size=row_group_size)
            writer.add_key_value_metadata(metadata)
        self.discard()

    def discard(self) -> None:
        """Remove every part."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _parts(self) -> Iterator[Path]:
        first_row = 0
        while not self.is_to_go and (n_rows := _n_whole_rows(self._part(first_row))) is not None:
            yield self._part(first_row)
            first_row += n_rows

    def _adopt_or_begin(self) -> None:
        manifest = self._folder / _MANIFEST
        self.is_to_go = True
        if not manifest.exists():
            self._begin_anew()
        elif not self._restart:
            refuse_other_settings(json.loads(manifest.read_text()), self._settings, str(self._folder))
            self.is_to_go = False

    def _begin_anew(self) -> None:
        if self.is_to_go:
            for path in (*self._folder.glob("*.parquet*"), self._folder / _NOTE):
                path.unlink(missing_ok=True)
            write_text(self._folder / _MANIFEST, json.dumps(self._settings, indent=1))
            self.is_to_go = False

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _part(self, first_row: int) -> Path:
        return self._folder / f"part-{first_row:010d}.parquet"


def clear_leftovers(folder: Path) -> None:
    """Remove what a run left that was killed when its table was whole already; the parts of a run at work stay."""
    if folder.is_dir():
        with suppress(ProjectError), PartialTable(folder, {}, restart=True) as parts:
            parts.discard()


def settings_of_parts(folder: Path) -> dict[str, Any] | None:
    """Return the settings with which an unfinished table was begun; None where there is none."""
    manifest = folder / _MANIFEST
    try:
        content: dict[str, Any] = json.loads(manifest.read_text())
    except (OSError, ValueError):
        return None
    return content


def read_run_settings(table: Path) -> dict[str, Any]:
    """Return the settings with which a finished table says it was made."""
    content: dict[str, Any] = json.loads((pq.read_metadata(table).metadata or {}).get(b"settings", b"{}"))
    return content


def settings_begun(table: Path) -> dict[str, Any]:
    """Return the settings with which a finished or an unfinished table was begun; none where there is neither."""
    return read_run_settings(table) if table.exists() else settings_of_parts(table.with_suffix(".partial")) or {}


def _n_whole_rows(path: Path) -> int | None:
    """Return how many rows a part has; None if it is missing, damaged or empty."""
    try:
        return int(pq.read_metadata(path).num_rows) or None
    except (OSError, pa.ArrowException):
        return None


def write_whole(table: pa.Table, path: Path, row_group_size: int | None = None) -> None:
    """Write a Parquet file so that it is there completely or not at all, even if the power fails."""
    with whole_file(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd", row_group_size=row_group_size)


def refuse_other_settings(found: dict[str, Any], wanted: dict[str, Any], where: str) -> None:
    """Raise unless what is there was made with the same settings.

    Raise `ProjectError` if the settings differ; the message names the differences.
    """
    found, wanted = ({**_WHERE_NOT_SAID, **settings} for settings in (found, wanted))
    differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if differing:
        said = "; ".join(f"{name} was {_short(found.get(name))}, now {_short(wanted.get(name))}" for name in differing)
        decoder = "cpu" if found[DECODING] == "cpu" else "gpu"
        options = {
            PRECISION: f"--precision {found[PRECISION]}",
            DECODING: f"--decode {decoder}",
            COMPILED: "--compile" if found[COMPILED] else "without --compile",
        }
        is_said = options.keys() >= set(differing)
        same = f"go on with it ({' '.join(options[name] for name in differing)})" if is_said else "use the same"
        raise ProjectError(f"{where}: made with other settings ({said}); {same}, or --restart to start over")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"
