"""`mlf demo` as a person starts it: headless up to the report, and with JupyterLab and colleagues at work."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pipeline.demo.against_truth import hold_against_truth, refined_label_sets
from pipeline.demo.toybox_truth import toybox_truth
from pipeline.project.folder import open_project
from pipeline.sessions.local import LocalSession
from pipeline.toybox.checkpoints import SHIPPED
from pipeline.votes.words import Round

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo"), pytest.mark.timeout(1500)]
N_SCENES = 80


@pytest.fixture(scope="session")
def demo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="session")
def headless(demo_dir: Path) -> str:
    """Return what a headless demo prints."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "demo", "--headless", "--dir", str(demo_dir), "--scenes", str(N_SCENES)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_headless_demo_prints_its_report_and_its_figures_next_to_the_truth(headless: str, demo_dir: Path) -> None:
    project = open_project(demo_dir / "finished")
    report = Path(re.search(r"^Report: (.*)$", headless, re.MULTILINE)[1])
    page = report.read_text()
    linked = set(re.findall(r'href="(\w+\.html)["#]', page))
    stages = {f"{stage}.html" for stage in ("propose", "analyze", "settle", "evaluate", "improve")}
    assert linked >= stages | {"explorer.html", "datacard.html"}
    assert all((report.parent / name).is_file() for name in linked)
    assert "Simulated" in page
    truth = json.loads((demo_dir / "toybox" / "truth.json").read_text())
    n_multi = sum(len(keys) > 1 for keys in truth.values())
    assert f"{n_multi / N_SCENES:.2%} of {N_SCENES} in truth" in headless
    found = refined_label_sets(project)
    n_found = sum(len(labels) > 1 for labels in found.values())
    assert f"{n_found / N_SCENES:.2%} of {N_SCENES} found" in headless
    index = {key: i for i, key in enumerate(project.label_space.keys)}
    true = {i: {index[key] for key in keys} for i, keys in enumerate(truth.values())}
    right = sum(len(found[i] & true[i]) for i in range(N_SCENES))
    given = sum(len(labels) for labels in found.values())
    assert f"{right / given:.1%} of {given}" in headless
    assert all(model in headless for model in SHIPPED)
    assert "(simulated)" in headless


def test_refined_labels_are_better_than_either_annotator_and_than_their_majority(headless: str, demo_dir: Path) -> None:
    project = open_project(demo_dir / "finished")
    result = hold_against_truth(project, toybox_truth(project, demo_dir / "toybox" / "truth.json"))
    assert len(result.annotators) == 2
    for other in (result.original, result.majority, *result.annotators.values()):
        assert result.refined.f1 > other.f1 + 0.01


def test_the_demo_ends_in_jupyterlab_with_colleagues_at_work_and_ctrl_c_ends_all_of_it(
    headless: str, demo_dir: Path
) -> None:
    command = ["demo", "--dir", str(demo_dir), "--scenes", str(N_SCENES), "--no-browser"]
    log = demo_dir / "out.log"
    with log.open("w") as sink:
        running = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *command],
            stdout=sink,
            stderr=sink,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in a shell's background ignore it
        )
    try:
        url = _wait_for(
            running, log, r"Annotate at (http://127\.0\.0\.1:\d+)/voila/render/annotate_you\.ipynb\?token=(\w+)"
        )
        base, token = url.groups()
        request = Request(f"{base}/api/contents/annotate_you.ipynb", headers={"Authorization": f"token {token}"})
        with urlopen(request) as answer:
            notebook = json.load(answer)
        assert any("annotator = 'you'" in cell["source"] for cell in notebook["content"]["cells"])
        project = open_project(demo_dir / "running")
        colleagues = [LocalSession(project, name, Round.ANNOTATION) for name in ("robin", "sasha")]
        assert all(session.open().is_simulated for session in colleagues)
        you = LocalSession(project, "you").open()
        assert not you.is_simulated
        assert you.progress.n_tasks > 0
        deadline = time.monotonic() + 600
        while min(session.progress().n_done for session in colleagues) < 1:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert LocalSession(project, "you").progress().n_done == 0
        processes = _children(running.pid)
        assert len(processes) == 1
        running.send_signal(signal.SIGINT)
        assert running.wait(240) == 0
        assert "Stopped." in log.read_text()
        assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
    finally:
        if running.poll() is None:
            running.terminate()
            running.wait(240)


def test_a_second_demo_in_a_folder_at_work_is_refused(demo_dir: Path, headless: str) -> None:
    import fcntl

    with (demo_dir / ".demo.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", "demo", "--headless", "--dir", str(demo_dir)],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert "another demo is at work there" in done.stderr


def _wait_for(running: subprocess.Popen[bytes], log: Path, pattern: str) -> re.Match[str]:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text())
        if found:
            return found
        assert running.poll() is None, log.read_text()[-3000:]
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


def _children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
