"""New images for a project: from a folder or a manifest into a longer table of images; what is there stays as it is."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.datasets.create import (
    Check,
    checked_records,
    further_folders,
    images_base,
    source_records,
    unique,
    with_links,
)
from pipeline.datasets.folder_order import FolderOrder
from pipeline.datasets.links import LinkedFolders
from pipeline.datasets.packed_sources import packed_images
from pipeline.datasets.records import ImageRecord, ImageTableWriter, SkippedRow, read_source_rows
from pipeline.errors import DatasetError
from pipeline.images.locations import absolute_location, relative_location
from pipeline.images.remote import is_url
from pipeline.project.class_references import ClassNumbers
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns, image_table
from pipeline.project.settings import Settings


@dataclass(frozen=True)
class AddedImages:
    """What came of a source.

    Parameters
    ----------
    n_before, n_added, n_known
        Images that the project had; that are new; and that the source names and the project has already.
    skipped
        What could not be used, and why.
    rows
        For each row of the source that is no known image, in order: whether it became an image. Tables that go with
        the source have a row for each.
    settings
        The project's settings, with further folders of images where the new ones lie elsewhere.
    """

    n_before: int
    n_added: int
    n_known: int
    skipped: tuple[SkippedRow, ...]
    rows: tuple[bool, ...]
    settings: Settings


def write_longer_table(
    project: Project,
    images: str | Path,
    images_path: Path,
    skipped_path: Path,
    *,
    images_root: str | Path | None = None,
    has_files: bool = True,
    prefix: str = "",
    check: Check = "header",
    numbers: ClassNumbers = "auto",
    label_column: str = "",
) -> AddedImages:
    """Write a project's table of images with those of a source after them; nothing of the project is changed.

    Parameters
    ----------
    images
        As for `init_project`.
    images_path, skipped_path
        Where the two tables go.
    images_root
        What a manifest's paths are relative to. If left out, its own folder.
    has_files
        False if a manifest's images have no files here.
    prefix
        Put before the new images' ids, where they would clash with ids that are there.
    check, numbers, label_column
        As for `init_project`.

    Raises
    ------
    DatasetError
        If the source cannot be read, or nothing in it is new.
    """
    source = absolute_location(images)
    packed = packed_images(source, label_column)
    base = images_base(source, images_root, packed)
    space = project.label_space
    folders = further_folders(source, base, packed) if has_files else []
    was = read_source_rows(image_table(project)).origin.order
    order: FolderOrder = "torchvision" if was == "torchvision" else "natural"
    read = source_records(source, packed, space, numbers, order, base, folders, has_files=has_files)
    table = image_columns(project, ["image_id", "path"])
    known: dict[str, str | None] = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    links = LinkedFolders(base, project.root)
    place = _Place(project, base)
    n_known, rows, skipped = 0, list[bool](), list[SkippedRow]()
    with ImageTableWriter(images_path, skipped_path, before=(image_table(project), project.skipped_path)) as writer:
        checked = with_links(checked_records(_named(read, prefix), base, check, folders), links)
        for record in unique(_placed(checked, place, known), known):
            if record is _KNOWN:
                n_known += 1
                continue
            rows.append(isinstance(record, ImageRecord))
            skipped += [record] if isinstance(record, SkippedRow) else []
            writer.add(record)
    n_added = writer.n_images - len(known)
    if not n_added:
        raise DatasetError(_nothing_new(source, n_known, skipped))
    links.tell()
    section = project.settings.project
    section = replace(
        section,
        image_folders=sorted({*section.image_folders, *place.folders, *folders}),
        link_roots=sorted({*section.link_roots, *links.roots()}),
    )
    settings = replace(project.settings, project=section)
    return AddedImages(len(known), n_added, n_known, tuple(skipped), tuple(rows), settings)


_KNOWN = SkippedRow(None, None, "in the project already")


class _Place:
    """Where new images lie, as the project's table says it: below its own root, or by an absolute path."""

    def __init__(self, project: Project, base: str) -> None:
        self._root, self._base = project.images_root, base
        self.folders: set[str] = set()
        try:
            self._below: str | None = relative_location(base, self._root) if self._root else None
        except DatasetError:
            self._below = None
        if base.rstrip("/") == self._root.rstrip("/"):
            self._below = "."

    def of(self, path: str) -> str:
        if path.startswith("/"):
            return path
        if self._below is not None:
            return posixpath.normpath(posixpath.join(self._below, path))
        self.folders.add(self._base)
        return f"{self._base.rstrip('/')}/{path}" if is_url(self._base) else posixpath.join(self._base, path)


def _named(records: Iterator[ImageRecord | SkippedRow], prefix: str) -> Iterator[ImageRecord | SkippedRow]:
    for record in records:
        yield replace(record, image_id=prefix + record.image_id) if isinstance(record, ImageRecord) else record


def _placed(
    records: Iterator[ImageRecord | SkippedRow], place: _Place, known: dict[str, str | None]
) -> Iterator[ImageRecord | SkippedRow]:
    """Say where each image lies in the project's own terms; images that it has become one mark."""
    paths = {path for path in known.values() if path is not None}
    for record in records:
        if isinstance(record, SkippedRow):
            yield record
            continue
        path = None if record.path is None else place.of(record.path)
        if path in paths or (path is None and record.image_id in known):
            yield _KNOWN
        elif record.image_id in known:
            reason = (
                f"another image of the project is called {record.image_id!r}; give the new ones names of their own "
                "with --prefix"
            )
            yield SkippedRow(record.image_id, path, reason)
        else:
            yield replace(record, path=path)


def _nothing_new(source: str, n_known: int, skipped: list[SkippedRow]) -> str:
    if not skipped:
        return f"{source}: holds no new image; {n_known:,} are in the project already"
    first = skipped[0]
    return (
        f"{source}: holds no new image that can be used: {n_known:,} are in the project already and {len(skipped):,} "
        f"cannot be used; the first, {first.image_id or first.path}: {first.reason}"
    )
