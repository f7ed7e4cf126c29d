"""Make a project from images and a label space."""

from __future__ import annotations

import posixpath
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal, cast, get_args

from tqdm.auto import tqdm

from pipeline.datasets.file_marks import MARKS_FILE, write_marks
from pipeline.datasets.folder import class_folders, folder_records
from pipeline.datasets.folder_order import FolderOrder, classes_in_order
from pipeline.datasets.links import LinkedFolders
from pipeline.datasets.manifest import (
    default_images_root,
    folders_elsewhere,
    is_manifest,
    manifest_classes,
    manifest_records,
    manifest_rows,
    read_labels,
)
from pipeline.datasets.packed import PackedImages
from pipeline.datasets.packed_sources import packed_images
from pipeline.datasets.records import ImageRecord, ImageTableWriter, SkippedRow, SourceOrder, read_skipped
from pipeline.datasets.walking import walk_files
from pipeline.errors import DatasetError
from pipeline.images import check_header, read_image
from pipeline.images.locations import absolute_location, is_below, join_location, same_image_key
from pipeline.images.remote import is_url
from pipeline.images.within import PACKED_SUFFIXES
from pipeline.project.class_references import ClassNumbers
from pipeline.project.folder import SETTINGS_FILE, Project, create_project, open_project, require_free
from pipeline.project.image_table import image_columns
from pipeline.project.label_space import LabelSpace, label_space_from_keys, load_label_space
from pipeline.project.settings import ProjectSection, Settings, write_settings

Check = Literal["none", "header", "full"]
_CHECK_BATCH = 1024
_CHECK_THREADS = 8


@dataclass(frozen=True, slots=True)
class InitSummary:
    """What became of the source: counts of images, and what was skipped."""

    n_images: int
    n_classes: int
    n_unlabelled: int
    n_without_file: int
    skipped: tuple[SkippedRow, ...]


def init_project(
    root: str | Path,
    images: str | Path,
    classes: str | Path | None = None,
    examples: str | Path | None = None,
    name: str | None = None,
    *,
    images_root: str | Path | None = None,
    has_files: bool = True,
    check: Check = "header",
    numbers: ClassNumbers = "auto",
    order: FolderOrder | None = None,
    settings: Settings | None = None,
    label_column: str = "",
) -> Project:
    """Make a project folder with its label space and its table of images.

    The folder appears under its name only once it is complete.

    Parameters
    ----------
    root
        A new or empty folder.
    images
        A folder of images, a manifest, or what :func:`pipeline.datasets.packed_sources.packed_images` reads; local or
        an fsspec URL.
    classes
        A label space by name or file. If left out, it is the folder's sub-folders or the manifest's labels.
    examples
        Folder of example images: one sub-folder per class, or flat files `<class key>.jpg`. If left out, examples are
        drawn from the images themselves.
    name
        The project's name for people. If left out, the folder's name.
    images_root
        What a manifest's paths are relative to. If left out, its own folder.
    has_files
        False if a manifest's images have no files here.
    check
        How each file is checked: not at all, by its header (default), or by decoding it in full.
    numbers
        How to read labels that are numbers (:mod:`pipeline.project.class_references`).
    order
        The order of a folder's classes and images. If left out, natural, and the user is told where that matters.
    settings
        All other contents of `mlf.toml`.
    label_column
        Where labels stand in shards or Hugging Face's files, if not in the usual place.

    Raises
    ------
    ProjectError
        If the folder is in use.
    DatasetError
        If the source cannot be read, or none of its images can be used.
    """
    root = Path(root).expanduser()
    require_free(root)
    source = absolute_location(images)
    packed = packed_images(source, label_column)
    from_manifest = packed is None and is_manifest(source)
    base = images_base(source, images_root, packed)
    space = _label_space(source, classes, order, packed)
    folders = further_folders(source, base, packed) if has_files else []
    if from_manifest and len(folders) == 1 and not images_root and not _has_images_below(source, base):
        base, folders = folders[0], []
    section = ProjectSection(
        name=name or root.resolve().name,
        images_root=base,
        image_folders=folders,
        examples_root=absolute_location(examples) if examples else base,
    )
    if examples and not is_url(section.examples_root) and not Path(section.examples_root).is_dir():
        raise DatasetError(f"{examples}: no such folder of examples; --examples takes a folder of folders, one a class")
    records = source_records(source, packed, space, numbers, order, base, folders, has_files=has_files)
    origin = SourceOrder()
    if packed is None and not from_manifest:
        origin = SourceOrder(order or "natural", is_given=order is not None, names_classes=classes is None)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as staging:
        project = create_project(Path(staging) / "project", replace(settings or Settings(), project=section), space)
        links = LinkedFolders(base, root)
        _write_images(
            project, with_links(checked_records(unique(records), base, check, folders), links), source, origin
        )
        project = _keep_link_roots(project, links, root)
        write_marks(project, project.root / MARKS_FILE)
        if root.exists():
            root.rmdir()
        project.root.rename(root)
    return open_project(root)


