"""Models' rankings of a project's images, one Parquet file per model: what proposals and evaluation are made from."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.parts import PartialTable, refuse_other_settings, write_whole
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns, image_table
from pipeline.project.list_columns import lists_from_padded, pad_lists
from pipeline.project.notices import tell
from pipeline.project.tables import PREDICTIONS, PROPOSALS_ROW_GROUP

if TYPE_CHECKING:
    from pipeline.inference.ranking import Ranking

#: Classes that are kept of each ranking, at least.
TOP_K = 20
#: Longest stretch of work that a run which is cut off has to do again.
PART_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PredictionSummary:
    """What one model's run came to.

    Parameters
    ----------
    model
        The model's name.
    path
        Its table.
    n_images
        Images of the project.
    n_done_before
        Images that an earlier run had ranked.
    skipped
        Images without a ranking, with the reason.
    n_missing_classes
        Classes of the label space that the model does not know.
    class_order
        ``keys`` where its outputs were paired with classes by key, else ``assumed``.
    """

    model: str
    path: Path
    n_images: int
    n_done_before: int
    skipped: tuple[SkippedRow, ...]
    n_missing_classes: int = 0
    class_order: str = "keys"


@dataclass(frozen=True, slots=True)
class Predictions:
    """One model's rankings as arrays: class_index int32 and score float32, (n_images, k), padded with -1 and NaN."""

    model: str
    class_index: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]


def predict(
    project: Project,
    models: Sequence[ModelSource],
    *,
    top_k: int = TOP_K,
    batch_size: int = 64,
    device: str = "auto",
    n_workers: int | None = None,
    allow_missing_classes: bool = False,
    restart: bool = False,
) -> list[PredictionSummary]:
    """Rank every image of a project with each model, writing `predictions/<model>.parquet`.

    A run that was cut off goes on where it was; a finished table of the same settings is left as it is. An image that
    cannot be decoded has an empty ranking and is named in the summary.

    Parameters
    ----------
    project
        Whose images.
    models
        Which models.
    top_k
        Classes to keep of each ranking.
    batch_size, device, n_workers
        As :func:`pipeline.inference.ranking.rank_images`; None chooses the number of workers.
    allow_missing_classes
        Take models that do not know every class.
    restart
        Start over where an earlier run left something.

    Raises
    ------
    DatasetError
        If a model cannot be loaded or not one image can be decoded.
    ProjectError
        If an earlier run used other settings, or another one is at work.
    """
    from pipeline.inference.classifier import load_classifier
    from pipeline.inference.ranking import choose_device, default_n_workers, rank_images

    chosen = choose_device(device)
    n_workers = default_n_workers(chosen) if n_workers is None else n_workers
    summaries = []
    for source in models:
        classifier = load_classifier(source, project.label_space, allow_missing_classes=allow_missing_classes)
        for note in classifier.notes:
            tell(note)
        images_path = image_table(project)
        settings = {**classifier.fingerprint(), "top_k": top_k, "images_sha256": sha256_of(images_path)}
        if project.settings.proposals.exif != "upright":
            settings["exif"] = project.settings.proposals.exif

        def rankings(start: int, stop: int, classifier: Any = classifier) -> Iterator[Ranking]:
            return rank_images(
                classifier,
                project,
                range(start, stop),
                top_k=top_k,
                batch_size=batch_size,
                device=chosen,
                n_workers=n_workers,
            )

        n_done = _run(project, source.label, settings, rankings, restart=restart)
        path = predictions_path(project, source.label)
        summaries.append(
            PredictionSummary(
                model=source.label,
                path=path,
                n_images=pq.read_metadata(path).num_rows,
                n_done_before=n_done,
                skipped=tuple(read_failures(path)),
                n_missing_classes=classifier.n_missing,
                class_order=classifier.class_order,
            )
        )
    return summaries


def predictions_path(project: Project, model: str) -> Path:
    """Return where a model's rankings lie."""
    return project.predictions_dir / f"{model}.parquet"


