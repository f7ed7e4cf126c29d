"""Write what votes lead to: `labels.parquet`, and the tables of an analysis of disagreement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pipeline.consensus.recalibration import Recalibration, reliability_table
from pipeline.consensus.result import Consensus
from pipeline.disagreement import DisagreementAnalysis
from pipeline.errors import DatasetError, in_plain_words
from pipeline.project.files import write_table
from pipeline.project.writing import whole_file, write_text
from pipeline.votes.arrays import VoteArrays

_ROWS_AT_ONCE = 1_000_000


def write_consensus(
    consensus: Consensus,
    votes: VoteArrays,
    folder: Path,
    suggestions: pd.DataFrame | None = None,
    checked: Recalibration | None = None,
) -> list[Path]:
    """Write a consensus and its provenance; return the paths.

    The files are `labels.parquet` (image, class, posterior, label), `annotators.csv`, `provenance.json`; if there are
    suggestions, `suggestions.csv` (image, class, probability); if answers are known, `reliability.csv`. Each file
    replaces an older one in one step, so nobody ever sees one half written. Labels are written in blocks, so memory use
    stays flat.

    Raise `DatasetError` if the folder cannot be created or written to.
    """
    labels, annotators, provenance = (folder / name for name in ("labels.parquet", "annotators.csv", "provenance.json"))
    paths = [labels, annotators, provenance]
    with _writing_into(folder):
        _write_labels(consensus, votes, labels)
        write_table(consensus.annotators(votes), annotators)
        _write_json(consensus_provenance(consensus), provenance)
        if suggestions is not None:
            paths.append(folder / "suggestions.csv")
            write_table(suggestions, paths[-1])
        if checked is not None:
            paths.append(folder / "reliability.csv")
            write_table(reliability_table(checked), paths[-1])
    return paths


def consensus_provenance(consensus: Consensus) -> dict[str, object]:
    """Return, as plain JSON, how the labels came about: method, aim, cut, expected quality and evidence."""
    cut = consensus.cut
    return {
        "method": str(consensus.method),
        "aim": str(cut.aim),
        "cut": cut.value,
        "expected": {"f1": cut.expected_f1, "precision": cut.expected_precision, "recall": cut.expected_recall},
        "expected_assumes": expected_assumes(consensus),
        "calibrated_on": consensus.n_calibrated_on,
        "evidence_models": list(consensus.evidence_models),
        "uses_original_label": consensus.uses_original,
        "prior_weights": None if consensus.prior is None else consensus.prior.weights,
        "tempering": None if consensus.tempering is None else asdict(consensus.tempering),
    }


def expected_assumes(consensus: Consensus) -> str:
    """Say what the expected quality takes for granted."""
    if consensus.n_calibrated_on:
        return f"that the {consensus.n_calibrated_on:,} known labels are like the others"
    return "that annotators do not all err alike; nothing was known to check it by: give known answers, refine or audit"


def _write_json(content: dict[str, object], path: Path) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


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

    Raise `DatasetError` if the folder cannot be created or written to.
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
        _write_json(asdict(analysis.summary), summary)
    return [*(folder / name for name in tables), summary]


@contextmanager
def _writing_into(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DatasetError(f"{folder}: results cannot be written there: {in_plain_words(error, folder)}") from error