def as_check(value: str) -> Check:
    """Return the way to check files that a person typed; raise `DatasetError` if there is no such way."""
    for known in get_args(Check):
        if value == known:
            return cast(Check, known)
    raise DatasetError(f"--check {value}: files can be checked in one of these ways: {', '.join(get_args(Check))}")


def init_summary(project: Project) -> InitSummary:
    """Return what became of a project's source, from its tables."""
    import pyarrow.compute as pc

    table = image_columns(project, ["path", "original_label"])
    return InitSummary(
        n_images=table.num_rows,
        n_classes=len(project.label_space),
        n_unlabelled=pc.sum(pc.is_null(table["original_label"])).as_py() or 0,
        n_without_file=pc.sum(pc.is_null(table["path"])).as_py() or 0,
        skipped=tuple(read_skipped(project.skipped_path)),
    )


def _write_images(
    project: Project, records: Iterable[ImageRecord | SkippedRow], source: str, origin: SourceOrder
) -> None:
    with ImageTableWriter(project.images_path, project.skipped_path, origin) as writer:
        for record in tqdm(records, desc="images", unit=" images", mininterval=0.5):
            writer.add(record)
    if writer.n_images:
        return
    if not writer.skipped:
        raise DatasetError(f"{source}: holds no images")
    reasons = Counter(row.reason.split(": ", 1)[-1] for row in writer.skipped)
    first = writer.skipped[0]
    raise DatasetError(
        f"{source}: not one of {len(writer.skipped)} rows can be used; the first, {first.image_id or first.path}: "
        f"{first.reason} ({len(reasons)} different reasons in all); check the classes (--classes) "
        "and where the images lie (--images-root; --no-files where there are none)"
    )


def unique(
    records: Iterable[ImageRecord | SkippedRow], known: Mapping[str, str | None] | None = None
) -> Iterator[ImageRecord | SkippedRow]:
    """Turn records that name an image a second time into skipped rows.

    Parameters
    ----------
    records
        In the order of the source.
    known
        Images that are there already: id to path.
    """
    ids: set[str] = set(known or ())
    id_of_file = {same_image_key(image_id, path): image_id for image_id, path in (known or {}).items()}
    for record in records:
        if isinstance(record, SkippedRow):
            yield record
            continue
        key = same_image_key(record.image_id, record.path)
        if record.image_id in ids:
            yield SkippedRow(
                record.image_id,
                record.path,
                "duplicate id: an earlier row has it (white space around it and Unicode's normal form aside); "
                "that one is kept",
            )
        elif key in id_of_file:
            reason = f"the same file as {id_of_file[key]!r} of an earlier row; that one is kept"
            yield SkippedRow(record.image_id, record.path, reason)
        else:
            ids.add(record.image_id)
            id_of_file[key] = record.image_id
            yield record


def checked_records(
    records: Iterator[ImageRecord | SkippedRow], root: str, check: Check, folders: Sequence[str] = ()
) -> Iterator[ImageRecord | SkippedRow]:
    """Turn records whose file fails the check into skipped rows, keeping the order."""
    if check == "none":
        yield from records
        return
    look: Callable[[str], object] = check_header if check == "header" else read_image

    def checked(record: ImageRecord | SkippedRow) -> ImageRecord | SkippedRow:
        if isinstance(record, SkippedRow) or record.path is None:
            return record
        try:
            look(join_location(root, record.path, folders))
        except DatasetError as error:
            return SkippedRow(record.image_id, record.path, str(error))
        return record

    with ThreadPoolExecutor(_CHECK_THREADS) as pool:
        while batch := list(islice(records, _CHECK_BATCH)):
            has_files = any(isinstance(record, ImageRecord) and record.path is not None for record in batch)
            yield from pool.map(checked, batch) if has_files else batch


