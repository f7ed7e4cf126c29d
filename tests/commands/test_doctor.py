"""`mlf doctor`: it finds what is missing or broken, says how to mend it, and changes nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pipeline.doctor.machine as machine
from pipeline.cli import app
from pipeline.datasets.create import init_project
from pipeline.doctor import look_at_project
from pipeline.project.folder import Project
from pipeline.stages.assign import assign_project
from pipeline.toybox import write_toybox


@pytest.fixture
def project(tmp_path: Path) -> Project:
    box = write_toybox(tmp_path / "box", seed=1, n_scenes=3, n_reference=1)
    made = init_project(tmp_path / "birds", box.scenes_csv, box.classes, box.reference)
    assign_project(made, ["ada", "ben"], 2)
    return made


def looked_at(project: Project) -> dict[str, Any]:
    return {finding.subject: finding for finding in look_at_project(project.root)}


def test_a_machine_and_a_project_that_are_well(project: Project) -> None:
    done = CliRunner().invoke(app, ["doctor", str(project.root), "--json"])
    assert done.exit_code == 0, done.output
    found = {each["subject"]: each for each in json.loads(done.stdout)["result"]}
    assert {"Python", "packages", "[hub]", "widgets", "GPU", "browser", "Node.js", "permissions", "store"} <= set(found)
    assert found["packages"]["state"] == found["widgets"]["state"] == found["store"]["state"] == "fine"
    assert all(each["mend"] for each in found.values() if each["state"] == "broken")
    assert {each["subject"] for each in found.values()} == {
        line[6:].split("  ")[0] for line in done.stderr.splitlines() if line[:4] in ("  ok", "  --")
    }


def test_what_is_missing_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(machine, "_is_installed", lambda name: name not in {"jupyterhub", "pandas"})
    found = {finding.subject: finding for finding in (*machine._packages(), *machine._hub())}
    assert (found["packages"].state, found["packages"].told) == ("broken", "missing: pandas")
    assert (found["[hub]"].state, found["[hub]"].mend) == ("missing", 'pip install "multilabelfy[hub]"')
    assert found["[heic]"].state == "fine"
    assert found["Node.js"].state == "missing"


def test_a_pytorch_that_cannot_be_loaded_is_one_finding_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.inference.hardware", None)
    (found,) = machine._models()
    assert (found.subject, found.state) == ("PyTorch", "broken")
    assert "hardware" in found.told


def test_links_that_lead_nowhere_are_no_places_without_rights(project: Project) -> None:
    (project.root / "gone").symlink_to(project.root / "nowhere")
    assert looked_at(project)["permissions"].state == "fine"


def test_a_store_that_is_no_database_is_found(project: Project) -> None:
    (project.root / "store.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 200)
    done = CliRunner().invoke(app, ["doctor", str(project.root), "--json"])
    assert done.exit_code == 2
    whole = json.loads(done.stdout)
    assert whole["error"]["message"] == "1 thing to mend (marked !! above)"
    [broken] = [each for each in whole["result"] if each["state"] == "broken"]
    assert (broken["subject"], "mlf store verify" in broken["mend"]) == ("store", True)


def test_a_history_that_was_tampered_with_and_a_lost_settings_file_are_found(project: Project) -> None:
    (project.root / "history.jsonl").write_text('{"number": 1}\n')
    assert looked_at(project)["project"].state == "broken"
    (project.root / "mlf.toml").unlink()
    assert looked_at(project)["project"].state == "broken"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_files_that_are_not_ones_own_are_found(project: Project) -> None:
    (project.root / "mlf.toml").chmod(0o400)
    assert looked_at(project)["permissions"].state == "broken"


def test_another_accounts_files_are_found_from_that_account(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root every file is open, so the answer of the system is taken from the modes."""
    (project.root / "mlf.toml").chmod(0o000)

    def by_mode(path: os.PathLike[str], wanted: int) -> bool:
        return bool(Path(path).stat().st_mode & 0o400) or wanted == os.F_OK

    monkeypatch.setattr("pipeline.doctor.project.os.access", by_mode)
    found = next(each for each in look_at_project(project.root) if each.subject == "permissions")
    assert (found.state, "mlf.toml" in found.told, "chown" in found.mend) == ("broken", True, True)


def test_nothing_is_changed(project: Project) -> None:
    def contents() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in sorted(project.root.rglob("*"))
            if path.is_file() and path.suffix not in {".sqlite-wal", ".sqlite-shm"}
        }

    before = contents()
    looked_at(project)
    assert contents() == before
