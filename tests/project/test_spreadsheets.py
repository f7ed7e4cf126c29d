"""No cell that we write runs as a formula, and every name comes back unchanged."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.project.files import read_table, write_table
from pipeline.project.names import settled
from pipeline.project.spreadsheets import guarded, unguarded

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")', "--1", "+"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_written_as_text_and_read_back(tmp_path: Path, cell: str) -> None:
    assert guarded(cell) == f"'{cell}"
    path = tmp_path / "t.csv"
    for table in (pd.DataFrame({"image": [cell]}), pd.DataFrame({"image": [cell]}, dtype="category")):
        write_table(table, path)
        with path.open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file))[1] == [f"'{cell}"]
        assert read_table(path)["image"].tolist() == [settled(cell)]


def test_numbers_and_plain_names_are_left_alone(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["-1", "+5e3", "o'brien", "'quoted'", "a=b"], "share": [-0.5, 1, 2, 3, 4.0]})
    write_table(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == table.to_csv(index=False)


def test_a_header_is_a_cell_too(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"=a": [1]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("'=a")


def test_one_function_alone_writes_tables_in_which_somebody_elses_words_may_stand() -> None:
    """The demo's list and the toybox's files hold our own words."""
    package = Path(__file__).parents[2] / "pipeline"
    writing = re.compile(r"csv\.(writer|DictWriter)|\.to_csv\(|pyarrow\.csv|from pyarrow import csv")
    found = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if writing.search(path.read_text())}
    assert found == {"project/files.py", "demo/run.py", "toybox/dataset.py"}


@given(st.text(max_size=12) | st.sampled_from(FORMULAS) | st.sampled_from(["'=", "''=1", "'-1", "'", "'a"]))
def test_any_text_comes_back(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(("=", "@", "\t", "\r"))
