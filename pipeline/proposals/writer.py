"""Writing `proposals.parquet`: completely or not at all, with a record of how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import MlfError
from pipeline.inference.parts import refuse_other_settings
from pipeline.project.folder import Project
from pipeline.project.list_columns import lists_from_padded
from pipeline.project.tables import PROPOSALS, PROPOSALS_ROW_GROUP, PROPOSALS_WITH_VIEWS
from pipeline.project.writing import whole_file
from pipeline.proposals.reader import ProposalReader


def write_proposals(
    project: Project, groups: Iterable[pa.Table], models: Sequence[str], settings: dict[str, Any]
) -> None:
    """Write the project's proposals.

    Parameters
    ----------
    project
        The project whose proposals they are.
    groups
        Tables in order, all of the schema `PROPOSALS` or all of `PROPOSALS_WITH_VIEWS`, with
        :data:`PROPOSALS_ROW_GROUP` rows each (the last may have fewer).
    models
        Names to which the column `model` refers by position.
    settings
        How the proposals were made, as plain JSON.
    """
    waiting = iter(groups)
    first = next(waiting, PROPOSALS.empty_table())
    with (
        whole_file(project.proposals_path) as unfinished,
        pq.ParquetWriter(unfinished, first.schema.remove_metadata(), compression="zstd") as writer,
    ):
        for group in chain([first], waiting):
            writer.write_table(group.replace_schema_metadata(None), row_group_size=PROPOSALS_ROW_GROUP)
        writer.add_key_value_metadata({"models": json.dumps(list(models)), "settings": json.dumps(settings)})


def proposal_groups(columns: Sequence[npt.NDArray[Any]]) -> Iterator[pa.Table]:
    """Yield proposals as :func:`write_proposals` takes them, one row group at a time.

    Parameters
    ----------
    columns
        Classes, scores, methods and, where there are any, views: (n_images, k) each, classes padded with -1.
    """
    schema = (PROPOSALS, PROPOSALS_WITH_VIEWS)[len(columns) - 3]
    for first in range(0, len(columns[0]), PROPOSALS_ROW_GROUP):
        rows = slice(first, first + PROPOSALS_ROW_GROUP)
        is_named = columns[0][rows] >= 0
        image_index = np.arange(first, first + len(is_named), dtype=np.int32)
        arrays = [pa.array(image_index), *(lists_from_padded(column[rows], is_named) for column in columns)]
        # A class that no model scored gets null as its score, not NaN.
        arrays[2] = pa.ListArray.from_arrays(arrays[1].offsets, pa.array(columns[1][rows][is_named], from_pandas=True))
        yield pa.table(arrays, schema=schema)


def write_longer_proposals(
    project: Project, new: pa.Table, reader: ProposalReader, digests: tuple[str, str], destination: Path
) -> None:
    """Write a project's proposals with those of new images after them; the rows that are there stay as they are.

    Parameters
    ----------
    project
        The project.
    new
        Rows of the schema `PROPOSALS_WITH_VIEWS`, whose metadata name the `models` of both.
    reader
        The proposals that are there.
    digests
        SHA-256 of the table of images before and now, which the settings name.
    destination
        Where the whole table goes.
    """
    before = pq.read_table(project.proposals_path).replace_schema_metadata(None)
    if "view" not in before.column_names:
        new = new.drop_columns("view")
    models = (new.schema.metadata or {})[b"models"].decode()
    settings = json.dumps(reader.settings).replace(digests[0], digests[1])
    whole = pa.concat_tables([before, new.replace_schema_metadata(None).cast(before.schema)])
    with pq.ParquetWriter(destination, whole.schema, compression="zstd") as writer:
        writer.write_table(whole, row_group_size=PROPOSALS_ROW_GROUP)
        writer.add_key_value_metadata({"models": models, "settings": settings})


def has_proposals(project: Project, settings: dict[str, Any]) -> bool:
    """Tell whether the project has finished proposals that were made with exactly these settings.

    Raise `ProjectError` if it has other proposals: they may be in use, so they are not replaced unasked.
    """
    if not project.proposals_path.exists():
        return False
    found = ProposalReader(project.proposals_path).settings
    refuse_other_settings(found, settings, str(project.proposals_path))
    return True


def refuse_other_proposals(project: Project, known: dict[str, Any]) -> None:
    """Compare what is known about a run before it begins with the settings of the proposals that are there.

    Raise `ProjectError` if the project has proposals made with other settings.
    """
    if project.proposals_path.exists():
        found = ProposalReader(project.proposals_path).settings
        refuse_other_settings({name: found.get(name) for name in known}, known, str(project.proposals_path))


@contextmanager
def proposals_begun_anew(project: Project) -> Iterator[None]:
    """Move a project's proposals and examples out of the way of a new run, and back if the run is refused.

    If the run is cut off instead, they are not put back, so that it can be resumed.
    """
    kept = {path: path.with_name(f"{path.name}.before") for path in (project.proposals_path, project.examples_path)}
    for path, aside in kept.items():
        if path.exists():
            path.replace(aside)
    try:
        yield
    except MlfError:
        for path, aside in kept.items():
            if aside.exists():
                aside.replace(path)
        raise
    for aside in kept.values():
        aside.unlink(missing_ok=True)
