"""The table of a project's images, whose order all other tables follow: it is whole, or the error says what to do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ProjectError, in_plain_words
from pipeline.project.folder import Project, open_project

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def open_whole_project(root: str | Path) -> Project:
    """Open the project in this folder after reading its whole table of images.

    Raise `ProjectError` if it is not a project folder, its settings are wrong, or the table is missing or damaged
    anywhere.
    """
    project = open_project(root)
    path = image_table(project)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, project.root, error) from error
    return project


def image_table(project: Project) -> Path:
    """Return the path of a project's table of images after reading its footer.

    Raise `ProjectError` if the table is missing or cut short, or the file holds another table.
    """
    path = project.images_path
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.project.tables import IMAGES

    try:
        names = pq.read_schema(path).names
    except FileNotFoundError as error:
        raise ProjectError(f"{path} is missing: it lists the project's images. {_way_back(project.root)}") from error
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, project.root, error) from error
    missing = [name for name in IMAGES.names if name not in names]
    if missing:
        reason = f"it has no column {missing[0]!r}"
        raise ProjectError(f"{path} is not the project's table of images: {reason}. {_way_back(project.root)}")
    return path


def image_columns(project: Project, columns: Sequence[str]) -> pa.Table:
    """Return columns of a project's table of images (:data:`pipeline.project.tables.IMAGES`), one row per image.

    Original labels are given as they read under the project's list of classes now.

    Raises
    ------
    ProjectError
        As for :func:`image_table`, or if one of the columns is damaged.
    """
    path = image_table(project)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, project.root, error) from error
    return table if "original_label" not in columns or project.current_classes.is_plain else _as_now(table, project)


def _as_now(table: pa.Table, project: Project) -> pa.Table:
    import pyarrow as pa

    at = table.column_names.index("original_label")
    labels = project.current_classes.labels(table.column(at).fill_null(-1).to_numpy())
    return table.set_column(at, table.schema.field(at), pa.array(labels, mask=labels < 0))


def image_indices(project: Project) -> dict[str, int]:
    """Return the index of each image by its id; raise `ProjectError` as :func:`image_columns` does."""
    table = image_columns(project, ["image_id", "image_index"])
    return dict(zip(table["image_id"].to_pylist(), table["image_index"].to_pylist(), strict=True))


def original_labels(project: Project) -> NDArray[np.int32]:
    """Return each image's original label: int32 ``(n_images,)``, -1 where it has none.

    Raise `ProjectError` as :func:`image_columns` does.
    """
    column = image_columns(project, ["original_label"]).column(0)
    labels: NDArray[np.int32] = column.fill_null(-1).to_numpy().astype("int32")
    return labels


def _damaged(path: Path, root: Path, error: Exception) -> ProjectError:
    if isinstance(error, OSError) and error.errno:
        return ProjectError(in_plain_words(error, path))
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return ProjectError(f"{path} is damaged and cannot be read ({reason}). {_way_back(root)}")


def _way_back(root: Path) -> str:
    return (
        f"Copy images.parquet into {shlex.quote(str(root))} from a backup or another copy of the project, or from a "
        "new one that `mlf init NEWFOLDER --images …` makes of exactly the same images; the votes "
        "are in the store, and stay there"
    )
