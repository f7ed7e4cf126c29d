"""Lists of classes and probabilities for each image, in a table separated by tabs.

The multi-label annotations of ImageNet's training set are published so: a line per image, without a header, with the
columns `filename`, `gt_index`, `idx_list` and `prob_list`, as in ``n01440764/n01440764_10042.JPEG 0 0,391
0.2654,1.0000``. Others write the lists as JSON, Python or NumPy print them; all of these are read.

References
----------
Chen, J., Harun, M. Y., Kanan, C. (2026). Unlocking ImageNet's multi-object nature: automated large-scale multilabel
annotation. arXiv:2603.05729.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import numpy.typing as npt

from pipeline.errors import DatasetError, in_plain_words
from pipeline.project.names import column_name, settled

#: The columns, in the order in which they are published, each with the other names that headers give it.
_COLUMNS = {
    "filename": {"filename", "file_name", "file", "image", "image_id", "path", "name"},
    "gt_index": {"gt_index", "gt", "gt_idx", "label", "target", "ground_truth"},
    "idx_list": {"idx_list", "idx", "idxs", "indices", "classes", "class_list", "labels"},
    "prob_list": {"prob_list", "prob", "probs", "probabilities", "scores", "score_list"},
}
_GZIP = b"\x1f\x8b"
_ZIP = b"PK"
#: What NumPy, torch and Python write around the numbers of a list: `array(…, dtype=float32)`, `np.int64(3)`, brackets.
_WRAPPING = re.compile(r"\b(?:dtype|device)\s*=\s*[\w.:'\"]+|\b[a-z][\w.]*\s*\(|[()\[\]{}'\"]", re.IGNORECASE)
_PARTING = re.compile(r"[,;\s]+")
_MOST_CHARACTERS = 1 << 24
#: How writers say that an image has no original label.
_NO_INDEX = frozenset({"", "-1", "None", "nan"})


@dataclass(frozen=True, slots=True)
class ListedImage:
    """What one line says: the image, its original label (None if left out), and its classes, the likeliest first."""

    line: int
    filename: str
    gt_index: int | None
    class_index: tuple[int, ...]
    score: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used, with its number, the image that it names (if any) and the reason."""

    line: int
    filename: str | None
    reason: str


