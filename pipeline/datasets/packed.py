"""Images inside larger files, as a source of a project: tar shards, and Hugging Face data sets on disk."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.datasets.records import ImageRecord, SkippedRow
from pipeline.errors import DatasetError
from pipeline.images.locations import natural_key
from pipeline.project.class_references import ClassNumbers, read_class_references
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled
from pipeline.project.notices import tell

#: The option that says where labels stand, and its word for *nowhere*.
LABEL_OPTION, NO_LABELS = "--label-column", "none"


@dataclass(frozen=True, slots=True)
class PackedImage:
    """One image: its file and path below the root, what it is called there, its class, and its `flaw`, if any.

    `name` is its member's; of a row, its picture's. `row` is the row's number, which stands for names that are not
    unique; empty for a member. `path` is null where there is no image.
    """

    file: str
    name: str
    path: str | None
    label: str
    flaw: str = ""
    row: str = ""


@dataclass(frozen=True)
class PackedImages:
    """What a source holds, listed once.

    Parameters
    ----------
    source, root
        What the user named, and the folder that its files lie in.
    images
        In the order of the files.
    classes
        The names of its classes in order, where it keeps them; else empty.
    folders
        Further folders that images lie in by absolute paths.
    """

    source: str
    root: str
    images: Sequence[PackedImage]
    classes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def class_keys(self) -> list[str]:
        """Return the label space where none is given; raise `DatasetError` if nothing has a class."""
        keys = list(self.classes) or sorted({image.label for image in self.images if image.label}, key=natural_key)
        if not keys:
            flaw = next((f"; {image.flaw}" for image in self.images if image.flaw), "")
            raise DatasetError(
                f"{self.source}: no image has a class; say which classes there are, with --classes{flaw}"
            )
        return keys

    def records(
        self, space: LabelSpace, numbers: ClassNumbers = "auto", *, has_files: bool = True
    ) -> Iterator[ImageRecord | SkippedRow]:
        """Yield the images with their original labels; without `has_files`, as if they were not here.

        Raise `DatasetError` if class numbers fit two readings.
        """
        index_of = self._index_of(space, numbers)
        # A member that is in one shard twice has one place in its name; a row has its own.
        called = {(image.file, image.name, image.row) for image in self.images if image.name or image.row}
        is_unique = len({name for _, name, _ in called}) == len(called)
        for image in self.images:
            own = (
                image.name
                if is_unique and image.name
                else f"{posixpath.splitext(image.file)[0]}/{image.row or image.name}"
            )
            image_id = settled(own) if image.name or image.row else None
            if image.flaw:
                yield SkippedRow(image_id, image.path or image.file, image.flaw)
            elif image.label and image.label not in index_of:
                reason = f"{image.file}: unknown class {image.label!r}: it is not in {space.name}"
                yield SkippedRow(image_id, image.path, reason)
            else:
                label = index_of[image.label] if image.label else None
                yield ImageRecord(image_id or own, image.path if has_files else None, label)

    def _index_of(self, space: LabelSpace, numbers: ClassNumbers) -> dict[str, int]:
        where = f"{self.source}, labels"
        found = read_class_references({image.label for image in self.images} - {""}, space, where, numbers)
        if found.told:
            tell(found.told)
        if self.classes and not found.index_of and len(self.classes) == len(space):
            tell(
                f"{where}: none of its class names is in {space.name}, which has as many classes: they are paired in "
                f"order, {self.classes[0]!r} with {space[0].key!r}"
            )
            return {name: index for index, name in enumerate(self.classes)}
        return dict(found.index_of)
