"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.project import writing
from pipeline.project.writing import is_unfinished, whole_file, write_text


def test_a_text_takes_the_place_of_what_was_there_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "mlf.toml"
    write_text(path, "first")
    write_text(path, "zweites: \u00fc\n")
    assert path.read_bytes() == "zweites: \u00fc\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    write_text(path, "old")

    def fails() -> None:
        with whole_file(path) as unfinished:
            unfinished.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_killed_while_it_writes_leaves_the_old_file_and_the_next_one_writes_over_the_rest(
    tmp_path: Path,
) -> None:
    path = tmp_path / "labels.json"
    write_text(path, "old")
    script = (
        "import os, signal, sys; from pathlib import Path; from pipeline.project.writing import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as unfinished:\n"
        "    unfinished.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    [left] = set(tmp_path.iterdir()) - {path}
    assert (path.read_text(), is_unfinished(left.name), is_unfinished(path.name)) == ("old", True, False)
    write_text(path, "new")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    with whole_file(path, mode=0o600) as unfinished:
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
        unfinished.write_text("secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_content_is_on_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.json"
    synced: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, path.exists()))

    monkeypatch.setattr(writing.os, "fsync", fsync)
    write_text(path, "content")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]
