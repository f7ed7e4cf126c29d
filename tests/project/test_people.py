"""One rule for what a person's name may be, wherever a person is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role, make_account
from pipeline.project.names import check_person, settled
from pipeline.store import open_store


@pytest.mark.parametrize(
    "name",
    ["a/b", "a\\b", "a,b", "a:b", "", ".", "..", " ada", "ada\u202eadmin", "a\x00b", "a\nb", "x" * 101, "\u200b"],
)
def test_a_name_that_some_place_cannot_take_is_refused_by_all(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError, match="a name takes"):
        check_person(name)
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}", 3)
    with pytest.raises(ProjectError, match="a name takes"):
        store.add_annotators(["ben", name])
    assert store.annotator_kinds() == {}
    store.close()
    with pytest.raises(ProjectError, match="a name takes"):
        make_account(name, [Role.ANNOTATORS], ())


@pytest.mark.parametrize("name", ["ada", "José", "李雷", "o'brien", "ada.l@lab.org", "=ada", "007"])
def test_names_of_people_are_taken(name: str) -> None:
    check_person(name)


@given(st.text(max_size=20))
def test_what_is_taken_can_be_shown_typed_in_a_list_and_used_as_a_folder(name: str) -> None:
    try:
        check_person(name)
    except ProjectError:
        return
    assert "," not in name
    assert name == settled(name)
    assert Path(name).name == name
