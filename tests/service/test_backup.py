"""Backups taken while people work, and the way back."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import run_mlf
from postgres_server import PostgresServer
from serving import assign_small, vote, with_store

from pipeline.errors import ProjectError, StoreError
from pipeline.project.folder import Project, open_project
from pipeline.sessions.local import LocalSession
from pipeline.store import open_store
from pipeline.store.backup import back_up, restore
from pipeline.votes.words import Round


def event_ids(project: Project) -> list[str]:
    with open_store(project.store_url, len(project.label_space)) as store:
        return [event.event_id for event in store.iter_events()]


def save(project: Project, *event_ids: str) -> None:
    results = LocalSession(project, "ann").save([vote(event_id, i % 10) for i, event_id in enumerate(event_ids)])
    assert all(result.seq for result in results)


def test_a_backup_taken_while_votes_arrive_is_one_moment_and_opens_elsewhere(project: Project, tmp_path: Path) -> None:
    save(project, "before-0001")
    stop, under_way = threading.Event(), threading.Event()
    told: list[str] = []

    def work() -> None:
        session = LocalSession(project, "ann")
        while not stop.is_set():
            event_id = f"during-{len(told):06d}"
            assert session.save([vote(event_id, len(told) % 10)])[0].seq
            told.append(event_id)
            if len(told) > 20:
                under_way.set()

    worker = threading.Thread(target=work)
    worker.start()
    assert under_way.wait(90)
    n_told = len(told)
    summary = back_up(project, tmp_path / "copy")
    stop.set()
    worker.join()
    elsewhere = tmp_path / "another machine" / "copy"
    shutil.copytree(summary.folder, elsewhere)
    kept = event_ids(open_project(elsewhere))
    assert kept[: n_told + 1] == ["before-0001", *told[:n_told]]
    assert kept == ["before-0001", *told][: len(kept)]
    assert summary.n_events == len(kept)
    copy = LocalSession(open_project(elsewhere), "ann")
    assert copy.image(0, None).width_px == 80
    assert copy.save([vote("after-copy1", 0)])[0].seq
    before = list(open_store(open_project(elsewhere).store_url, 6).iter_states(Round.ANNOTATION))
    store = open_store(open_project(elsewhere).store_url, 6)
    store.rebuild()
    assert list(store.iter_states(Round.ANNOTATION)) == before


@pytest.mark.postgres
def test_a_project_goes_from_postgresql_to_a_folder_and_back(
    project: Project, postgres: PostgresServer, tmp_path: Path
) -> None:
    project = with_store(project, postgres.new_database())
    assign_small(project)
    save(project, "event-0001", "event-0002")
    back_up(project, tmp_path / "copy")
    assert event_ids(open_project(tmp_path / "copy")) == ["event-0001", "event-0002"]
    restore(tmp_path / "copy", tmp_path / "restored", postgres.new_database())
    restored = open_project(tmp_path / "restored")
    assert restored.store_url.startswith("postgresql")
    save(restored, "event-0003")
    assert event_ids(restored) == ["event-0001", "event-0002", "event-0003"]
    with pytest.raises(StoreError, match="already"):
        restore(tmp_path / "copy", tmp_path / "again", restored.store_url)


def test_a_restored_project_is_the_one_that_was_backed_up(project: Project, tmp_path: Path) -> None:
    save(project, "event-0001")
    back_up(project, tmp_path / "copy")
    save(project, "event-0002")
    restore(tmp_path / "copy", tmp_path / "restored")
    assert event_ids(open_project(tmp_path / "restored")) == ["event-0001"]
    assert event_ids(project) == ["event-0001", "event-0002"]


def test_a_backup_never_overwrites_and_never_lies_inside_the_project(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="exists"):
        back_up(project, tmp_path)
    with pytest.raises(ProjectError, match="inside"):
        back_up(project, project.root / "copy")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_where_the_copy_is_built_goes_and_what_it_leads_to_stays_as_it_is(
    project: Project, tmp_path: Path, is_there: bool
) -> None:
    theirs = tmp_path / "theirs"
    if is_there:
        theirs.mkdir()
        (theirs / "file").write_text("kept")
        (theirs / "file").chmod(0o400)
        theirs.chmod(0o500)
    (tmp_path / "copy.new").symlink_to(theirs)
    save(project, "event-0001")
    assert back_up(project, tmp_path / "copy").n_events == 1
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy"]
    assert not (tmp_path / "copy").is_symlink()
    assert theirs.exists() == is_there
    if is_there:
        assert (theirs / "file").read_text() == "kept"
        assert [path.stat().st_mode & 0o777 for path in (theirs, theirs / "file")] == [0o500, 0o400]


def test_a_damaged_backup_is_refused(project: Project, tmp_path: Path) -> None:
    back_up(project, tmp_path / "copy")
    store = tmp_path / "copy" / "store.sqlite"
    store.write_bytes(store.read_bytes()[:4096] + b"\xff" * 8192 + store.read_bytes()[12288:])
    with pytest.raises(StoreError, match="damaged"):
        restore(tmp_path / "copy", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_the_commands_copy_a_project_and_bring_it_back(project: Project, tmp_path: Path) -> None:
    save(project, "event-0001", "event-0002")
    assert "2 events" in run_mlf("backup", project.root, tmp_path / "copy")
    run_mlf("backup", project.root, tmp_path / "copy", code=2)
    run_mlf("restore", tmp_path / "copy", tmp_path / "back")
    assert event_ids(open_project(tmp_path / "back")) == ["event-0001", "event-0002"]


def test_a_restore_that_fails_leaves_nothing_behind(project: Project, tmp_path: Path) -> None:
    summary = back_up(project, tmp_path / "copy")
    taken = open_project(back_up(project, tmp_path / "other").folder)
    save(taken, "theirs-001")
    with pytest.raises(StoreError, match="holds a project already"):
        restore(summary.folder, tmp_path / "restored", taken.store_url)
    assert not (tmp_path / "restored").exists()
    assert event_ids(taken) == ["theirs-001"]
    restore(summary.folder, tmp_path / "restored", f"sqlite:///{tmp_path / 'empty.sqlite'}")


def test_a_backup_is_as_closed_as_its_project_from_its_first_file_on(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.root.chmod(0o700)
    (project.root / "store.sqlite").chmod(0o600)
    seen = []
    copy_mode = shutil.copystat

    def look_first(source: str, target: str, **options: bool) -> None:
        seen.append((tmp_path / "copy.new").stat().st_mode & 0o077)
        copy_mode(source, target, **options)

    monkeypatch.setattr(shutil, "copystat", look_first)
    summary = back_up(project, tmp_path / "copy")
    assert set(seen) == {0}
    assert summary.folder.stat().st_mode & 0o777 == 0o700
    assert (summary.folder / "store.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_project_that_nobody_has_opened_yet_is_copied_too(project: Project, tmp_path: Path) -> None:
    for file in project.root.glob("store.sqlite*"):
        file.unlink()
    assert back_up(project, tmp_path / "copy").n_events == 0


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Put a folder's content on a medium that nobody can write to, and yield where it is."""
    if os.geteuid() != 0:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield folder
        return
    medium = folder.with_name(folder.name + " medium")
    medium.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(medium)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"this machine lets nobody mount: {mounted.stderr.decode().strip()}")
    try:
        shutil.copytree(folder, medium / "copy")
        for path in (medium / "copy", *(medium / "copy").rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        subprocess.run(["mount", "-o", "remount,ro", str(medium)], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (medium / "copy" / "x").touch()
        yield medium / "copy"
    finally:
        subprocess.run(["umount", "-l", str(medium)], check=True)


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file below a folder: its bytes, and when it was last written."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_backup_on_a_medium_that_cannot_be_written_is_restored(project: Project, tmp_path: Path) -> None:
    save(project, "event-0001", "event-0002")
    summary = back_up(project, tmp_path / "copy")
    with read_only(summary.folder) as medium:
        assert "2 events restored" in run_mlf("restore", medium, tmp_path / "back")
    back = open_project(tmp_path / "back")
    assert event_ids(back) == ["event-0001", "event-0002"]
    save(back, "event-0003")  # people can continue working in it
    closed = [path for path in (back.root, *back.root.rglob("*")) if not path.stat().st_mode & 0o200]
    assert closed == []
    back_up(back, tmp_path / "again")


def test_restoring_writes_nothing_to_the_backup_even_one_that_was_worked_in_and_cut_off(
    project: Project, tmp_path: Path
) -> None:
    opened = open_project(back_up(project, tmp_path / "copy").folder)
    with open_store(opened.store_url, len(opened.label_space)) as store:
        assert store.append([vote("cut-off-01", 0)])[0].seq
        cut_off = shutil.copytree(opened.root, tmp_path / "cut off")  # as a power cut leaves it
    assert (cut_off / "store.sqlite-wal").stat().st_size > 0
    before = contents(cut_off)
    assert restore(cut_off, tmp_path / "back").n_events == 1
    assert contents(cut_off) == before
    assert event_ids(open_project(tmp_path / "back")) == ["cut-off-01"]
    with read_only(cut_off) as medium:
        assert restore(medium, tmp_path / "back again").n_events == 1


def test_a_damaged_backup_on_a_medium_that_cannot_be_written_is_called_damaged(
    project: Project, tmp_path: Path
) -> None:
    store = back_up(project, tmp_path / "copy").folder / "store.sqlite"
    store.write_bytes(store.read_bytes()[:4096] + b"\xff" * 8192 + store.read_bytes()[12288:])
    with read_only(tmp_path / "copy") as medium, pytest.raises(StoreError, match=r"store\.sqlite is damaged"):
        restore(medium, tmp_path / "restored")
    assert not list(tmp_path.glob("restored*"))


def test_a_project_whose_store_lies_elsewhere_is_no_backup(project: Project, tmp_path: Path) -> None:
    with_store(project, f"sqlite:///{tmp_path / 'elsewhere.sqlite'}")
    with pytest.raises(ProjectError, match="is not a backup"):
        restore(project.root, tmp_path / "restored")


def test_a_folder_that_people_work_in_meanwhile_is_not_copied_half_and_half(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = back_up(project, tmp_path / "copy")
    opened = open_project(summary.folder)
    copy_file, told = shutil.copyfile, []

    def vote_after_each_file(source: Path, target: Path, **options: bool) -> object:
        copied = copy_file(source, target, **options)
        if Path(source).name == "store.sqlite":
            told.append(f"meanwhile-{len(told)}")
            save(opened, told[-1])
        return copied

    monkeypatch.setattr(shutil, "copyfile", vote_after_each_file)
    with pytest.raises(StoreError, match="being written to; copy it with `mlf backup`"):
        restore(summary.folder, tmp_path / "restored")
    assert not list(tmp_path.glob("restored*"))
    monkeypatch.undo()
    assert restore(summary.folder, tmp_path / "restored").n_events == len(told)