def with_links(records: Iterable[ImageRecord | SkippedRow], links: LinkedFolders) -> Iterator[ImageRecord | SkippedRow]:
    """Yield the records, and collect on the way where links among them lead."""
    for record in records:
        if isinstance(record, ImageRecord) and record.path is not None and not record.path.startswith("/"):
            links.add(record.path)
        yield record


def _keep_link_roots(project: Project, links: LinkedFolders, root: Path) -> Project:
    """Write the folders that links of images and examples lead to into the settings, and tell the user."""
    section, roots = project.settings.project, links.roots()
    links.tell()
    if section.examples_root != section.images_root and not is_url(section.examples_root):
        of_examples = LinkedFolders(section.examples_root, root)
        for path in walk_files(section.examples_root):
            of_examples.add(path)
        roots = sorted({*roots, *of_examples.roots()})
    if not roots:
        return project
    settings = project.settings.with_changes("project", link_roots=roots)
    write_settings(settings, project.root / SETTINGS_FILE)
    return replace(project, settings=settings)


def _has_images_below(source: str, base: str) -> bool:
    """Tell whether a manifest has paths that are relative, or absolute below a folder."""
    return any(row.path and (not row.path.startswith("/") or is_below(row.path, base)) for row in manifest_rows(source))


def images_base(source: str, images_root: str | Path | None, packed: PackedImages | None) -> str:
    """Return what a source's paths are relative to.

    Raise `DatasetError` if another root is wanted than the only one that there can be.
    """
    if packed is not None:
        if images_root:
            raise DatasetError(f"--images-root: the images of {source} lie inside its own files; leave it out")
        return packed.root
    if images_root:
        return absolute_location(images_root)
    return default_images_root(source) if is_manifest(source) else source


def source_records(
    source: str,
    packed: PackedImages | None,
    space: LabelSpace,
    numbers: ClassNumbers,
    order: FolderOrder | None,
    base: str,
    folders: Sequence[str],
    *,
    has_files: bool,
) -> Iterator[ImageRecord | SkippedRow]:
    """Return the images of a source of any kind, with their original labels.

    Raise `DatasetError` if it cannot be read, or its class numbers fit two readings.
    """
    if packed is not None:
        return packed.records(space, numbers, has_files=has_files)
    if is_manifest(source):
        labels = read_labels(source, space, numbers)
        return manifest_records(source, space, base, has_files=has_files, labels=labels, folders=folders)
    return folder_records(source, space, numbers, order or "natural")


def further_folders(source: str, base: str, packed: PackedImages | None) -> list[str]:
    """Return the folders outside of `base` in which images of a source lie by absolute paths."""
    if packed is not None:
        return list(packed.folders)
    return folders_elsewhere(source, base) if is_manifest(source) else []


def _label_space(
    source: str, classes: str | Path | None, order: FolderOrder | None, packed: PackedImages | None
) -> LabelSpace:
    if classes is not None:
        return load_label_space(classes)
    if packed is not None:
        return label_space_from_keys(packed.class_keys(), name=f"the classes of {source}")
    keys = manifest_classes(source) if is_manifest(source) else class_folders(source)
    if not keys:
        larger = next((path for path in walk_files(source) if path.lower().endswith(PACKED_SUFFIXES)), None)
        hint = ""
        if larger is not None:
            pattern = posixpath.join(source, posixpath.dirname(larger), f"*{posixpath.splitext(larger)[1]}")
            hint = f", or give --images '{pattern}' for the images inside {larger}, which are not read beside others"
        raise DatasetError(f"{source}: has no class-named sub-folders; name the classes with `--classes`{hint}")
    if not is_manifest(source):
        keys = classes_in_order(keys, order, source)
    return label_space_from_keys(keys, name=f"the classes of {source}")
