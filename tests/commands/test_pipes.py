"""The command line in a pipe: no colours, no progress bars, quiet when the reader goes; in a terminal, colours."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.toybox import write_toybox

MLF = [sys.executable, "-c", "from mlf_widgets.command import main; main()"]
ESCAPE = b"\x1b["


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toybox(tmp_path_factory.mktemp("pipes") / "box", seed=1, n_scenes=20, n_reference=1).root


def run_main(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MLF, *arguments], capture_output=True, env=os.environ | variables, check=False)


def in_a_terminal(*arguments: str, **variables: str) -> bytes:
    """Return what a command writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI", "GITHUB_ACTIONS")}
    process = subprocess.Popen(
        [*MLF, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=kept | {"TERM": "xterm-256color", **variables},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        written += part
    process.wait()
    os.close(ours)
    return written


def test_a_pipe_gets_neither_colours_nor_progress_bars(box: Path, tmp_path: Path) -> None:
    done = run_main(
        "init", str(tmp_path / "birds"), "--images", str(box / "scenes.csv"), "--classes", str(box / "classes.csv")
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert ESCAPE not in done.stdout
    drawn = run_main("toybox", str(tmp_path / "toys"), "--scenes", "2")
    assert (drawn.returncode, drawn.stderr) == (0, b"")
    for arguments in (["--help"], ["status", str(tmp_path / "nowhere")]):
        told = run_main(*arguments)
        assert ESCAPE not in told.stdout + told.stderr


def test_a_terminal_gets_colours_unless_no_color_is_set(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert ESCAPE + b"31m" in in_a_terminal("status", nowhere)
    assert ESCAPE not in in_a_terminal("status", nowhere, NO_COLOR="1")
    assert b"31m" not in in_a_terminal("--help", NO_COLOR="1")


def test_a_reader_that_goes_away_ends_a_command_quietly() -> None:
    process = subprocess.Popen([*MLF, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell: str) -> None:
    words = {"COMP_WORDS": "mlf sta", "COMP_CWORD": "1"} if shell == "bash" else {"_TYPER_COMPLETE_ARGS": "mlf sta"}
    asked = {"_MLF_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args", **words}
    found = run_main(**asked)
    assert b"status" in found.stdout
    assert b"assign" not in found.stdout
