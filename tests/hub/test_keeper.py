"""Processes that are kept running: restarted when killed, ended with their keeper, with nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ProjectError
from pipeline.hub.interpreter import closed_folder, server_interpreter
from pipeline.hub.keeper import Keeper
from pipeline.hub.launch import alone
from pipeline.hub.leftovers import end_left_over

#: Writes its pid below the others, and waits.
_WORKER = "import os, sys, time\nopen(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\ntime.sleep(600)"


def wait_until(is_so: Any, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline
        pause.wait(0.02)


def pids_in(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    pids = tmp_path / "pids"
    keeper = subprocess.Popen([sys.executable, "-m", "pipeline.hub.keeper", sys.executable, "-c", _WORKER, str(pids)])
    wait_until(lambda: len(pids_in(pids)) == 1)
    yield keeper, pids
    keeper.kill()
    keeper.wait()


def test_what_is_killed_is_started_again_and_what_is_stopped_is_not(
    kept: tuple[subprocess.Popen[bytes], Path],
) -> None:
    keeper, pids = kept
    for n in (1, 2):
        os.kill(pids_in(pids)[-1], signal.SIGKILL)
        wait_until(lambda n=n: len(pids_in(pids)) == n + 1)
    keeper.terminate()
    assert keeper.wait(timeout=60) == 0
    assert not any(runs(pid) for pid in pids_in(pids))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone ends a process with its parent")
def test_nothing_outlives_a_keeper_that_is_killed(kept: tuple[subprocess.Popen[bytes], Path]) -> None:
    keeper, pids = kept
    keeper.kill()
    wait_until(lambda: not runs(pids_in(pids)[-1]))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone ends a process with its parent")
def test_a_keeper_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    keep = [sys.executable, "-m", "pipeline.hub.keeper", sys.executable, "-c", _WORKER, str(pids)]
    parent = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.Popen({keep!r}).wait()"])
    wait_until(lambda: len(pids_in(pids)) == 1)
    parent.kill()
    parent.wait()
    wait_until(lambda: not runs(pids_in(pids)[0]))


def test_each_of_several_is_started_again_alone_and_all_end_together(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import sys; from pipeline.hub.keeper import Keeper;"
        "sys.exit(Keeper([sys.executable, '-c', *sys.argv[1:]], copies=3).run())"
    )
    keeper = subprocess.Popen([sys.executable, "-c", code, _WORKER, str(pids)])
    wait_until(lambda: len(pids_in(pids)) == 3)
    first = pids_in(pids)
    for number in (signal.SIGKILL, signal.SIGTERM):
        os.kill(first.pop(), number)
    wait_until(lambda: len(pids_in(pids)) == 5)
    assert runs(first[0])
    keeper.terminate()
    assert keeper.wait(timeout=60) == 0
    assert not any(runs(pid) for pid in pids_in(pids))


def test_what_does_not_end_is_killed_and_asking_once_more_gives_it_no_more_time(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (  # which does not die of being asked once more when it has done its work, and is ending
        "import signal, sys; from pipeline.hub.keeper import Keeper; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "sys.exit(Keeper([sys.executable, '-c', *sys.argv[1:]], copies=2, patience_s=2).run())"
    )
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{_WORKER}"
    keeper = subprocess.Popen([sys.executable, "-c", code, stubborn, str(pids)])
    wait_until(lambda: len(pids_in(pids)) == 2)
    pause = threading.Event()
    for _ in range(600):  # a minute of it; patience would begin anew each time
        if keeper.poll() is not None:
            break
        keeper.terminate()
        pause.wait(0.1)
    assert keeper.wait(timeout=60) == 0
    assert not any(runs(pid) for pid in pids_in(pids))


def test_what_will_not_start_is_given_up() -> None:
    assert Keeper([sys.executable, "-c", "raise SystemExit(4)"], max_quick_failures=2, copies=2).run() == 4
    assert Keeper([sys.executable, "-c", "raise SystemExit(3)"], max_quick_failures=2).run() == 3
    assert Keeper([sys.executable, "-c", ""]).run() == 0


def test_one_hub_a_folder(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    with alone(tmp_path), pytest.raises(ProjectError, match="running already"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_a_left_over_proxy_is_ended_and_a_stranger_with_its_number_is_not(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    proxy = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "configurable-http-proxy"])
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (tmp_path / "private" / "proxy.pid").write_text(str(proxy.pid))
    (tmp_path / "private" / "hub.pid").write_text(str(stranger.pid))
    end_left_over(tmp_path)
    assert proxy.wait(timeout=60) == -signal.SIGTERM
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_sessions_get_a_python_that_other_accounts_may_run(tmp_path: Path) -> None:
    python = server_interpreter(tmp_path / "python")
    assert closed_folder(Path(python).resolve()) is None
    printed = subprocess.run(
        [python, "-c", "import numpy, sys; print(sys.version_info[:2], numpy.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    import numpy as np

    assert printed.strip() == f"{sys.version_info[:2]} {np.__version__}"


def test_a_closed_folder_on_the_way_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    tmp_path.chmod(0o755)
    assert closed_folder(closed / "inner" / "file") in {closed, *closed.parents}
    assert closed_folder(Path("/usr/bin/env")) is None
