"""A look at one project: whether it opens, who may read and write it, its store, its images, its hub."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.finding import Finding, State
from pipeline.errors import MlfError, in_plain_words
from pipeline.hub.backup import has_hub
from pipeline.hub.launch import default_state_dir
from pipeline.project.folder import Project, open_project
from pipeline.project.history import read_history
from pipeline.project.image_table import open_whole_project
from pipeline.project.names import first_few
from pipeline.project.wording import so_many
from pipeline.store import open_project_store
from pipeline.store.standing import read_mark

#: File systems on which SQLite's locks cannot be relied on.
_OF_A_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "afs", "9p", "lustre", "gpfs", "beegfs"}


def look_at_project(root: Path) -> list[Finding]:
    """Return how a project is; nothing in it changes.

    Parameters
    ----------
    root
        The project's folder.
    """
    found = [*_rights(root)]
    try:
        project = open_project(root)
    except MlfError as error:
        return [*found, Finding("project", State.BROKEN, str(error), "put back mlf.toml from a backup")]
    try:
        open_whole_project(project.root)
        n_changes = len(read_history(project.root))
        found.append(Finding("project", State.FINE, f"{project.settings.project.name}, {so_many(n_changes, 'change')}"))
    except MlfError as error:
        found.append(Finding("project", State.BROKEN, str(error), f"mlf project history {_quoted(root)}"))
    return [*found, _store(project), _disk_of_the_store(project), _hub(project)]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _rights(root: Path) -> Iterator[Finding]:
    """Say whether this account may read and write all that is in the folder, and whether others may read the votes."""
    closed: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".git")]
        at = Path(folder)
        if not os.access(at, os.R_OK | os.W_OK | os.X_OK):
            closed.append(str(at.relative_to(root)))
        there = [at / name for name in files if (at / name).exists()]  # not links that lead nowhere
        closed += [str(each.relative_to(root)) for each in there if not os.access(each, os.R_OK | os.W_OK)]
    if closed:
        try:
            owner = root.owner()
        except KeyError:  # an account without a name, as in containers
            owner = "its owner"
        told = f"this account may not read and write {so_many(len(closed), 'place')}: {first_few(closed)}"
        mend = f"work as {owner}, or: sudo chown -R $USER {_quoted(root)}"
        yield Finding("permissions", State.BROKEN, told, mend)
    else:
        yield Finding("permissions", State.FINE, f"this account may read and write all of {root}")


def _store(project: Project) -> Finding:
    if not project.settings.store.url and not (project.root / "store.sqlite").exists():
        return Finding("store", State.FINE, "none yet; `mlf assign` makes it")
    try:
        with open_project_store(project) as store:
            store.check_standing(read_mark(project.root))
            end = store.end_of_log()
    except MlfError as error:
        return Finding("store", State.BROKEN, str(error), f"mlf store verify {_quoted(project.root)}")
    except OSError as error:
        return Finding("store", State.BROKEN, in_plain_words(error, project.root), "see to that first")
    kind = "PostgreSQL" if project.settings.store.url else "SQLite"
    return Finding("store", State.FINE, f"{kind}; the log ends at event {end.seq:,}")


def _disk_of_the_store(project: Project) -> Finding:
    kind = _file_system(project.root)
    if kind in _OF_A_NETWORK and not project.settings.store.url:
        mend = "move the project to a local disk, or give `url` in [store] of mlf.toml a PostgreSQL database"
        return Finding("store's disk", State.BROKEN, f"{kind}: SQLite cannot rely on its locks there", mend)
    return Finding("store's disk", State.FINE, kind or "unknown kind")


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on, as the kernel names it; empty where it does not say."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    places = [line.split()[1:3] for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    whole = folder.resolve()
    above = [(len(place), kind) for place, kind in places if whole.is_relative_to(place.replace("\\040", " "))]
    return max(above, default=(0, ""))[1]


def _hub(project: Project) -> Finding:
    state = default_state_dir(project)
    if not has_hub(state):
        return Finding("hub", State.MISSING, f"none was started for it from this account ({state})")
    return Finding("hub", State.FINE, f"its files are in {state}")
