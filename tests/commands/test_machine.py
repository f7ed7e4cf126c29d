"""What the machine refuses: one line that names the path and the next step, exit status 2, nothing half-written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run_mlf
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import in_plain_words

VOTES = "image,class,annotator,vote\na,cat,ada,yes\na,cat,ben,yes\n"


def told(*arguments: object) -> str:
    """Run a command that must fail; return the one line that it prints."""
    printed = run_mlf(*arguments, code=2)
    (line,) = [line for line in printed.splitlines() if not line.startswith("Note: ")]
    assert line.startswith("Error: ")
    return line


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name / "a.png")
    return tmp_path / "images"


@pytest.fixture
def project(tmp_path: Path, images: Path) -> Path:
    run_mlf("init", tmp_path / "birds", "--images", images)
    return tmp_path / "birds"


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Refuse all access to the paths in this list, as for an account without permission; root has every permission."""
    paths: list[Path] = []
    real_open, real_mkdir, real_scandir = os.open, os.mkdir, os.scandir

    def refuse(path: object) -> None:
        if isinstance(path, str | Path) and any(Path(path).is_relative_to(one) for one in paths):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def opened(path: object, *rest: object, **named: object) -> object:
        refuse(path)
        return real_io_open(path, *rest, **named)  # type: ignore[call-overload]

    import io

    real_io_open = io.open
    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr(os, "mkdir", lambda path, *rest, **named: (refuse(path), real_mkdir(path, *rest, **named))[1])
    monkeypatch.setattr(os, "scandir", lambda path=".": (refuse(path), real_scandir(path))[1])
    monkeypatch.setattr(os, "open", lambda path, *rest, **named: (refuse(path), real_open(path, *rest, **named))[1])
    return paths


def test_a_file_that_may_not_be_read_is_named(project: Path, closed: list[Path]) -> None:
    closed.append(project / "mlf.toml")
    assert f"{project / 'mlf.toml'}: no permission; ask its owner" in told("status", project)


def test_a_class_folder_that_may_not_be_read_is_named_and_no_project_is_left(
    tmp_path: Path, images: Path, closed: list[Path]
) -> None:
    closed.append(images / "dog")
    assert f"{images / 'dog'}: no permission" in told("init", tmp_path / "new", "--images", images)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, images: Path, closed: list[Path]) -> None:
    (tmp_path / "shut").mkdir()
    closed.append(tmp_path / "shut")
    assert "no permission" in told("init", tmp_path / "shut" / "new", "--images", images)
    (tmp_path / "votes.csv").write_text(VOTES)
    assert str(tmp_path / "shut") in told("aggregate", tmp_path / "votes.csv", "--out", tmp_path / "shut" / "out")


def test_a_full_disk_is_called_so_where_the_system_names_no_path(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
    line = told("init", tmp_path / "new", "--images", images)
    assert f"{images}: the disk is full; make room there, and give the same command again" in line
    assert not (tmp_path / "new").exists()


def test_a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_are_told(tmp_path: Path, images: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "file" in told("init", tmp_path / "file" / "new", "--images", images)
    (tmp_path / "votes.csv").write_text(VOTES)
    assert "a file lies" in told("aggregate", tmp_path / "votes.csv", "--out", tmp_path / "file" / "out")
    assert "name is too long" in told("aggregate", tmp_path / "votes.csv", "--out", tmp_path / ("x" * 300))


@pytest.mark.parametrize("written", ["~/out", "--out=~/out"])
def test_a_tilde_is_the_home_folder_where_no_shell_has_put_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "votes.csv").write_text(VOTES)
    monkeypatch.chdir(tmp_path)
    out = [written] if written.startswith("--") else ["--out", written]
    run_mlf("aggregate", "~/votes.csv", *out, "--method", "majority")
    assert (tmp_path / "home" / "out" / "labels.parquet").exists()
    assert not (tmp_path / "~").exists()


@given(number=st.sampled_from(sorted(errno.errorcode)), name=st.text(min_size=1, max_size=20))
@example(number=errno.EACCES, name="codec can't")
def test_any_error_of_the_system_is_one_line_that_names_its_path_and_a_next_step(number: int, name: str) -> None:
    line = in_plain_words(OSError(number, os.strerror(number), name))
    assert line.isprintable()
    shown = name if name.isprintable() else ascii(name)[1:-1]
    path, reason = line[: len(shown)], line.removeprefix(f"{shown}: ")
    assert path == shown or not name.isprintable()
    assert "; " in reason


def test_an_error_told_by_another_process_keeps_its_path_and_its_reason() -> None:
    assert in_plain_words("[Errno 13] Permission denied: '/data/x.csv'").startswith("/data/x.csv: no permission; ")
    arrow = "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"
    assert in_plain_words(arrow, "/data/birds").startswith("/data/birds: the disk is full; ")
    latin1 = "'utf-8' codec can't decode byte 0xf1 in position 3: invalid continuation byte"
    assert in_plain_words(latin1, "votes.csv").startswith("votes.csv: a text that is not in UTF-8")


def test_settings_with_the_byte_order_mark_of_an_editor_are_read(project: Path) -> None:
    settings = project / "mlf.toml"
    settings.write_bytes(b"\xef\xbb\xbf" + settings.read_bytes())
    run_mlf("status", project)
