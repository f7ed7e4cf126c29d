"""Names are one text at every door: outer white space and Unicode's normal form are settled, the rest is kept."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.project.names import column_name, names_in, on_one_line, settled, settled_all
from pipeline.project.notices import notices_to


@given(st.text())
def test_settling_twice_changes_nothing_and_keeps_what_is_within(name: str) -> None:
    once = settled(name)
    assert settled(once) == once
    assert once == once.strip()
    assert unicodedata.is_normalized("NFC", once)
    assert settled(f" \u00a0\ufeff{name}\u200b\t") == once
    assert settled(unicodedata.normalize("NFD", name)) == once


@pytest.mark.parametrize(
    "name", ["007", "1e3", "True", "NA", "nan", "123456789012345678901", "a  b", "i\nj", "x\u200dy", "1.0", "-0"]
)
def test_what_looks_like_something_else_stays_text(name: str) -> None:
    assert settled(name) == name


def test_spellings_that_become_one_are_told_with_what_no_screen_shows() -> None:
    told: list[str] = []
    with notices_to(told.append):
        forms = settled_all(["Jos\u00e9", "Jose\u0301", "ada", "ada ", "ben"], "annotator", "votes.csv")
    assert forms["Jose\u0301"] == "Jos\u00e9"
    (line,) = told
    assert line.startswith("votes.csv: ")
    assert "'ada' and 'ada '" in line
    assert "'Jose\\u0301'" in line
    assert "ben" not in line


def test_a_list_that_was_typed_holds_each_name_settled() -> None:
    assert names_in(" ada, Jose\u0301 ,,ben\u00a0") == ["ada", "Jos\u00e9", "ben"]


@given(st.text())
def test_a_name_is_shown_on_one_line(name: str) -> None:
    assert len(on_one_line(name).splitlines()) <= 1
    assert name == "" or on_one_line(name)


@pytest.mark.parametrize("header", ["Image ID", " image-id ", "\ufeffIMAGE_ID", "image  id"])
def test_a_column_is_known_whatever_its_capitals_and_spaces(header: str) -> None:
    assert column_name(header) == "image_id"
