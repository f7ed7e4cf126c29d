"""Tables filled in one pass over a project's images: each resumes where a run that was cut off left it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.agreement import measure_decoding, measure_precision
from pipeline.inference.decoding import OR_ANEW, AskedDecoding, DecodingError, decoding_as_asked
from pipeline.inference.parts import (
    COMPILED,
    DECODING,
    PartialTable,
    clear_leftovers,
    read_run_settings,
    refuse_other_settings,
    settings_begun,
)
from pipeline.inference.precision import Hardware, Precision, hardware_here, precision_for
from pipeline.project.folder import Project
from pipeline.project.history import earlier_image_tables
from pipeline.project.image_table import image_columns
from pipeline.project.settings import AskedPrecision

if TYPE_CHECKING:
    from pipeline.inference.engine import Engine, MakeImages, Rows
    from pipeline.inference.loading import ImageFiles
    from pipeline.inference.networks import Network

#: The most work, in seconds, that has to be done again after a run was cut off.
PART_SECONDS = 5.0
#: What may run networks.
EngineName = Literal["local", "ray"]
#: The setting that names the table of images that a table was filled for.
IMAGES_SHA256 = "images_sha256"


@dataclass(frozen=True)
class Filling:
    """A table that is filled with a network's output for each image.

    Parameters
    ----------
    path
        Where the table appears once it is complete.
    schema
        Its columns: `image_index`, then columns of lists.
    row_group_size
        Rows per row group.
    settings
        What the table depends on, as plain JSON; stored in the file.
    name
        Name of the model; stored in the file.
    network
        The network to run.
    rows
        Turns the network's output (n, n_views, width) into one array (n, k) per list column. An image that cannot be
        decoded has empty lists.
    """

    path: Path
    schema: pa.Schema
    row_group_size: int
    settings: dict[str, Any]
    name: str
    network: Network
    rows: Callable[[npt.NDArray[np.float32]], list[npt.NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How networks are run.

    Parameters
    ----------
    batch_size
        Number of views that a network sees at once; None chooses by the device and the size of the images.
    device
        ``auto``, ``cpu``, ``cuda``, …; several separated by commas, over which the models of a run are spread.
    n_workers
        Number of processes that decode; None chooses what suits the machine
        (:func:`pipeline.inference.ranking.look_at_images`).
    restart
        Start over instead of resuming an earlier run.
    precision
        In which networks are computed (:func:`pipeline.inference.precision.precision_for`).
    engine
        What runs them: ``local``, or ``ray`` for the machines of a Ray cluster (:mod:`pipeline.inference.cluster`).
    ray_address
        Where that cluster is, as Ray writes it; None asks the variable `RAY_ADDRESS`, then looks on this machine.
    compiled
        Whether `torch.compile` makes classifiers faster; a run that was begun so goes on so.
    decode
        What decodes the images of a run of rankings (:mod:`pipeline.inference.decoding`); those of features, Pillow.

    Raises
    ------
    ProjectError
        If there is no such engine or decoder.
    """

    batch_size: int | None = None
    device: str = "auto"
    n_workers: int | None = None
    restart: bool = False
    precision: AskedPrecision = "float32"
    engine: EngineName = "local"
    ray_address: str | None = None
    compiled: bool = False
    decode: AskedDecoding = "auto"

    def __post_init__(self) -> None:
        """Refuse what is not there: from Python, nobody else looks."""
        engine_as_asked(self.engine)
        decoding_as_asked(self.decode)

    def compiles(self, *tables: Path) -> bool:
        """Return whether a run compiles its networks that fills these tables."""
        begun = () if self.restart else map(settings_begun, tables)
        return self.compiled or any(settings.get(COMPILED) for settings in begun)

    def precision_of(self, *tables: Path) -> Precision:
        """Return the precision in which a run computes that fills these tables.

        Raises
        ------
        ProjectError, DatasetError
            If there is no such device, or it cannot compute in this precision.
        """
        hardware = hardware_here(self.device) if self.engine == "local" else _hardware_of_cluster(self)
        return precision_for(self.precision, hardware, *tables, restart=self.restart)


def engine_as_asked(text: str) -> EngineName:
    """Return what a person named; raise `ProjectError` if there is nothing by this name."""
    if text not in get_args(EngineName):
        raise ProjectError(f"--engine {text}: there are {' and '.join(get_args(EngineName))}")
    return text  # type: ignore[return-value]  # just compared


def _hardware_of_cluster(options: RunOptions) -> set[Hardware]:
    from pipeline.inference.cluster import hardware_of_cluster

    return hardware_of_cluster(options)


