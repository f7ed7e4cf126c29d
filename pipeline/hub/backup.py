"""The state of a hub, copied and brought back: accounts, log-ins, records, the configuration, home folders.

Not copied: logs, notebooks and settings of sessions, which each start writes anew, and sockets.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from pipeline.errors import ProjectError, StoreError, in_plain_words
from pipeline.hub.config_file import CONFIG_NAME, MONITOR_FILE, service_token_file
from pipeline.hub.records import forget_servers
from pipeline.project.names import on_one_line
from pipeline.project.notices import tell
from pipeline.project.writing import write_text

_RECORDS = "hub.sqlite"
_PRIVATE = ("accounts.json", "cookie_secret", "hub.json", MONITOR_FILE)
_OWNERS = "owners.json"
_CHANGED_MEANWHILE = 1  # tar's exit code when a file changed while it was read
#: A file of a terabyte without content takes none in the copy, and a folder that its owner has closed stops no backup.
_PACKING = ("--one-file-system", "--sparse", "--ignore-failed-read")
#: What tar says of any folder that is in use, and that nobody needs to be told.
_USUAL = ("--warning=no-file-changed", "--warning=no-file-removed", "--warning=no-file-ignored")
_TOLD_LINES, _TOLD_CHARACTERS = 5, 300


def has_hub(state: Path) -> bool:
    """Return whether a folder holds the state of a hub that this account may read."""
    try:
        return (state / "private" / "accounts.json").is_file()
    except OSError:
        return False


def back_up_hub(state: Path, target: Path) -> None:
    """Copy a hub's state while it runs.

    Parameters
    ----------
    state
        The hub's folder.
    target
        A new folder, closed to others: it holds what log-ins are signed with. It appears whole or not at all.

    Raises
    ------
    StoreError
        If something cannot be copied.
    """
    with _whole_or_nothing(target) as building:
        (building / "private").mkdir()
        (building / "homes").mkdir()
        tokens = (path.name for path in (state / "private").glob(service_token_file("*")))
        for name in (*_PRIVATE, *tokens):
            _copy_private(state / "private" / name, building / "private" / name)
        if (state / CONFIG_NAME).exists():
            shutil.copyfile(state / CONFIG_NAME, building / CONFIG_NAME)
        if (state / "private" / _RECORDS).exists():
            with (
                closing(sqlite3.connect(state / "private" / _RECORDS, timeout=30)) as live,
                closing(sqlite3.connect(building / "private" / _RECORDS)) as copy,
            ):
                live.backup(copy)
        owners = {}
        for home in sorted((state / "homes").glob("*")):
            owners[home.name] = home.lstat().st_uid
            _pack_home(home, building / "homes" / f"{home.name}.tar")
        write_text(building / "homes" / _OWNERS, json.dumps(owners))


def restore_hub(copy: Path, state: Path) -> None:
    """Bring a hub's state back; `mlf hub` then starts with the accounts, passwords and log-ins of the copy.

    Raises
    ------
    ProjectError
        If `state` holds a hub already.
    StoreError
        If something cannot be copied.
    """
    if state.exists():
        raise ProjectError(f"{state} exists already; move it away, or name another folder with --hub")
    with _whole_or_nothing(state) as building:
        shutil.copytree(copy / "private", building / "private")
        (building / "private").chmod(0o700)
        if (copy / CONFIG_NAME).exists():
            shutil.copyfile(copy / CONFIG_NAME, building / CONFIG_NAME)
        forget_servers(building / "private" / _RECORDS)  # they run elsewhere, or no longer
        homes = building / "homes"
        homes.mkdir(mode=0o711)
        building.chmod(0o711)
        for name, uid in json.loads((copy / "homes" / _OWNERS).read_text(encoding="utf-8")).items():
            (homes / name).mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(homes / name, uid, uid)
            _unpack_home(copy / "homes" / f"{name}.tar", homes / name)


@contextmanager
def _whole_or_nothing(target: Path) -> Iterator[Path]:
    building = target.with_name(f"{target.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir(mode=0o700, parents=True)
        yield building
        building.rename(target)
    except (OSError, sqlite3.Error) as error:
        reason = in_plain_words(error, target) if isinstance(error, OSError) else str(error)
        raise StoreError(f"the hub's state was not copied to {target}; nothing is left of it: {reason}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _copy_private(source: Path, target: Path) -> None:
    if source.exists():
        target.touch(mode=0o600)
        shutil.copyfile(source, target)


def _pack_home(home: Path, target: Path) -> None:
    """Pack somebody's folder under their own account: a link that they put there leads nowhere that they cannot go."""
    found = home.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        # Who closed it to themselves as well must not stop the copies of everybody else.
        opening = ["/usr/bin/env", "chmod", "u+rwx", str(home)]
        subprocess.run(opening, stderr=subprocess.DEVNULL, check=False, **_as_owner_of(home))  # noqa: S603
    target.touch(mode=0o600)
    with target.open("wb") as file, tempfile.TemporaryFile() as complaints:
        packed = subprocess.run(  # noqa: S603 - fixed words and our own path
            ["/usr/bin/env", "tar", "--create", *_PACKING, *_USUAL, "--file", "-", "--directory", str(home), "."],
            stdout=file,
            stderr=complaints,  # a line for each file that cannot be read: there may be millions
            check=False,
            **_as_owner_of(home),
        )
        failed = packed.returncode > _CHANGED_MEANWHILE
        words = _some_of(complaints, last=failed)
    if failed:
        raise OSError(f"the folder of {unquote(home.name)!r} cannot be read: {words}")
    if words:
        tell(f"the folder of {unquote(home.name)!r} is copied, but: {words}")


def _some_of(complaints: IO[bytes], *, last: bool) -> str:
    """Return the first lines, or the last, and how many more there are; nothing where there are none."""
    complaints.seek(0)
    n_lines = sum(1 for _ in complaints)
    complaints.seek(0)
    start = max(0, n_lines - _TOLD_LINES) if last else 0
    told = islice(complaints, start, start + _TOLD_LINES)
    words = "; ".join(line.decode(errors="replace").strip()[:_TOLD_CHARACTERS] for line in told)
    n_further = n_lines - _TOLD_LINES
    return on_one_line(words) + (f"; and {n_further:,} more lines" if n_further > 0 else "")


def _unpack_home(source: Path, home: Path) -> None:
    with source.open("rb") as file:
        unpacked = subprocess.run(  # noqa: S603
            ["/usr/bin/env", "tar", "--extract", "--file", "-", "--directory", str(home)],
            stdin=file,
            stderr=subprocess.PIPE,
            check=False,
            **_as_owner_of(home),
        )
    if unpacked.returncode:
        words = unpacked.stderr.decode(errors="replace").strip()[-500:]
        raise OSError(f"the folder of {unquote(home.name)!r} cannot be written: {words}")


def _as_owner_of(home: Path) -> dict[str, Any]:
    uid = home.lstat().st_uid
    return {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 and uid else {}
