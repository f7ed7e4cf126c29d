"""What a service serves from: a project's tables, shared by threads, without links that lead out of its folders."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from pipeline.annotation.session import Picture
from pipeline.errors import DatasetError
from pipeline.images.remote import is_url
from pipeline.images.within import file_of
from pipeline.project.folder import Project
from pipeline.sessions.local import LocalSession
from pipeline.sessions.project_tables import ProjectTables
from pipeline.store import SqlStore
from pipeline.votes.words import Round


class ServedTables(ProjectTables):
    """A project's tables for many callers at once."""

    def __init__(self, project: Project) -> None:
        self._lock = threading.Lock()
        self._allowed = [*project.image_folders, *project.link_roots]
        super().__init__(project)

    def location(self, image_index: int) -> str:
        """Return where an image's file lies; refuse it if a symbolic link leads out of the images' folder."""
        return refuse_escape(super().location(image_index), self.project.images_root, self._allowed)

    def _load_group(self, group: int) -> tuple[list[str], list[str | None]]:
        with self._lock:  # only one thread at a time may read a Parquet file
            return super()._load_group(group)


class ServedSession(LocalSession):
    """One caller's session inside the service."""

    def __init__(self, tables: ServedTables, store: SqlStore, annotator: str, round_: Round) -> None:
        super().__init__(tables.project, annotator, round_, tables=tables, store=store)

    def example(self, class_index: int, number: int, group: str = "") -> Picture:
        """Return one example, enlarged, unless a link leads out of the examples' folder."""
        self._check_class(class_index)
        examples, root = self._tables.examples, self._project.examples_root
        if examples is not None and root and not is_url(root):
            sources = examples.sources(class_index, group)
            if 0 <= number < len(sources):
                allowed = [*self._project.image_folders, *self._project.link_roots]
                refuse_escape(str(Path(root) / sources[number]), root, allowed)
        return super().example(class_index, number, group)


def refuse_escape(location: str, root: str, link_roots: Sequence[str] = ()) -> str:
    """Return `location` if, links followed, it lies below `root` or `link_roots`; URLs are returned as they are.

    Raise `DatasetError` if it lies elsewhere. The message names no folder of this machine.
    """
    if is_url(location):
        return location
    real = Path(file_of(location)).resolve()
    if not any(real.is_relative_to(Path(allowed).resolve()) for allowed in (root, *link_roots)):
        raise DatasetError(
            f"{Path(file_of(location)).name!r} is a link that leads out of the project's images; it is not served, "
            "unless link_roots in mlf.toml names the folder that it leads to"
        )
    return location