def fill_tables(project: Project, fillings: Sequence[Filling], n_views: int, options: RunOptions) -> list[int]:
    """Complete tables about a project's images; return for each how many images were done before.

    Parameters
    ----------
    project
        The project whose images are used.
    fillings
        The tables; complete ones are left as they are.
    n_views
        In how many views each image is looked at.

    Raises
    ------
    DatasetError
        If not a single image can be decoded.
    ProjectError
        If an earlier run used other settings, or another run is under way.
    """
    from pipeline.inference.loading import images_of

    paths = image_columns(project, ["path"]).column("path")
    if paths.null_count == len(paths):
        raise DatasetError(f"{project.root}: no image has a file here; make proposals with --from-predictions FILE.npz")

    def images(configs: list[dict[str, Any]]) -> ImageFiles:
        return images_of(project, configs, n_views)

    def named(indices: list[int]) -> list[tuple[str, str | None]]:
        rows = image_columns(project, ["image_id", "path"]).take(indices).to_pylist()
        return [(row["image_id"], row["path"]) for row in rows]

    earlier = earlier_image_tables(project.root)
    return fill_from(images, len(paths), named, fillings, n_views, options, earlier)


def fill_from(
    images: MakeImages,
    n_images: int,
    named: Callable[[list[int]], list[tuple[str, str | None]]],
    fillings: Sequence[Filling],
    n_views: int,
    options: RunOptions,
    earlier_images: Collection[str] = (),
) -> list[int]:
    """Like :func:`fill_tables`, for any images; `named` gives the names of images and where they lie.

    A table that was filled for one of the `earlier_images` (digests of tables that the images of now begin with) is
    filled for the images that were added since, and its other rows stay. Tables whose images are decoded otherwise are
    filled in a pass of their own.
    """
    from tqdm.auto import tqdm

    # What a GPU decodes comes first: where it is refused, nothing has been done in vain.
    passes = [[f for f in fillings if (DECODING in f.settings) is is_gpu] for is_gpu in (True, False)]
    if all(passes):
        filled = (fill_from(images, n_images, named, some, n_views, options, earlier_images) for some in passes)
        done = {
            f.path: n for some, counts in zip(passes, filled, strict=True) for f, n in zip(some, counts, strict=True)
        }
        return [done[filling.path] for filling in fillings]
    n_done = [n_images] * len(fillings)
    with ExitStack() as stack:
        sinks = []
        for number, filling in enumerate(fillings):
            is_finished = filling.path.exists() and not options.restart
            has_fewer = is_finished and _has_fewer_images(filling, earlier_images)
            folder = filling.path.with_suffix(".partial")
            if is_finished and not has_fewer:
                refuse_other_settings(read_run_settings(filling.path), filling.settings, str(filling.path))
                clear_leftovers(folder)
                continue
            partial = PartialTable(folder, filling.settings, restart=options.restart)
            parts = stack.enter_context(partial)
            is_new = parts.n_rows == 0
            if has_fewer and is_new:
                parts.begin_with(filling.path, _failures_in(filling.path, named, n_images))
            sinks.append(Sink(filling, parts, is_new=is_new))
            n_done[number] = sinks[-1].n_rows
        start = min((sink.n_rows for sink in sinks), default=n_images)
        if start < n_images:
            with _undone_where_refused(sinks):
                engine = stack.enter_context(_engine([sink.filling for sink in sinks], images, n_views, options))
                measure_decoding(sinks, engine, n_images)
            measure_precision(sinks, engine, n_images)
            for sink in sinks if options.restart else ():  # not before: what is refused leaves what was there
                sink.filling.path.unlink(missing_ok=True)
            names = ", ".join(dict.fromkeys(sink.filling.name for sink in sinks))
            with tqdm(total=n_images, initial=start, desc=names, unit=" images", smoothing=0.05) as progress:
                for rows in engine.rows(range(start, n_images)):
                    for number, sink in enumerate(sinks):
                        sink.add(rows, number)
                    progress.update(len(rows.image_index))
        for sink in sinks:
            sink.finish(n_images, named)
    return n_done


def _has_fewer_images(filling: Filling, earlier_images: Collection[str]) -> bool:
    """Tell whether a finished table differs from what is wanted only in that images were added since."""
    found, wanted = read_run_settings(filling.path), filling.settings
    is_earlier = found.get(IMAGES_SHA256) in earlier_images and found.get(IMAGES_SHA256) != wanted.get(IMAGES_SHA256)
    return is_earlier and {**found, IMAGES_SHA256: ""} == {**wanted, IMAGES_SHA256: ""}


