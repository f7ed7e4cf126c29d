"""What sessions and the Hub print: kept in files of bounded size, one per session, which no session can change."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from serving import wait_until

from pipeline.hub.session_logs import LogKeeper, TurningFile, log_of_server


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SimpleNamespace]:
    keeper = LogKeeper(tmp_path / "hub.log", tmp_path / "sessions", tmp_path / "log.sock")
    keeper.start()
    yield SimpleNamespace(keeper=keeper, folder=tmp_path / "sessions", socket=tmp_path / "log.sock")
    keeper.stop()


def text(kept: SimpleNamespace, name: str) -> str:
    path = kept.folder / name
    return path.read_text() if path.exists() else ""


def test_each_session_has_a_file_of_its_own_whatever_it_is_called(kept: SimpleNamespace, tmp_path: Path) -> None:
    names = ("ada", "../../ben", "cleo\u202e <b>")
    for name in names:
        with log_of_server(kept.socket, name) as log:
            subprocess.run(["sh", "-c", "echo out; echo err >&2"], stdout=log, stderr=log, check=True)
    files = ("ada.log", "..%2F..%2Fben.log", "cleo%E2%80%AE%20%3Cb%3E.log")
    wait_until(lambda: all(text(kept, file) == "out\nerr\n" for file in files), 60, lambda: list(kept.folder.iterdir()))
    assert {path.stat().st_mode & 0o777 for path in kept.folder.iterdir()} == {0o600}
    assert kept.folder.stat().st_mode & 0o777 == 0o700
    assert kept.socket.stat().st_mode & 0o777 == 0o600


def test_a_session_that_writes_without_end_neither_fills_the_disk_nor_waits(kept: SimpleNamespace) -> None:
    """Nor does it push out what it printed before: only part of so much is kept."""
    with log_of_server(kept.socket, "loud") as loud, log_of_server(kept.socket, "quiet") as quiet:
        assert isinstance(loud, socket.socket)
        assert isinstance(quiet, socket.socket)
        loud.sendall(b"began\n")
        for _ in range(400):
            loud.sendall(b"x" * 99_999 + b"\n")
        quiet.sendall(b"heard\n")
        wait_until(lambda: text(kept, "quiet.log") == "heard\n", 60, lambda: "the other is not heard")
    kept.keeper.stop()
    assert any(path.read_text().startswith("began\n") for path in kept.folder.glob("loud.log*"))
    assert 0 < sum(path.stat().st_size for path in kept.folder.glob("loud.log*")) <= 2_500_000


def test_a_full_file_turns_over_and_the_oldest_goes(tmp_path: Path) -> None:
    file = TurningFile(tmp_path / "log", max_bytes=100, n_files=3)
    for number in range(1005):
        file.write(f"{number:09d}\n".encode())
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 3
    assert sum(path.stat().st_size for path in paths) <= 300
    lines = sorted(line for path in paths for line in path.read_text().split())
    assert lines == [f"{number:09d}" for number in range(1005 - len(lines), 1005)]


def test_a_link_in_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "log").symlink_to(other)
    TurningFile(tmp_path / "log", 100, 2).write(b"x")
    assert other.read_text() == "kept"


def test_the_hub_writes_on_while_sessions_come_and_go(kept: SimpleNamespace, tmp_path: Path) -> None:
    for number in range(20):
        os.write(kept.keeper.hub_end.fileno(), f"line {number}\n".encode())
        with log_of_server(kept.socket, "x" * 3000):  # a name that is far too long
            pass
    kept.keeper.stop()
    assert (tmp_path / "hub.log").read_text() == "".join(f"line {number}\n" for number in range(20))


def test_without_a_keeper_a_session_prints_to_nobody(tmp_path: Path) -> None:
    with log_of_server(tmp_path / "none.sock", "ada") as log:
        assert log == subprocess.DEVNULL
