"""`.ci/audit`: a known hole fails it, and a part without an answer is reported as not audited."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOLE = {"name": "left-pad", "version": "1.0", "vulns": [{"id": "CVE-1"}]}
SOUND = {"name": "right-pad", "version": "2.0", "vulns": []}
UNKNOWN = {"name": "mine", "skip_reason": "not found"}
NPM_SOUND = {"metadata": {}, "vulnerabilities": {}}
NPM_HOLE = {"metadata": {}, "vulnerabilities": {"left-pad": {"severity": "high"}}}


@pytest.mark.parametrize(
    ("python", "node", "code", "words"),
    [
        ({"dependencies": [SOUND, UNKNOWN]}, NPM_SOUND, 0, ["1 of 2 packages, 0 known holes", "frontend: 0 known"]),
        ({"dependencies": [SOUND, HOLE]}, NPM_SOUND, 1, ["known hole: left-pad 1.0: CVE-1"]),
        ({"dependencies": [SOUND]}, NPM_HOLE, 1, ["known hole: left-pad: high"]),
        ({"dependencies": [UNKNOWN]}, {"message": "405"}, 0, ["Python: not audited", "frontend: not audited"]),
        ("Traceback", "no JSON", 0, ["Python: not audited", "frontend: not audited"]),
    ],
)
def test_what_is_known_is_told(root: Path, tmp_path: Path, python: object, node: object, code: int, words: list[str]):
    project = tmp_path / "project"
    for folder in (".ci", ".venv/bin", "mlf_widgets/frontend", "deploy/jupyterhub", "programs"):
        (project / folder).mkdir(parents=True)
    shutil.copy(root / ".ci" / "audit", project / ".ci" / "audit")
    for path, report in ((".venv/bin/pip-audit", python), ("programs/npm", node)):
        text = report if isinstance(report, str) else json.dumps(report)
        (project / path).write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\nexit 1\n")
        (project / path).chmod(0o755)
    run = subprocess.run(
        [sys.executable, str(project / ".ci" / "audit")],
        env={"PATH": f"{project / 'programs'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout + run.stderr
    assert [word for word in words if word not in run.stdout] == []
