"""Votes and what becomes of them, as files: CSV or Parquet in, `labels.parquet` and tables out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pipeline.consensus.result import Consensus
from pipeline.disagreement import DisagreementAnalysis
from pipeline.errors import DatasetError
from pipeline.labelspace import load_label_space
from pipeline.raters import read_raters
from pipeline.votes import VOTE_COLUMNS, VoteArrays, check_vote_table

_CATEGORIES = ("image", "class", "annotator", "vote", "round")


def read_votes(path: Path) -> VoteArrays:
    """Read votes from a table (`.csv`, `.parquet`) or from the published `raters.npz`.

    Raises
    ------
    DatasetError
        If the file is missing, of another kind, unreadable or no votes table; the message names file and row.
    """
    if path.suffix.lower() == ".npz":
        return read_raters(path)
    return VoteArrays.from_table(read_vote_table(path))


def read_vote_table(path: Path) -> pd.DataFrame:
    """Read and check a long votes table: ``image, class, annotator, vote`` and, where present, ``round, shown``.

    Names are read as text, but for a Parquet column that holds numbers; ``NA`` is a name like any other.
    """
    table = read_table(path)
    columns = [name for name in VOTE_COLUMNS if name in table]
    table = table[columns].copy()
    if "shown" in table and table["shown"].dtype != bool:
        words = table["shown"].astype(str).str.strip().str.lower()
        table["shown"] = words.map({"true": True, "1": True, "false": False, "0": False})
    if "vote" in table and not isinstance(table["vote"].dtype, pd.CategoricalDtype):
        table["vote"] = table["vote"].astype("string").str.strip().str.lower().astype(object)
    check_vote_table(table, str(path))
    for name in _CATEGORIES:
        if name in table and table[name].dtype == object:
            table[name] = table[name].astype("category")
    return table


def read_table(path: Path) -> pd.DataFrame:
    """Read a `.csv` (all columns as text, empty cells missing) or a `.parquet`.

    Raises
    ------
    DatasetError
        If the file is missing, of another kind or unreadable.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; give a .csv or .parquet file")
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise DatasetError(f"{path} is neither .csv nor .parquet; save the table as one of them")
    try:
        if kind == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise DatasetError(f"{path} cannot be read as {kind[1:]}: {error}") from error


def write_consensus(consensus: Consensus, votes: VoteArrays, folder: Path) -> tuple[Path, Path]:
    """Write `labels.parquet` (image, class, posterior, label) and `annotators.csv`; return their paths.

    Each file replaces an older one in one step, so that none is ever seen half written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels, annotators = folder / "labels.parquet", folder / "annotators.csv"
    write_table(consensus.labels(votes), labels)
    write_table(consensus.annotators(votes), annotators)
    return labels, annotators


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as its suffix says, `.csv` or `.parquet`, in one step."""
    partial = path.with_name(f".{path.name}.partial")
    if path.suffix == ".csv":
        table.to_csv(partial, index=False)
    else:
        table.to_parquet(partial, index=False)
    partial.replace(path)


def read_known_table(path: Path, votes: VoteArrays) -> pd.DataFrame:
    """Read gold answers or original labels, their names brought to the types that the votes use.

    A column ``wnid`` in place of ``class`` is read as ImageNet-1k WordNet ids where the votes name classes by index.

    Raises
    ------
    DatasetError
        If the file cannot be read, or class indices are expected and a class is no whole number.
    """
    table = read_table(path)
    has_indices = votes.classes.dtype.kind in "iu"
    if "class" not in table and "wnid" in table:
        wnids = table["wnid"].astype(str)
        table = table.assign(**{"class": _imagenet_indices(wnids, path) if has_indices else wnids})
    for column, vocabulary in (("image", votes.images), ("class", votes.classes)):
        if column in table and vocabulary.dtype.kind in "iu":
            numbers = pd.to_numeric(table[column], errors="coerce")
            if numbers.isna().any():
                row = int(numbers.isna().to_numpy().argmax())
                raise DatasetError(
                    f"{path}: row {row} names {column} {table[column].iloc[row]!r}; the votes use numbers"
                )
            table[column] = numbers.astype("int64")
        elif column in table:
            table[column] = table[column].astype(str)
    return table


def _imagenet_indices(wnids: pd.Series, path: Path) -> pd.Series:
    index = {key: position for position, key in enumerate(load_label_space("imagenet-1k").keys)}
    unknown = ~wnids.isin(list(index))
    if unknown.any():
        raise DatasetError(f"{path}: {wnids[unknown].iloc[0]!r} is no ImageNet-1k class; give a column `class`")
    return wnids.map(index)


def write_disagreement(analysis: DisagreementAnalysis, folder: Path) -> list[Path]:
    """Write an analysis as tables and `summary.json`; undefined figures are null. Return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "images.parquet": analysis.per_image,
        "classes.csv": analysis.per_class,
        "confused_pairs.csv": analysis.confused_pairs,
        "annotator_pairs.csv": analysis.annotator_pairs,
    }
    if analysis.model_against_people is not None:
        tables["model_against_people.csv"] = analysis.model_against_people
    for name, table in tables.items():
        write_table(table, folder / name)
    summary = folder / "summary.json"
    partial = folder / ".summary.json.partial"
    partial.write_text(json.dumps(asdict(analysis.summary), indent=2, allow_nan=False) + "\n")
    partial.replace(summary)
    return [*(folder / name for name in tables), summary]
