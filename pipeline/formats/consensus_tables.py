"""What becomes of votes, as files: `labels.parquet` and the tables of an analysis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pipeline.consensus.result import Consensus
from pipeline.disagreement import DisagreementAnalysis
from pipeline.errors import DatasetError
from pipeline.project.files import write_table
from pipeline.project.writing import whole_file, write_text
from pipeline.votes.arrays import VoteArrays

_ROWS_AT_ONCE = 1_000_000


def write_consensus(consensus: Consensus, votes: VoteArrays, folder: Path) -> tuple[Path, Path]:
    """Write `labels.parquet` (image, class, posterior, label) and `annotators.csv`; return their paths.

    Each file replaces an older one in one step, so that none is ever seen half written. Memory stays flat.

    Raises
    ------
    DatasetError
        If the folder cannot be made or written to.
    """
    labels, annotators = folder / "labels.parquet", folder / "annotators.csv"
    with _writing_into(folder):
        _write_labels(consensus, votes, labels)
        write_table(consensus.annotators(votes), annotators)
    return labels, annotators


def _write_labels(consensus: Consensus, votes: VoteArrays, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images, classes = pa.array(votes.images.tolist()), pa.array(votes.classes.tolist())
    schema = pa.schema(
        [("image", images.type), ("class", classes.type), ("posterior", pa.float64()), ("label", pa.bool_())]
    )
    with whole_file(path) as unfinished, pq.ParquetWriter(unfinished, schema) as writer:
        for first in range(0, votes.n_items, _ROWS_AT_ONCE):
            here = slice(first, first + _ROWS_AT_ONCE)
            columns = [
                images.take(pa.array(votes.item_image[here])),
                classes.take(pa.array(votes.item_class[here])),
                pa.array(consensus.posterior[here]),
                pa.array(consensus.label[here]),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def write_disagreement(analysis: DisagreementAnalysis, folder: Path) -> list[Path]:
    """Write an analysis as tables and `summary.json`; undefined figures are null. Return the paths.

    Raises
    ------
    DatasetError
        If the folder cannot be made or written to.
    """
    tables = {
        "images.parquet": analysis.per_image,
        "classes.csv": analysis.per_class,
        "confused_pairs.csv": analysis.confused_pairs,
        "annotator_pairs.csv": analysis.annotator_pairs,
    }
    summary = folder / "summary.json"
    with _writing_into(folder):
        for name, table in tables.items():
            write_table(table, folder / name)
        write_text(summary, json.dumps(asdict(analysis.summary), indent=2, allow_nan=False) + "\n")
    return [*(folder / name for name in tables), summary]


@contextmanager
def _writing_into(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DatasetError(
            f"{folder}: results cannot be written there ({error.strerror or error}); give another folder"
        ) from error
