"""Bring a project of an older version up to date, after a copy of all of it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.file_marks import MARKS_FILE, write_marks
from pipeline.errors import ProjectError, StoreError
from pipeline.project.changing import changing
from pipeline.project.folder import SETTINGS_FILE, Project
from pipeline.project.result_paths import EARLIER_NAMES, take_earlier_names
from pipeline.project.settings import FORMAT_VERSION, write_settings
from pipeline.store import open_project_store
from pipeline.store.engine import SCHEMA_REVISION, schema_revision

_STORE = "store.sqlite"


@dataclass(frozen=True, slots=True)
class UpgradeOutcome:
    """What an upgrade did: where the copy is (None where nothing had to be done), and each step in words."""

    backup: Path | None
    steps: tuple[str, ...]


def upgrade_project(project: Project, backup: Path | None = None, *, by: str = "") -> UpgradeOutcome:
    """Upgrade a project's files and its store, after copying all of it to a new folder.

    Everything can be cut off and given again: the copy is whole before anything is touched, and the format's number,
    which comes last, says that the rest is done.

    Parameters
    ----------
    backup
        A new folder for the copy; left out, one beside the project.
    by
        Who does it; left out, whoever runs this process.

    Raises
    ------
    ProjectError
        If the folder of the copy exists, or the store is a database elsewhere, which a copy of the folder lacks.
    """
    version = project.settings.project.format_version
    has_store = bool(project.settings.store.url) or (project.root / _STORE).exists()
    revision = schema_revision(project.store_url) if has_store else SCHEMA_REVISION
    if version == FORMAT_VERSION and revision == SCHEMA_REVISION:
        return UpgradeOutcome(None, ())
    kept = _copied(project, backup or _beside(project.root, version))
    steps = []
    with open_project_store(project) as store:
        if revision != SCHEMA_REVISION:
            steps.append(f"the store went from schema {revision} to {SCHEMA_REVISION}")
        verified = store.verify()
        if not verified.is_sound:
            raise StoreError(
                f"{project.root}: the store is not sound after its upgrade; the copy in {kept} is as it was"
            )
    _ = project.secret  # one is made where there is none
    for folder, endings in ((project.results_dir, ("", ".json")), (project.reports_dir, (".html",))):
        for stage in EARLIER_NAMES:
            take_earlier_names(folder, stage, *endings)
    with changing(project.root, wait=True) as files:
        settings = project.settings.with_changes("project", format_version=FORMAT_VERSION)
        write_settings(settings, files.path(SETTINGS_FILE))
        if not (project.root / MARKS_FILE).exists():
            write_marks(project, files.path(MARKS_FILE))
            steps.append("the images' files were marked: changed and vanished ones are noticed from now on")
        steps.append(f"the format went from {version} to {FORMAT_VERSION}")
        files.commit("project upgrade", {"text": f"upgraded from format {version} to {FORMAT_VERSION}"}, by)
    return UpgradeOutcome(kept, tuple(steps))


def _beside(root: Path, version: int) -> Path:
    return root.resolve().with_name(f"{root.resolve().name}.before-format-{version + 1}")


def _copied(project: Project, folder: Path) -> Path:
    """Copy a project's folder, its store by SQLite's own means, so that people may be at work."""
    if project.settings.store.url:
        raise ProjectError(
            f"{project.root}: its store is a database elsewhere, which a copy of the folder lacks; make the copy with "
            f"`mlf backup {project.root} FOLDER`, set store.url aside, and upgrade what `mlf restore` makes of it"
        )
    folder = folder.expanduser()
    if folder.exists():
        raise ProjectError(f"{folder} exists; name a new folder for the copy with --backup")
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(project.root, unfinished, ignore=shutil.ignore_patterns(f"{_STORE}*"), symlinks=True)
    source = project.root / _STORE
    if source.exists():
        with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(unfinished / _STORE)) as other:
            one.backup(other)
    unfinished.rename(folder)
    return folder
