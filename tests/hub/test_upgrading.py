"""From an earlier version's project and hub to today's, and back, as `docs/operating.md` says."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_fixtures import SOURCE_ROOT
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.hub.accounts import Role, make_account, read_accounts
from pipeline.project.folder import open_project
from pipeline.project.settings import FORMAT_VERSION
from pipeline.store import open_project_store

EARLIER_CONFIG = Path(__file__).with_name("earlier_jupyterhub_config.txt")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """Return a folder with a project of the first format, twelve votes in it, and the folder of its hub."""
    with zipfile.ZipFile(SOURCE_ROOT / "tests" / "changing" / "project_of_format_1.zip") as packed:
        packed.extractall(tmp_path / "birds")
    private = tmp_path / "hub" / "private"
    private.mkdir(parents=True)
    shutil.copyfile(EARLIER_CONFIG, tmp_path / "hub" / "jupyterhub_config.py")
    account, _ = make_account("ada", [Role.ANNOTATORS], [])
    row = {"name": "ada", "roles": ["annotators"], "uid": account.uid, "salt": account.salt}
    (private / "accounts.json").write_text(json.dumps({"accounts": [row | {"hash": account.password_hash}]}))
    (private / "accounts.json").chmod(0o600)
    (private / "hub.json").write_text(json.dumps({"port": 8000, "host": ""}))
    return tmp_path


def n_events(project: Path) -> int:
    with open_project_store(open_project(project)) as store:
        return len(list(store.iter_events()))


def test_an_earlier_project_and_hub_go_forward_and_back(earlier: Path, start: Callable[..., Result]) -> None:
    birds, state = earlier / "birds", earlier / "hub"
    before = {path.name: path.read_bytes() for path in birds.iterdir() if path.is_file()}
    old_account = read_accounts(state / "private" / "accounts.json")["ada"]
    upgraded = CliRunner().invoke(app, ["project", "upgrade", str(birds), "--backup", str(earlier / "as-it-was")])
    assert upgraded.exit_code == 0, upgraded.output
    assert open_project(birds).settings.project.format_version == FORMAT_VERSION
    told = start(open_project(birds), state, "--share-account")
    assert told.exit_code == 0, told.output
    assert read_accounts(state / "private" / "accounts.json")["ada"].password_hash == old_account.password_hash
    assert "configure(c)" in (state / "jupyterhub_config.py").read_text()
    path = json.loads((state / "private" / "hub.json").read_text())["base_url"]
    assert f"{path}   (Ctrl-C" in told.output
    start(open_project(birds), state, "--share-account")
    assert json.loads((state / "private" / "hub.json").read_text())["base_url"] == path, "addresses stay"
    assert n_events(birds) == 12

    birds.rename(earlier / "birds-upgraded")
    shutil.copytree(earlier / "as-it-was", birds)
    same = {name for name, content in before.items() if (birds / name).read_bytes() == content}
    assert before.keys() - same <= {"store.sqlite"}, "SQLite's own copy of the store may differ in its bytes alone"
    rows = json.loads((state / "private" / "accounts.json").read_text())["accounts"]
    read_by_earlier = {"name", "roles", "uid", "salt", "hash"}
    assert all(read_by_earlier <= row.keys() for row in rows)
    assert n_events(birds) == 12


def test_a_configuration_that_somebody_changed_is_not_replaced(earlier: Path, start: Callable[..., Result]) -> None:
    config = earlier / "hub" / "jupyterhub_config.py"
    changed = config.read_text() + "\nc.Spawner.poll_interval = 3\n"
    config.write_text(changed)
    told = start(open_project(earlier / "birds"), earlier / "hub", "--share-account")
    assert told.exit_code == 2
    assert "is of an earlier version and was changed; move it away" in " ".join(told.output.split())
    assert config.read_text() == changed
