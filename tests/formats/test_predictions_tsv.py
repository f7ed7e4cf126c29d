"""Tables of class lists and probabilities, as published for ImageNet's training set, however the lists are written."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.formats.predictions_tsv import BadLine, ListedImage, is_predictions_tsv, padded, read_predictions_tsv

#: How people write a list of numbers into a cell.
SPELLINGS: dict[str, Callable[[list[int] | list[float]], str]] = {
    "as published": lambda values: ",".join(map(str, values)),
    "JSON": json.dumps,
    "Python's tuple": lambda values: str(tuple(values)),
    "spaces": lambda values: " ".join(map(str, values)),
    "semicolons": lambda values: "; ".join(map(str, values)),
    "NumPy's str": lambda values: str(np.array(values)),
    "NumPy's repr": lambda values: repr(np.array(values)),
    "a list of NumPy's scalars": lambda values: repr(list(np.array(values))),
    "float32": lambda values: repr(np.array(values, dtype=np.float32)),
    "torch": lambda values: f"tensor({values}, device='cuda:0')",
    "texts in JSON": lambda values: json.dumps([str(value) for value in values]),
}


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def only(path: Path, n_classes: int = 1000) -> list[ListedImage | BadLine]:
    return list(read_predictions_tsv(path, n_classes))


def test_the_published_form_is_read_with_the_likeliest_class_first(tmp_path: Path) -> None:
    path = write(
        tmp_path / "multilabel_annotations.tsv",
        "n01440764/n01440764_10042.JPEG\t0\t0,391\t0.2654,1.0000",
        "n01440764/n01440764_10048.JPEG\t0\t\t",
    )
    assert is_predictions_tsv(path)
    assert only(path) == [
        ListedImage(1, "n01440764/n01440764_10042.JPEG", 0, (391, 0), (1.0, 0.2654)),
        ListedImage(2, "n01440764/n01440764_10048.JPEG", 0, (), ()),
    ]


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(
    rows=st.lists(
        st.dictionaries(st.integers(0, 29), st.integers(0, 10_000).map(lambda n: n / 10_000), max_size=6),
        min_size=1,
        max_size=4,
    )
)
def test_every_spelling_of_a_list_says_the_same(
    spelling: str, rows: list[dict[int, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "spelt.tsv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        for number, row in enumerate(rows):
            lists = [SPELLINGS[spelling](list(row)), SPELLINGS[spelling](list(row.values()))]
            writer.writerow([f"i{number}.png", next(iter(row), -1), *lists])
    found = only(path, 30)
    assert [dict(zip(line.class_index, np.round(line.score, 4), strict=True)) for line in found] == [  # type: ignore[union-attr]
        {index: pytest.approx(score) for index, score in row.items()} for row in rows
    ]
    for line in found:
        assert list(line.score) == sorted(line.score, reverse=True)  # type: ignore[union-attr]


def test_a_header_may_name_the_columns_in_any_order_and_leave_some_out(tmp_path: Path) -> None:
    named = write(tmp_path / "a.tsv", "Prob List\tidx-list\tfile_name", "[0.5]\t[3]\ta.png")
    assert only(named) == [ListedImage(2, "a.png", None, (3,), (0.5,))]
    with gzip.open(tmp_path / "b.tsv.gz", "wt") as file:
        file.write("\ufefffilename\tgt_index\tidx_list\r\n\r\na.png\t2\t5 4\r\n")
    assert is_predictions_tsv(tmp_path / "b.tsv.gz")
    assert only(tmp_path / "b.tsv.gz") == [ListedImage(3, "a.png", 2, (5, 4), (1.0, 1.0))]
    decimal_commas = write(tmp_path / "c.tsv", "a.png\t0\t0;1\t0,25;0,75")
    assert only(decimal_commas) == [ListedImage(1, "a.png", 0, (1, 0), (0.75, 0.25))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a.png\t0\t0,1\t0.5", "idx_list has 2 entries and prob_list 1"),
        ("a.png\t0\t0,1000\t0.5,0.5", "idx_list has class index 1000; the label space has the indices 0 to 999"),
        ("a.png\t0\ttench\t0.5", "idx_list has 'tench', which is no class index"),
        ("a.png\t0\t-3\t0.5", "idx_list has '-3', which is no class index"),
        ("a.png\t0\t1.5\t0.5", "idx_list has '1.5', which is no class index"),
        ("a.png\tfish\t1\t0.5", "gt_index has 'fish', which is no class index"),
        ("a.png\t0\t1\thigh", "prob_list has 'high', which is no number"),
        ("a.png\t0\t1\t1.5", "prob_list has 1.5, and a probability lies between 0 and 1"),
        ("a.png\t0\t1\tnan", "prob_list has nan, and a probability lies between 0 and 1"),
        ("a.png\t0\t4,4\t0.5,0.5", "idx_list names class 4 twice"),
        ("a.png\t0\t[0 1 ... 8 9]\t[0 ... 1]", "idx_list was cut short when it was written"),
        ("\t0\t4\t0.5", "names no image"),
        ("a.png\t0\t4", "has 3 columns between tabs"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(line: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "p.tsv", "good.png\t1\t1\t0.5", "", line, "other.png\t2\t2\t0.5")
    first, bad, last = only(path)
    assert isinstance(bad, BadLine)
    assert bad.line == 3
    assert bad.reason.startswith(reason)
    assert [line.line for line in (first, last)] == [1, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a.png,0,1,0.5\n", "line 1: has 1 columns between tabs, and no header names them; expected filename<TAB>"),
        (b"filename\tprob_list\n", "line 1: no column 'idx_list' among filename, prob_list"),
        (b"filename\timage\tidx_list\n", "line 1: several columns could be 'filename'"),
        (b"\xff\xfe\x00a\t0", "is not UTF-8 text"),
        (b"\x1f\x8b\x08broken", "cannot be read as a table of predictions"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        only(path)


def test_lists_become_arrays_of_the_likeliest(tmp_path: Path) -> None:
    rows = [ListedImage(1, "a", None, (4, 2, 1), (0.9, 0.5, 0.1)), ListedImage(2, "b", None, (), ())]
    classes, scores = padded(rows, 2)
    assert classes.tolist() == [[4, 2], [-1, -1]]
    assert np.isnan(scores[1]).all()