def write_predictions(
    project: Project,
    model: str,
    class_index: npt.NDArray[np.integer[Any]],
    settings: Mapping[str, Any],
) -> Path:
    """Write rankings that were made elsewhere, without scores.

    Parameters
    ----------
    project
        Whose images.
    model
        The model's name.
    class_index
        (n_images, k), the best first, in order of `image_index`; -1 names nothing.
    settings
        Where they came from, kept in the file.
    """
    is_named = class_index >= 0
    classes = lists_from_padded(class_index.astype(np.int32), is_named)
    columns = [
        pa.array(np.arange(len(class_index), dtype=np.int32)),
        classes,
        pa.ListArray.from_arrays(classes.offsets, pa.nulls(int(is_named.sum()), pa.float32())),
    ]
    metadata = {"model": model, "settings": json.dumps(dict(settings)), "skipped": "[]"}
    table = pa.table(columns, schema=PREDICTIONS).replace_schema_metadata(metadata)
    path = predictions_path(project, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(table, path, row_group_size=PROPOSALS_ROW_GROUP)
    return path


def read_model_predictions(path: Path) -> Predictions:
    """Return one model's rankings as padded arrays.

    Raises
    ------
    DatasetError
        If the file is no table of predictions.
    """
    try:
        table = pq.read_table(path)
        return Predictions(
            model=(table.schema.metadata or {}).get(b"model", path.stem.encode()).decode(),
            class_index=pad_lists(table.column("class_index"), -1, np.dtype(np.int32)),
            score=pad_lists(table.column("score"), np.nan, np.dtype(np.float32)),
        )
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DatasetError(f"{path}: cannot be read as predictions: {error}") from error


def read_run_settings(path: Path) -> dict[str, Any]:
    """Return what a table of predictions says it was made with."""
    metadata = pq.read_metadata(path).metadata or {}
    content: dict[str, Any] = json.loads(metadata.get(b"settings", b"{}"))
    return content


def read_failures(path: Path) -> list[SkippedRow]:
    """Return the images that a table of predictions has no ranking for, with the reasons."""
    metadata = pq.read_metadata(path).metadata or {}
    return [SkippedRow(*row) for row in json.loads(metadata.get(b"skipped", b"[]"))]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(
    project: Project,
    model: str,
    settings: dict[str, Any],
    rankings: Callable[[int, int], Iterator[Ranking]],
    *,
    restart: bool,
) -> int:
    """Bring one model's table to its end; return how many images were done before."""
    path = predictions_path(project, model)
    paths = image_columns(project, ["path"]).column("path")
    n_images = len(paths)
    if paths.null_count == n_images:
        raise DatasetError(f"{project.root}: no image has a file here; make proposals with --from-predictions FILE.npz")
    if restart:
        path.unlink(missing_ok=True)
    if path.exists():
        refuse_other_settings(read_run_settings(path), settings, str(path))
        return n_images
    with PartialTable(path.with_suffix(".partial"), settings, restart=restart) as parts:
        start = parts.n_rows
        if start < n_images:
            _write_parts(parts, rankings(start, n_images), start, n_images, model)
        failures = [failure for part in parts.tables() for failure in _failures_of(part)]
        if len(failures) == n_images:
            parts.discard()
            raise DatasetError(f"{model}: not one of {n_images} images can be ranked; the first: {failures[0][1]}")
        skipped = _name_failures(project, failures)
        metadata = {"model": model, "settings": json.dumps(settings), "skipped": json.dumps(skipped)}
        parts.finish(path, PREDICTIONS, PROPOSALS_ROW_GROUP, metadata)
    return start


def _write_parts(parts: PartialTable, rankings: Iterator[Ranking], start: int, n_images: int, model: str) -> None:
    from tqdm.auto import tqdm

    rows: list[Ranking] = []
    written_at = time.monotonic()
    for ranking in tqdm(rankings, total=n_images, initial=start, desc=model, unit=" images", smoothing=0.05):
        rows.append(ranking)
        if len(rows) == PROPOSALS_ROW_GROUP or time.monotonic() - written_at >= PART_SECONDS:
            parts.write_part(rows[0].image_index, _part_table(rows))
            rows.clear()
            written_at = time.monotonic()
    if rows:
        parts.write_part(rows[0].image_index, _part_table(rows))


def _part_table(rows: Sequence[Ranking]) -> pa.Table:
    failures = [(row.image_index, row.failure) for row in rows if row.failure is not None]
    columns = {
        "image_index": [row.image_index for row in rows],
        "class_index": [row.class_index for row in rows],
        "score": [row.score for row in rows],
    }
    return pa.table(columns, schema=PREDICTIONS).replace_schema_metadata({"failures": json.dumps(failures)})


def _failures_of(part: pa.Table) -> list[tuple[int, str]]:
    return [(int(index), str(reason)) for index, reason in json.loads((part.schema.metadata or {})[b"failures"])]


def _name_failures(project: Project, failures: Sequence[tuple[int, str]]) -> list[tuple[str, str | None, str]]:
    if not failures:
        return []
    table = image_columns(project, ["image_id", "path"])
    rows = table.take([index for index, _ in failures]).to_pylist()
    return [(row["image_id"], row["path"], reason) for row, (_, reason) in zip(rows, failures, strict=True)]
