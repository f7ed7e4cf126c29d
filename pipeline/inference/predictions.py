"""Models' rankings of a project's images, one Parquet file per model: the basis of proposals and evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.decoding import has_plain_jpegs, settings_of_decoding
from pipeline.inference.filling import Filling, RunOptions, fill_tables, read_failures
from pipeline.inference.parts import settings_begun, write_whole
from pipeline.inference.precision import recorded
from pipeline.inference.views import described
from pipeline.project.current_classes import CurrentClasses
from pipeline.project.files import sha256_of
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table
from pipeline.project.list_columns import lists_from_padded, pad_lists
from pipeline.project.notices import tell
from pipeline.project.settings import AskedPrecision
from pipeline.project.tables import CANDIDATES, PREDICTIONS, PROPOSALS_ROW_GROUP

if TYPE_CHECKING:
    from pipeline.inference.classifier import Classifier

#: Fewest classes that are kept of each ranking.
TOP_K = 20
_IMAGES_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class PredictionSummary:
    """The result of one model's run.

    Parameters
    ----------
    model
        The model's name.
    path
        Its table.
    n_images
        Number of images in the project.
    n_done_before
        Number of images that an earlier run had ranked.
    skipped
        Images without a ranking, with the reason.
    n_missing_classes
        How many classes of the label space the model does not know.
    class_order
        ``keys`` if its outputs were paired with classes by key, else ``assumed``.
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
    batch_size: int | None = None,
    device: str = "auto",
    n_workers: int | None = None,
    precision: AskedPrecision = "float32",
    allow_missing_classes: bool = False,
    restart: bool = False,
) -> list[PredictionSummary]:
    """Rank every image of a project with each model, writing `predictions/<model>.parquet`.

    A run that was cut off resumes where it stopped; a finished table with the same settings is left as it is. An image
    that cannot be decoded has an empty ranking and is named in the summary. Images are decoded once for all models.

    Parameters
    ----------
    project
        Whose images.
    top_k
        How many classes to keep of each ranking.
    batch_size, device, n_workers, precision
        As for :class:`pipeline.inference.filling.RunOptions`.
    allow_missing_classes
        Accept models that do not know every class.
    restart
        Start over instead of resuming an earlier run.

    Raises
    ------
    DatasetError
        If a model cannot be loaded or not a single image can be decoded.
    ProjectError
        If an earlier run used other settings, or another run is under way.
    """
    from pipeline.inference.classifier import load_classifier

    space = project.label_space
    classifiers = [load_classifier(source, space, allow_missing_classes=allow_missing_classes) for source in models]
    for note in (note for classifier in classifiers for note in classifier.notes):
        tell(note)
    options = RunOptions(batch_size, device, n_workers, restart, precision)
    fillings = [ranking_tables(project, classifier, 1, top_k, options)[0] for classifier in classifiers]
    n_done = fill_tables(project, fillings, 1, options)
    return [
        PredictionSummary(
            model=classifier.name,
            path=filling.path,
            n_images=pq.read_metadata(filling.path).num_rows,
            n_done_before=n_before,
            skipped=tuple(read_failures(filling.path)),
            n_missing_classes=classifier.n_missing,
            class_order=classifier.class_order,
        )
        for classifier, filling, n_before in zip(classifiers, fillings, n_done, strict=True)
    ]


def ranking_tables(
    project: Project, classifier: Classifier, n_views: int, top_k: int, options: RunOptions
) -> list[Filling]:
    """Return the tables that a classifier fills: its predictions from the whole images, then its candidates.

    With one view the predictions are the candidates, and there is no second table.
    """
    from pipeline.inference.ranking import classifier_network, ranking_over_views, whole_image_ranking

    whole_path = predictions_path(project, classifier.name)
    views_path = candidates_path(project, f"{classifier.name}.{n_views}views")
    tables = (whole_path, *([views_path] if n_views > 1 else []))
    options = _with_a_decoder(project, tables, options)
    precision, is_compiled = options.precision_of(*tables), options.compiles(*tables)
    settings = {
        **classifier.fingerprint(),
        "top_k": top_k,
        **settings_of_images(project),
        **recorded(precision, is_compiled=is_compiled),
        **settings_of_decoding(options.decode, project.settings.proposals.exif, *tables, restart=options.restart),
    }
    class_indices = classifier.class_indices.numpy()
    whole = Filling(
        path=whole_path,
        schema=PREDICTIONS,
        row_group_size=PROPOSALS_ROW_GROUP,
        settings=settings,
        name=classifier.name,
        network=classifier_network(classifier, precision, is_compiled=is_compiled),
        rows=lambda scores: whole_image_ranking(scores, class_indices, top_k),
    )
    if n_views == 1:
        return [whole]
    over_views = replace(
        whole,
        path=views_path,
        schema=CANDIDATES,
        settings={**settings, "views": described(n_views)},
        rows=lambda scores: ranking_over_views(scores, class_indices, top_k),
    )
    return [whole, over_views]