def is_predictions_tsv(path: Path) -> bool:
    """Tell whether a file of predictions is text (perhaps compressed by gzip) rather than an ``.npz``."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise DatasetError(in_plain_words(error, path)) from error
    is_named_so = path.name.lower().removesuffix(".gz").endswith((".tsv", ".txt", ".csv"))
    return start != _ZIP and (is_named_so or start == _GZIP)


def read_predictions_tsv(path: Path, n_classes: int) -> Iterator[ListedImage | BadLine]:
    """Yield what each line of a table says, or why it cannot be used.

    A first line that names the columns is understood, in any order of them.

    Parameters
    ----------
    path
        The file, also compressed by gzip.
    n_classes
        Size of the label space.

    Raises
    ------
    DatasetError
        If the file cannot be read as text in UTF-8, or its first line has not got the columns.
    """
    try:
        with _open(path) as file:
            rows = csv.reader(file, delimiter="\t")
            order: Sequence[int | None] | None = None
            line, next_line = 0, 1
            for cells in rows:
                line, next_line = next_line, rows.line_num + 1  # a quoted cell may run over several lines
                if not any(cell.strip() for cell in cells):
                    continue
                if order is None:
                    order, is_header = _order(cells, f"{path}, line {line}")
                    if is_header:
                        continue
                yield _read(cells, order, line, n_classes)
            if order is None:
                raise DatasetError(f"{path}: is empty; expected a line for each image: {_expected()}")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text; save the file as UTF-8") from error
    except (OSError, EOFError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as a table of predictions: {error}") from error


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        is_compressed = file.read(2) == _GZIP
    csv.field_size_limit(_MOST_CHARACTERS)
    if is_compressed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _expected() -> str:
    return "<TAB>".join(_COLUMNS)


def _order(cells: list[str], where: str) -> tuple[list[int | None], bool]:
    """Return at which place of a line each column is (None: nowhere), and whether this first line is a header."""
    named = [column_name(cell) for cell in cells]
    known = {other: column for column, others in _COLUMNS.items() for other in others}
    places = [known.get(name) for name in named]
    if any(places) and not any(character.isdigit() for name in named[1:] for character in name):
        lacking = [column for column in ("filename", "idx_list") if column not in places]
        if lacking:
            raise DatasetError(f"{where}: no column {lacking[0]!r} among {', '.join(cells)}; expected {_expected()}")
        twice = [column for column in _COLUMNS if places.count(column) > 1]
        if twice:
            raise DatasetError(f"{where}: several columns could be {twice[0]!r}: {', '.join(cells)}; keep one")
        return [places.index(column) if column in places else None for column in _COLUMNS], True
    if len(cells) != len(_COLUMNS):
        raise DatasetError(
            f"{where}: has {len(cells)} columns between tabs, and no header names them; expected {_expected()}"
        )
    return list(range(len(_COLUMNS))), False


def _read(cells: list[str], order: Sequence[int | None], line: int, n_classes: int) -> ListedImage | BadLine:
    named, given, listed, scored = (
        cells[place].strip() if place is not None and place < len(cells) else "" for place in order
    )
    filename = settled(named).replace("\\", "/")
    try:
        if len(cells) <= max(place for place in order if place is not None):
            _refuse(f"has {len(cells)} columns between tabs")
        if not filename:
            _refuse("names no image")
        gt_index = None if given in _NO_INDEX else _index(given, "gt_index", n_classes)
        classes = [_index(text, "idx_list", n_classes) for text in _parts(listed, "idx_list")]
        scores = [1.0] * len(classes) if order[-1] is None else _probabilities(scored)
        if len(classes) != len(scores):
            _refuse(f"idx_list has {len(classes)} entries and prob_list {len(scores)}")
        if len(set(classes)) < len(classes):
            _refuse(f"idx_list names class {next(index for index in classes if classes.count(index) > 1)} twice")
    except ValueError as error:
        return BadLine(line, filename or None, str(error))
    ranked = sorted(range(len(classes)), key=lambda place: -scores[place])
    return ListedImage(
        line, filename, gt_index, tuple(classes[place] for place in ranked), tuple(scores[place] for place in ranked)
    )


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)


def _index(text: str, column: str, n_classes: int) -> int:
    whole = text.removesuffix(".0").removesuffix(".")
    if not (whole.isascii() and whole.isdecimal()):
        raise ValueError(f"{column} has {text[:40]!r}, which is no class index")
    index = int(whole)
    if index >= n_classes:
        raise ValueError(f"{column} has class index {index}; the label space has the indices 0 to {n_classes - 1}")
    return index


def _probabilities(text: str) -> list[float]:
    decimal_commas = ";" in text and "," in text  # a spreadsheet of a country that writes 0,25
    found = []
    for part in _parts(text, "prob_list", decimal_commas=decimal_commas):
        try:
            value = float(part.replace(",", "."))
        except ValueError:
            raise ValueError(f"prob_list has {part[:40]!r}, which is no number") from None
        if not 0 <= value <= 1:
            raise ValueError(f"prob_list has {part[:40]}, and a probability lies between 0 and 1")
        found.append(value)
    return found


def _parts(text: str, column: str, *, decimal_commas: bool = False) -> list[str]:
    """Return the entries of a list, however it is written."""
    if "..." in text or "…" in text:
        raise ValueError(f"{column} was cut short when it was written ({text[:40]!r}); write the whole list")
    bare = _WRAPPING.sub(" ", text)
    parts = bare.split(";") if decimal_commas else _PARTING.split(bare)
    return [part.strip() for part in parts if part.strip(" ,")]


def padded(rows: Sequence[ListedImage], most: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the first `most` classes and scores of each line: (n_rows, k), padded with -1 and NaN."""
    width = max([1, *(min(most, len(row.class_index)) for row in rows)])
    classes = np.full((len(rows), width), -1, dtype=np.int32)
    scores = np.full((len(rows), width), np.nan, dtype=np.float32)
    for place, row in enumerate(rows):
        kept = min(width, len(row.class_index))
        classes[place, :kept], scores[place, :kept] = row.class_index[:kept], row.score[:kept]
    return classes, scores
