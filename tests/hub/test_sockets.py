"""The second name of a session's socket, by which Hub and proxy reach it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.hub.sockets import give_second_name


def listen(path: Path) -> socket.socket:
    """Return a socket that waits for connections at a path; what was there is replaced."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    listening.settimeout(60)
    return listening


def is_reached(listening: socket.socket, path: Path) -> bool:
    """Return whether who connects to a path comes to a socket."""
    with socket.socket(socket.AF_UNIX) as calling:
        calling.connect(str(path))
        calling.send(b"!")
        with listening.accept()[0] as taken:
            return taken.recv(1) == b"!"


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a short path, as a socket's must be."""
    monkeypatch.chdir(tmp_path)
    return Path()


def test_a_name_follows_the_socket_and_is_given_back(short: Path) -> None:
    own, named = short / "own.sock", short / "7.sock"
    with pytest.raises(FileNotFoundError):
        give_second_name(own, named, os.geteuid())
    with closing(listen(own)) as first:
        give_second_name(own, named, os.geteuid())
        give_second_name(own, named, os.geteuid())
        assert is_reached(first, named)
        named.unlink()
        give_second_name(own, named, os.geteuid())
        assert is_reached(first, named)
    with closing(listen(own)) as second:
        give_second_name(own, named, os.geteuid())
        assert is_reached(second, named)
    assert {path.name for path in short.iterdir()} == {"own.sock", "7.sock"}


@pytest.mark.parametrize(
    "put",
    [
        lambda path: path.symlink_to("other.sock"),
        lambda path: path.write_text("no socket"),
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
    ],
    ids=["link", "file", "folder", "pipe"],
)
def test_what_is_no_socket_gets_no_name_and_takes_none_away(short: Path, put: Callable[[Path], object]) -> None:
    own, named = short / "own.sock", short / "7.sock"
    with closing(listen(own)) as running, closing(listen(short / "other.sock")):
        give_second_name(own, named, os.geteuid())
        own.unlink()
        put(own)
        with pytest.raises(OSError, match=r"own\.sock"):
            give_second_name(own, named, os.geteuid())
        assert is_reached(running, named)
        named.unlink()
        with pytest.raises(OSError, match=r"own\.sock"):
            give_second_name(own, named, os.geteuid())
        assert not os.path.lexists(named)
    assert {path.name for path in short.iterdir()} == {"own.sock", "other.sock"}


def test_a_socket_of_another_account_gets_no_name(short: Path) -> None:
    own, named = short / "own.sock", short / "7.sock"
    with closing(listen(own)), pytest.raises(OSError, match="no socket of its owner's"):
        give_second_name(own, named, os.geteuid() + 1)
    assert {path.name for path in short.iterdir()} == {"own.sock"}
