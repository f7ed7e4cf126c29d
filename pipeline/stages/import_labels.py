"""Final labels and proposals of other tools, as a project's refined labels and its proposals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.formats.exchange.content import Label
from pipeline.formats.refined_labels_in import PROVENANCE_SUFFIX
from pipeline.formats.refined_labels_out import write_refined_labels
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.result_paths import summary_path, tables_dir
from pipeline.project.results import has_summary
from pipeline.project.tables import REFINED_LABELS
from pipeline.proposals.reader import ProposalReader
from pipeline.proposals.writer import proposal_groups, write_proposals
from pipeline.stages.incoming import CHANGED, REFUSED, TAKEN, THERE, Incoming, Rows
from pipeline.votes.words import Source

#: What provenance says in place of a method where labels came from a file.
IMPORTED: Final = "imported"
_SOURCES = frozenset(source.value for source in Source) - {Source.UNLABELLED.value}

#: A label as its row in the table, without the image.
_Row = tuple[int | None, str, int | None, int | None, int | None, float | None]


def import_labels(
    project: Project, incoming: Incoming, rows: Rows, provenance: Mapping[str, object], *, replaces: bool, is_dry: bool
) -> None:
    """Make a file's label sets the project's refined labels; images that it does not name stay as they are.

    Labels without a source of their own are `known`: known beforehand. Where the project settled labels itself, they
    are not mixed with others unasked; the figures about them go with them, until `mlf settle` makes both again.

    Parameters
    ----------
    rows
        Takes what became of each.
    provenance
        Where the labels come from, as plain JSON.
    replaces
        Whether the file's label set stands where the project has another.
    is_dry
        Only say what would be done.
    """
    there = _labels_there(project)
    is_settled = has_summary(project, "settle")
    new: dict[int, list[_Row]] = {}
    place_of: dict[int, str] = {}
    for record, index in zip(incoming.records, incoming.image_index, strict=True):
        if record.labels is None:
            continue
        given = _rows_of(record.labels, record.empty_source, incoming.class_of)
        before = there.get(index)
        if index in new and _classes(new[index]) != _classes(given):
            reason = f"{place_of[index]} gives it other labels; keep one"
            rows.add(record.place, record.image, "labels", REFUSED, reason)
        elif index in new or (before is not None and _classes(before) == _classes(given)):
            rows.add(record.place, record.image, "labels", THERE)
        elif before is not None and not replaces:
            reason = "the project has other refined labels for it; --replace takes the file's"
            rows.add(record.place, record.image, "labels", REFUSED, reason)
        elif is_settled and not replaces:
            reason = "the project has settled labels from votes; --replace takes the file's in their place"
            rows.add(record.place, record.image, "labels", REFUSED, reason)
        else:
            new[index], place_of[index] = given, record.place
            rows.add(record.place, record.image, "labels", TAKEN)
    if new and not is_dry:
        _write(project, there | new, provenance)
        if is_settled:  # figures of the labels that were settled would contradict those that are there now
            summary_path(project, "settle").unlink()
            shutil.rmtree(tables_dir(project, "settle"), ignore_errors=True)


def _rows_of(labels: Sequence[Label], empty_source: str, class_of: Mapping[str, int]) -> list[_Row]:
    found: dict[int, _Row] = {}
    for label in labels:
        source = label.source if label.source in _SOURCES else Source.KNOWN.value
        index = class_of[label.name]
        found.setdefault(index, (index, source, label.n_yes, label.n_no, label.n_unsure, label.posterior))
    empty = empty_source if empty_source in _SOURCES else Source.KNOWN.value
    return [found[index] for index in sorted(found)] or [(None, empty, None, None, None, None)]


def _classes(rows: Sequence[_Row]) -> list[int | None]:
    return [row[0] for row in rows]


def _labels_there(project: Project) -> dict[int, list[_Row]]:
    """Return the refined labels that the project has, by image; undecided images are absent."""
    if not project.refined_labels_path.exists():
        return {}
    table = pq.read_table(project.refined_labels_path, schema=REFINED_LABELS)
    found: dict[int, list[_Row]] = {}
    names = ("image_index", "class_index", "source", "n_yes", "n_no", "n_unsure", "posterior")
    for index, *row in zip(*(table.column(name).to_pylist() for name in names), strict=True):
        if row[1] != Source.UNLABELLED:
            found.setdefault(index, []).append(tuple(row))
    return found


def _write(project: Project, labels: Mapping[int, Sequence[_Row]], provenance: Mapping[str, object]) -> None:
    ids = image_columns(project, ["image_id"])["image_id"].to_pylist()
    nobody: list[_Row] = [(None, Source.UNLABELLED.value, None, None, None, None)]
    rows = [(index, image_id, *row) for index, image_id in enumerate(ids) for row in labels.get(index, nobody)]
    columns = list(zip(*rows, strict=True)) or [()] * len(REFINED_LABELS)
    table = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, REFINED_LABELS, strict=True)],
        schema=REFINED_LABELS,
    )
    earlier = _provenance_there(project)
    whole = {
        **earlier,
        "method": earlier.get("method", IMPORTED),
        "evidence_models": earlier.get("evidence_models", []),
    }
    whole["imported"] = [*earlier.get("imported", []), dict(provenance)]
    write_refined_labels(project, table, whole)


def _provenance_there(project: Project) -> dict[str, Any]:
    beside = project.refined_labels_path.with_suffix(PROVENANCE_SUFFIX)
    if not beside.is_file():
        return {}
    content: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    return content


def import_proposals(
    project: Project, incoming: Incoming, rows: Rows, provenance: Mapping[str, object], *, replaces: bool, is_dry: bool
) -> None:
    """Make a file's proposals those of the project, as many an image as its settings say; the parameters are as above.

    A project that has other proposals keeps them, since people may be at work on them.
    """
    at_most = project.settings.proposals.n_proposals
    offered, named = _offered(incoming)
    if not named:
        return
    models = sorted({model for mine in offered.values() for _, _, model in mine})
    settings = {"source": "imported", "n_proposals": at_most, "files": provenance["files"]}
    there = ProposalReader(project.proposals_path).settings if project.proposals_path.exists() else None
    outcome, reason = TAKEN, ""
    if there is not None and settings["files"] and there.get("files") == settings["files"]:
        outcome = THERE
    elif there is not None and not replaces:
        outcome, reason = REFUSED, "the project has other proposals; --replace takes the file's"
    for place, image, n_offered in named:
        n_beyond = n_offered - at_most
        if outcome == TAKEN and n_beyond > 0:
            rows.add(
                place,
                image,
                "proposals",
                CHANGED,
                f"the last {n_beyond:,} are left out: [proposals] n_proposals is {at_most}",
            )
        else:
            rows.add(place, image, "proposals", outcome, reason)
    if outcome == TAKEN and not is_dry:
        _write_proposals(project, offered, models, settings, at_most)


def _offered(
    incoming: Incoming,
) -> tuple[dict[int, list[tuple[int, float, str]]], list[tuple[str, str, int]]]:
    """Return each image's proposals (class, score, model), each class once, and where how many were named."""
    offered: dict[int, list[tuple[int, float, str]]] = {}
    named: list[tuple[str, str, int]] = []
    for record, index in zip(incoming.records, incoming.image_index, strict=True):
        if not record.proposals:
            continue
        mine = {each[0]: each for each in offered.get(index, ())}
        for each in record.proposals:
            class_index = incoming.class_of[each.name]
            score = np.nan if each.score is None else each.score
            mine.setdefault(class_index, (class_index, score, each.model or "imported"))
        offered[index] = list(mine.values())
        named.append((record.place, record.image, len(mine)))
    return offered, named


def _write_proposals(
    project: Project,
    offered: Mapping[int, Sequence[tuple[int, float, str]]],
    models: Sequence[str],
    settings: dict[str, Any],
    at_most: int,
) -> None:
    n_images = pq.read_metadata(project.images_path).num_rows
    classes = np.full((n_images, at_most), -1, dtype=np.int32)
    scores = np.full((n_images, at_most), np.nan, dtype=np.float32)
    sources = np.zeros((n_images, at_most), dtype=np.int16)
    position = {name: number for number, name in enumerate(models)}
    for index, mine in offered.items():
        for place, (class_index, score, model) in enumerate(mine[:at_most]):
            classes[index, place], scores[index, place], sources[index, place] = class_index, score, position[model]
    write_proposals(project, proposal_groups([classes, scores, sources]), models, settings)
