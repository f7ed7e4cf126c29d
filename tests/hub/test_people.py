"""People who left and came back, and what `mlf hub` says about them at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from serving import make_project
from typer.testing import Result

from pipeline.annotation.session import Progress
from pipeline.errors import ProjectError
from pipeline.hub.accounts import Account, Role, read_accounts, read_removed, write_accounts
from pipeline.hub.launch import PreparedHub, prepare_hub
from pipeline.hub.people import SharedUid, find_shared_uids, unrefined_of_removed
from pipeline.project.folder import Project


def test_a_removed_refiner_with_undecided_images_is_named_at_the_start_and_comes_back_when_named(
    start: Callable[..., Result], tmp_path: Path
) -> None:
    project, state = make_project(tmp_path), tmp_path / "hub"  # Cleo has four disputed images and nothing else

    def printed(*options: str) -> str:
        result = start(project, state, "--share-account", *options)
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    assert "Removed" not in printed()
    leaving = printed("--remove", "cleo")
    assert "Removed: cleo. Votes stay in the store. Disputed images that they leave undecided: 4" in leaving
    assert "--refiners" not in leaving
    later = printed()
    assert "disputed images that they have not decided: cleo (4). They cannot log in" in later
    assert "to bring them back, start with --refiners cleo " in later
    assert "start with --refiners eve,cleo " in printed("--refiners", "eve")
    assert "(refiners)" in printed("--refiners", "cleo")
    assert "cleo" in read_accounts(state / "private" / "accounts.json")
    assert "not decided" not in printed()


def test_who_has_decided_everything_or_refines_nothing_is_not_named() -> None:
    refiners = {"ada": Progress(5, 5, 0, 0), "ben": Progress(5, 3, 0, 0), "cleo": Progress(5, 0, 0, 0)}
    assert unrefined_of_removed(["ada", "ben", "dan"], refiners) == {"ben": 2}


def test_a_removal_given_again_changes_nothing_and_says_so(start: Callable[..., Result], tmp_path: Path) -> None:
    project, state = make_project(tmp_path), tmp_path / "hub"
    assert start(project, state, "--share-account").exit_code == 0
    assert start(project, state, "--share-account", "--remove", "cleo").exit_code == 0
    before = (state / "private" / "accounts.json").read_bytes()
    again = start(project, state, "--share-account", "--remove", "cleo")
    assert again.exit_code == 0, again.output
    assert "Removed already, by an earlier command: cleo; nothing was left to change" in again.output
    assert "Removed: cleo" not in again.output
    assert (state / "private" / "accounts.json").read_bytes() == before
    unknown = start(project, state, "--share-account", "--remove", "cleo,dan")
    assert unknown.exit_code == 2
    assert "no account 'dan' to remove" in " ".join(unknown.output.split())


def test_a_removal_whose_hub_did_not_start_is_given_again(
    start: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, state = make_project(tmp_path), tmp_path / "hub"
    assert start(project, state, "--share-account").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.hub.launch.run_hub", lambda _prepared: 1)
        assert start(project, state, "--share-account", "--remove", "cleo").exit_code == 2
    again = start(project, state, "--share-account", "--remove", "cleo")
    assert again.exit_code == 0, again.output
    assert "cleo" not in read_accounts(state / "private" / "accounts.json")
    assert read_removed(state / "private" / "accounts.json") == ("cleo",)


def prepare(project: Project, state: Path, *names: str) -> PreparedHub:
    people = {name: [Role.ANNOTATORS] for name in names}
    return prepare_hub(project, people, state=state, port=0, proxy_command=["proxy"], share_account=True)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        '"ada"',
        "{}",
        '{"accounts": {"ada": 61184}}',
        '{"accounts": ["ada"]}',
        '{"accounts": [{"user": "ada"}]}',
        '{"accounts": [{"name": "ada", "roles": ["kings"], "uid": 61184, "salt": "", "hash": ""}]}',
        '{"accounts": [{"name": "ada", "roles": [], "uid": null, "salt": "", "hash": ""}]}',
        '{"accounts": [], "removed": 3}',
        "\udcff",
    ],
)
def test_a_foreign_accounts_file_stops_no_hub_beside_it_and_as_its_own_is_named(
    content: str, project: Project, tmp_path: Path
) -> None:
    foreign = tmp_path / "beside" / "private" / "accounts.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(content.encode("utf-8", "surrogateescape"))
    foreign.chmod(0o600)
    (tmp_path / "beside" / "homes").touch()  # a file, not a folder
    hub = prepare(project, tmp_path / "hub", "ada")
    assert set(hub.passwords) == {"ada"}
    assert find_shared_uids(hub.accounts, hub.state) == []
    (tmp_path / "beside" / "homes").unlink()
    with pytest.raises(ProjectError, match=r"beside/private/accounts\.json: cannot be read as accounts"):
        prepare(project, tmp_path / "beside", "ada")


def share_uid(state: Path, name: str, uid: int) -> None:
    """Put a hub's accounts into the state they had before hubs knew of each other."""
    path = state / "private" / "accounts.json"
    accounts: dict[str, Account] = read_accounts(path)
    write_accounts(accounts | {name: replace(accounts[name], uid=uid)}, path)


def test_a_uid_that_two_hubs_gave_is_found_from_both(project: Project, tmp_path: Path) -> None:
    first = prepare(project, tmp_path / "first", "ada", "ben")
    second = prepare(project, tmp_path / "second", "cleo", "dan")
    assert find_shared_uids(first.accounts, first.state) == []
    uid = second.accounts["dan"].uid
    share_uid(first.state, "ben", uid)
    assert find_shared_uids(second.accounts, second.state) == [SharedUid(uid, "dan", "ben", tmp_path / "first")]
    first = prepare(project, tmp_path / "first", "ada", "ben")
    assert find_shared_uids(first.accounts, first.state) == [SharedUid(uid, "ben", "dan", tmp_path / "second")]


def test_a_uid_of_two_people_is_told_of_in_one_line_and_kept(
    needs_root: None, start: Callable[..., Result], project: Project, hub_folder: Path, tmp_path: Path
) -> None:
    folder = hub_folder / "shared-uid"
    folder.mkdir(mode=0o711)
    other = prepare(project, folder / "other", "ben")
    here = make_project(tmp_path / "small")
    uid = other.accounts["ben"].uid
    assert "numeric account" not in start(here, folder / "hub").output
    share_uid(folder / "hub", "ann", uid)
    told = start(here, folder / "hub")
    assert told.exit_code == 0, told.output
    [line] = [line for line in told.output.splitlines() if "numeric account" in line]
    assert f"the numeric account {uid} is ann here and ben at the hub in {folder / 'other'}" in line
    assert read_accounts(folder / "hub" / "private" / "accounts.json")["ann"].uid == uid
    assert read_accounts(folder / "other" / "private" / "accounts.json")["ben"].uid == uid
    assert "numeric account" not in start(here, folder / "hub", "--share-account").output