def _with_a_decoder(project: Project, tables: Sequence[Path], options: RunOptions) -> RunOptions:
    """Return how tables are filled: a GPU does not begin to decode where there is nothing that it decodes."""
    from pipeline.inference.loading import images_of

    is_begun = not options.restart and any(map(settings_begun, tables))
    n_images = pq.read_metadata(image_table(project)).num_rows
    if options.decode != "gpu" or is_begun or has_plain_jpegs(images_of(project, []), n_images):
        return options
    tell("--decode gpu: no image that was looked at is a plain JPEG, which is all that a GPU decodes; the CPU does")
    return replace(options, decode="cpu")


def settings_of_images(project: Project) -> dict[str, Any]:
    """Return everything that determines how models see a project's images, as plain JSON."""
    exif = project.settings.proposals.exif
    found = {"images_sha256": sha256_of(image_table(project))}
    return found if exif == "upright" else {**found, "exif": exif}


def candidates_path(project: Project, name: str) -> Path:
    """Return the path of a method's candidates."""
    return project.candidates_dir / f"{name}.parquet"


def predictions_path(project: Project, model: str) -> Path:
    """Return the path of a model's rankings."""
    return project.predictions_dir / f"{model}.parquet"


def write_predictions(
    project: Project,
    model: str,
    class_index: npt.NDArray[np.integer[Any]],
    settings: Mapping[str, Any],
    score: npt.NDArray[np.float32] | None = None,
) -> Path:
    """Write rankings that were made elsewhere.

    Parameters
    ----------
    project
        Whose images.
    model
        The model's name.
    class_index
        (n_images, k), the best first, in order of `image_index`; -1 stands for no class.
    settings
        Where the rankings came from; stored in the file.
    score
        Their probabilities, of the same shape; None where there are none.
    """
    is_named = class_index >= 0
    classes = lists_from_padded(class_index.astype(np.int32), is_named)
    scores = pa.nulls(int(is_named.sum()), pa.float32()) if score is None else pa.array(score[is_named])
    columns = [
        pa.array(np.arange(len(class_index), dtype=np.int32)),
        classes,
        pa.ListArray.from_arrays(classes.offsets, scores),
    ]
    metadata = {"model": model, "settings": json.dumps(dict(settings)), "skipped": "[]"}
    table = pa.table(columns, schema=PREDICTIONS).replace_schema_metadata(metadata)
    path = predictions_path(project, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(table, path, row_group_size=PROPOSALS_ROW_GROUP)
    return path


def read_model_predictions(path: Path, current: CurrentClasses | None = None) -> Predictions:
    """Return one model's rankings as padded arrays, as they read under a project's list of classes now.

    Raise `DatasetError` if the file is not a table of predictions.
    """
    try:
        table = pq.read_table(path)
        model = (table.schema.metadata or {}).get(b"model", path.stem.encode()).decode()
        return _padded(model, table, current)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DatasetError(f"{path}: cannot be read as predictions: {error}") from error


def _padded(model: str, table: pa.Table, current: CurrentClasses | None) -> Predictions:
    class_index = pad_lists(table.column("class_index"), -1, np.dtype(np.int32))
    score = pad_lists(table.column("score"), np.nan, np.dtype(np.float32))
    if current is not None:
        class_index, score = current.rankings(class_index, (score, np.nan))
    return Predictions(model, class_index, score)


def read_ranking(path: Path, current: CurrentClasses) -> npt.NDArray[np.int32]:
    """Return the classes of :func:`read_model_predictions`, without the scores: a third of the memory.

    Raise `DatasetError` if the file is not a table of predictions.
    """
    parts = [pad_lists(pa.chunked_array([batch.column(0)]), -1, np.dtype(np.int32)) for batch in _classes(path)]
    width = max((part.shape[1] for part in parts), default=0)
    ranking = np.full((sum(map(len, parts)), width), -1, dtype=np.int32)
    first = 0
    while parts:
        part = parts.pop(0)
        ranking[first : first + len(part), : part.shape[1]] = part
        first += len(part)
    found: npt.NDArray[np.int32] = current.rankings(ranking)[0]
    return found


def _classes(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            file.schema_arrow.field("class_index")
            yield from file.iter_batches(_IMAGES_AT_ONCE, columns=["class_index"])
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DatasetError(f"{path}: cannot be read as predictions: {error}") from error


def n_ranked(path: Path) -> int:
    """Return how many images a model's table has a ranking for, the empty ones included.

    Raise `DatasetError` if the file is not a table of predictions.
    """
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: cannot be read as predictions: {error}") from error


def iter_model_predictions(path: Path, n_images: int, current: CurrentClasses | None = None) -> Iterator[Predictions]:
    """Yield what :func:`read_model_predictions` returns, `n_images` images at a time.

    Memory holds that many: what Arrow reads ahead by default is the whole file.

    Raise `DatasetError` if the file is not a table of predictions.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            model = (file.metadata.metadata or {}).get(b"model", path.stem.encode()).decode()
            for batch in file.iter_batches(n_images, columns=["class_index", "score"]):
                yield _padded(model, pa.Table.from_batches([batch]), current)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DatasetError(f"{path}: cannot be read as predictions: {error}") from error