def _failures_in(
    path: Path, named: Callable[[list[int]], list[tuple[str, str | None]]], n_images: int
) -> list[tuple[int, str]]:
    reasons = {row.image_id: row.reason for row in read_failures(path)}
    if not reasons:
        return []
    ids = (image_id for image_id, _ in named(list(range(n_images))))
    return [(index, reasons[image_id]) for index, image_id in enumerate(ids) if image_id in reasons]


def read_failures(path: Path) -> list[SkippedRow]:
    """Return the images for which a table holds nothing, with the reasons."""
    metadata = pq.read_metadata(path).metadata or {}
    return [SkippedRow(*row) for row in json.loads(metadata.get(b"skipped", b"[]"))]


def _engine(
    fillings: Sequence[Filling], images: MakeImages, n_views: int, options: RunOptions
) -> AbstractContextManager[Engine]:
    if options.engine == "ray":
        if any(DECODING in filling.settings for filling in fillings):
            raise DecodingError("--decode gpu: the machines of a cluster decode on their CPUs", OR_ANEW)
        from pipeline.inference.cluster import RayEngine

        return RayEngine(fillings, images, n_views, options)
    from pipeline.inference.engine import LocalEngine

    return nullcontext(LocalEngine(fillings, images, n_views, options))


@contextmanager
def _undone_where_refused(sinks: Sequence[Sink]) -> Iterator[None]:
    """Leave nothing of tables that have just begun where nothing is there to fill them as asked."""
    try:
        yield
    except ProjectError:
        for sink in sinks:
            if sink.is_new and not sink.parts.is_to_go:
                sink.parts.discard()
        raise


class Sink:
    """Collects one table's rows and writes them as parts."""

    def __init__(self, filling: Filling, parts: PartialTable, *, is_new: bool) -> None:
        self.filling = filling
        self.is_new = is_new
        self.n_rows = parts.n_rows
        self.parts = parts
        self._waiting: list[pa.Table] = []
        self._failures: list[tuple[int, str]] = []
        self._written_at = time.monotonic()

    def note(self, figure: dict[str, str]) -> None:
        """Keep a figure that was measured before the run."""
        self.parts.write_note({**(self.parts.note or {}), **figure})

    def add(self, batch: Rows, number: int) -> None:
        """Take the rows of a batch that the table lacks; write them once they are many or enough time has passed."""
        n_known = min(len(batch.image_index), max(0, self.n_rows - batch.image_index[0]))
        if n_known == len(batch.image_index):
            return
        columns = batch.columns[number] if batch.decoded else None
        lengths = np.zeros(len(batch.image_index), dtype=np.int32)
        arrays: list[pa.Array] = [pa.array(np.array(batch.image_index, dtype=np.int32))]
        for place, field in enumerate(list(self.filling.schema)[1:]):
            values = np.empty((0, 0)) if columns is None else columns[place]
            lengths[batch.decoded] = values.shape[1]
            offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
            arrays.append(pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), field.type.value_type)))
        self._waiting.append(pa.table(arrays, schema=self.filling.schema).slice(n_known))
        self._failures += [(i, why) for i, why in batch.failures.items() if i >= self.n_rows]
        n_waiting = sum(table.num_rows for table in self._waiting)
        if n_waiting >= self.filling.row_group_size or time.monotonic() - self._written_at >= PART_SECONDS:
            self._write()

    def finish(self, n_images: int, named: Callable[[list[int]], list[tuple[str, str | None]]]) -> None:
        """Put the complete table in place."""
        self._write()
        failures = [failure for part in self.parts.tables() for failure in _failures_of(part)]
        if len(failures) == n_images:
            self.parts.discard()
            name = self.filling.name
            raise DatasetError(f"{name}: not one of {n_images} images can be ranked; the first: {failures[0][1]}")
        names = named([index for index, _ in failures]) if failures else []
        skipped = [(*name, reason) for name, (_, reason) in zip(names, failures, strict=True)]
        metadata = {
            "model": self.filling.name,
            "settings": json.dumps(self.filling.settings),
            "skipped": json.dumps(skipped),
            **(self.parts.note or {}),
        }
        self.parts.finish(self.filling.path, self.filling.schema, self.filling.row_group_size, metadata)

    def _write(self) -> None:
        if self._waiting:
            table = pa.concat_tables(self._waiting)
            first_row = table["image_index"][0].as_py()
            self.parts.write_part(first_row, table.replace_schema_metadata({"failures": json.dumps(self._failures)}))
            self._waiting, self._failures = [], []
        self._written_at = time.monotonic()


def _failures_of(part: pa.Table) -> list[tuple[int, str]]:
    return [(int(index), str(reason)) for index, reason in json.loads((part.schema.metadata or {})[b"failures"])]
