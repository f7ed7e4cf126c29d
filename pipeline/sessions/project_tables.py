"""The bulk tables and the pictures of a project, read by row group when an image is asked for.

Nothing here imports torch or pandas, so a session's kernel stays small.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import pyarrow.parquet as pq

from pipeline.annotation.session import Picture, Unreadable
from pipeline.errors import DatasetError
from pipeline.examples.reader import ExampleReader
from pipeline.images import read_display
from pipeline.images.locations import join_location
from pipeline.project.class_pairs import Partners, partners_in, read_versions
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table
from pipeline.project.label_space import LabelSpace
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.project.tables import IMAGES_ROW_GROUP
from pipeline.proposals.reader import ProposalReader, open_proposals
from pipeline.sessions.suggested import SuggestedLabels


class ProjectTables:
    """The bulk tables of a project, opened once and shared by all its sessions (a service serves many)."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.label_space: LabelSpace = project.label_space
        self._images = pq.ParquetFile(image_table(project))
        self.n_images: int = self._images.metadata.num_rows
        self._read_group = lru_cache(maxsize=8)(self._load_group)
        self._read_pairs = lru_cache(maxsize=1)(
            lambda _stamp: tuple(map(partners_in, read_versions(project.class_pairs_path)))
        )

    @cached_property
    def image_numbers(self) -> ImageNumbers:
        """Return what people see instead of the images' indices."""
        return ImageNumbers.of(self.project.secret)

    @cached_property
    def proposals(self) -> ProposalReader:
        """Return the reader of the proposals."""
        return open_proposals(self.project)

    @cached_property
    def examples(self) -> ExampleReader | None:
        """Return the reader of the examples, or None if the project has none."""
        if not self.project.examples_path.exists():
            return None
        return ExampleReader(self.project.examples_path, self.project.examples_root, self.project.image_folders)

    @property
    def class_pairs(self) -> tuple[Partners, ...]:
        """Return which classes stand beside each other, by version; the file is read again when it has changed."""
        path = self.project.class_pairs_path
        try:
            status = path.stat()
        except OSError:
            return ()
        return self._read_pairs((status.st_mtime_ns, status.st_ino, status.st_size))

    @property
    def shows_own_images(self) -> bool:
        """Tell whether images of the project are among the examples: then none may come with itself."""
        return self.examples is not None and self.examples.has_own_images

    @cached_property
    def suggested(self) -> SuggestedLabels:
        """Return the reader of what refiners are asked about beyond the votes."""
        return SuggestedLabels(self.project)

    @cached_property
    def gold(self) -> dict[int, frozenset[int]]:
        """Return what is known of the hidden gold images: image index to the classes that apply."""
        from pipeline.assignment.gold import project_gold

        return project_gold(self.project)

    def image(self, image_index: int) -> tuple[str, str | None]:
        """Return an image's id and its path below `images_root` (None if there is no file)."""
        if not 0 <= image_index < self.n_images:
            raise DatasetError(f"no image {image_index}; the project has images 0 to {self.n_images - 1}")
        ids, paths = self._read_group(image_index // IMAGES_ROW_GROUP)
        offset = image_index % IMAGES_ROW_GROUP
        return ids[offset], paths[offset]

    def location(self, image_index: int) -> str:
        """Return where an image's file lies.

        Raise `DatasetError` if the project has no file for the image, or its path in the manifest leads out of the
        images' folder.
        """
        image_id, path = self.image(image_index)
        if path is None:
            raise DatasetError(f"image {image_id!r} has no file in this project")
        return join_location(self.project.images_root, path, self.project.image_folders)

    def _load_group(self, group: int) -> tuple[list[str], list[str | None]]:
        table = self._images.read_row_group(group, columns=["image_id", "path"])
        return table.column("image_id").to_pylist(), table.column("path").to_pylist()


def display_picture(tables: ProjectTables, image_index: int, max_side_px: int | None) -> Picture:
    """Return an image, scaled down to `max_side_px` if that is given; raises `DatasetError` if it cannot be read."""
    return picture_at(tables.location(image_index), max_side_px)


def picture_at(location: str, max_side_px: int | None) -> Picture:
    """Return the picture of a file as the browser gets it; errors as for :func:`pipeline.images.read_display`."""
    shown = read_display(location, max_side_px)
    return Picture(shown.data, "image/jpeg", shown.original_width_px, shown.original_height_px)


def small_picture(tables: ProjectTables, image_index: int, max_side_px: int) -> Picture | Unreadable:
    """Return an image scaled down, or why it cannot be read."""
    try:
        return display_picture(tables, image_index, max_side_px)
    except DatasetError as error:
        return Unreadable(str(error))
