"""CSV as people have it: lines as an editor counts them, against counting line ends in the text itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.project.csv_dialect import csv_rows, line_of_row
from pipeline.project.files import named_row, read_table

cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@given(
    st.lists(st.tuples(cells, cells.filter(str.strip)), max_size=5),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(0, 3),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_cell_comes_back_with_the_line_it_stands_on(
    rows: list[tuple[str, str]], separator: str, end: str, n_blank: int, encoding: str
) -> None:
    text = end * n_blank + f"A one{separator}b{end}"
    expected = []
    for row in rows:
        n_ends = text.count("\n") + text.replace("\r\n", "").count("\r")  # the line ends before it, in any style
        expected.append((n_ends + 1, list(row)))
        text += separator.join(map(quoted, row)) + end
    with csv_rows(io.BytesIO(text.encode(encoding)), "t.csv") as table:
        assert table.header == ("a_one", "b")
        assert list(table.rows) == expected


def test_a_row_is_named_by_its_line_after_cells_with_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('sep=;\n\nid;note\n1;"a\nb\n\nc"\n\n2;x\n')
    assert [line_of_row(path, row) for row in range(2)] == [4, 9]
    assert named_row(path, 1) == "line 9"
    assert read_table(path)["id"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\n,,\n", "it is empty"),
        (b'a,b\n1,"2\n', "t.csv, line 2 cannot be read as csv"),
        (b"a,b\n1,2\n\xe9,3\n", "t.csv, line 3: byte 0xe9 is not UTF-8 text"),
        (b"a,b\n1,2,3\n", r"on line 2 more values than columns \(3 values for 2 columns\)"),
        (b"id,Id \n1,2\n", "has the column 'id' twice"),
    ],
)
def test_what_is_no_table_is_refused_by_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_table(tmp_path / "t.csv")
