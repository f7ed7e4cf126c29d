"""A run that is killed at random again and again ends in the tables of a run that nobody disturbed, byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from pipeline.inference.parts import PartialTable
from pipeline.project.folder import Project
from pipeline.stages.propose import propose

N_KILLS = int(os.environ.get("MLF_SOAK_KILLS", "50")) if os.environ.get("MLF_SOAK") else 4
SEED = int(os.environ.get("MLF_SOAK_SEED", "2026"))

#: One process loads torch; each run is a fork of it, which the kernel ends between any two instructions once its alarm
#: rings, as a kill does. Alarms are drawn up to the time that the undisturbed run took.
_RUNS = """
import os, random, shutil, signal, sys, time
from pathlib import Path
import pipeline.inference.filling as filling
import pipeline.inference.classifier, pipeline.inference.loading, pipeline.inference.ranking
from pipeline.project.folder import open_project
from pipeline.stages.propose import propose
fresh, whole, cut = map(Path, sys.argv[1:4])
checkpoints, n_kills, draw = sys.argv[6:], int(sys.argv[4]), random.Random(int(sys.argv[5]))
filling.PART_SECONDS = 0.0

def run(root, alarm_s=0.0):
    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_REAL, alarm_s)
        propose(open_project(root), checkpoint=checkpoints, batch_size=4, device="cpu", precision="bfloat16")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM, status
    return status == 0

begin = time.monotonic()
assert run(whole)
longest_s, kills, ends = time.monotonic() - begin, 0, 0
while kills < n_kills:
    if run(cut, draw.uniform(1e-3, longest_s)):
        ends += 1
        shutil.move(cut, f"{cut}-{ends}")
        shutil.copytree(fresh, cut)
    else:
        kills += 1
assert run(cut)
print(kills, ends)
"""

#: Holds the parts of a table as a run does, until it is told to end.
_AT_WORK = """
import fcntl, os, sys
lock = os.open(sys.argv[1] + "/lock", os.O_RDWR)
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.parent.name != "runs"
    }


def test_whenever_it_is_killed_the_tables_are_the_same_to_the_byte(
    make_project: Callable[..., Project], checkpoint: Path, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    fresh = make_project(40, name="fresh").root
    (tmp_path / "images" / "class_07" / "7.png").write_bytes(b"no picture")
    other = tmp_path / "other.pth"
    described = json.loads(checkpoint.with_suffix(".json").read_text())
    torch.manual_seed(2)
    torch.save(timm.create_model("test_efficientnet", num_classes=described["num_classes"]).state_dict(), other)
    other.with_suffix(".json").write_text(json.dumps({**described, "architecture": "test_efficientnet"}))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        shutil.copytree(fresh, folder)
    command = [sys.executable, "-c", _RUNS, *map(str, (fresh, whole, cut, N_KILLS, SEED, checkpoint, other))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    n_kills, n_ends = map(int, run.stdout.split())
    record_property("kills", n_kills)
    assert n_kills == N_KILLS
    wanted = digests(whole)
    assert {"proposals.parquet", "predictions/small.parquet", "predictions/other.parquet"} < wanted.keys()
    for folder in (cut, *(tmp_path / f"cut-{number + 1}" for number in range(n_ends))):
        assert digests(folder) == wanted


def test_what_a_run_left_that_ended_with_its_table_whole_is_cleared_but_not_that_of_a_run_at_work(
    make_project: Callable[..., Project], checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(8, name="fresh")
    options: dict[str, Any] = {"checkpoint": checkpoint, "batch_size": 4, "device": "cpu", "precision": "float32"}
    with monkeypatch.context() as ended:
        ended.setattr(PartialTable, "discard", lambda _parts: sys.exit(1))
        with pytest.raises(SystemExit):
            propose(project, **options)
    left = project.root / "predictions" / "small.partial"
    assert list(left.glob("part-*"))
    assert (left.parent / "small.parquet").exists()
    at_work = subprocess.Popen(
        [sys.executable, "-c", _AT_WORK, str(left)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert at_work.stdin is not None
    assert at_work.stdout is not None
    at_work.stdout.readline()
    propose(project, **options)
    assert list(left.glob("part-*"))
    at_work.communicate("end\n")
    propose(project, **options)
    assert not left.exists()
