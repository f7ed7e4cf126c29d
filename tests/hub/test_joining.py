"""A JupyterHub of somebody else's configuration, with the lines that `mlf hub --print-config` prints."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import pytest
import yaml
from hub_fixtures import SOURCE_ROOT, fetch
from serving import free_port, make_project, wait_until
from traitlets.config import Config
from typer.testing import CliRunner

from pipeline.cli import app

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]

#: What that hub has of its own: other people, a service, a hook and a way to log in.
THEIRS = """
import os
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/jupyter/"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///{folder}/theirs.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "theirs"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.cmd = ["{python}", "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"]
c.JupyterHub.services = [{{"name": "theirs", "api_token": "0123456789abcdef0123456789abcdef"}}]
c.JupyterHub.load_roles = [{{"name": "theirs", "scopes": ["list:users"], "services": ["theirs"]}}]
c.JupyterHub.load_groups = {{"theirs": {{"users": ["gus"]}}}}
def their_hook(spawner):
    os.makedirs(spawner.home_dir, exist_ok=True)
    spawner.environment["THEIRS"] = "yes"
c.Spawner.pre_spawn_hook = their_hook
"""


@pytest.fixture(scope="module")
def theirs(annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    folder = hub_folder / "theirs"
    folder.mkdir(mode=0o711)
    project = hub_benchmark.make_project(folder, 4, ["ada", "ben"])
    project.reports_dir.mkdir(exist_ok=True)
    (project.reports_dir / "findings.html").write_text("<h1>the findings</h1>")
    printed = CliRunner().invoke(
        app,
        ["hub", str(project.root), "--print-config", "--reviewers", "tom", "--state", str(folder / "state")],
    )
    assert printed.exit_code == 0, printed.output
    port, service_port = free_port(), free_port()
    assert "8010" in printed.output
    config = folder / "jupyterhub_config.py"
    own = THEIRS.format(
        port=port, hub_port=free_port(), api_port=free_port(), folder=folder, proxy=proxy, python=sys.executable
    )
    config.write_text(own + printed.output.replace("8010", str(service_port)))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)], cwd=folder, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/jupyter/"
    try:
        wait_until(
            lambda: _status(f"{url}services/mlf/health") == 200, 180, lambda: (folder / "log").read_text()[-3000:]
        )
        passwords = dict.fromkeys(("ada", "ben", "gus", "tom"), "theirs")
        yield SimpleNamespace(url=url, passwords=passwords, project=project, log=folder / "log")
    finally:
        process.terminate()
        process.wait(90)


def _status(url: str) -> int:
    try:
        return httpx.get(url, verify=False).status_code  # plain HTTP: no certificates to read
    except httpx.TransportError:
        return 0


def test_annotators_land_on_their_images_there_and_their_votes_are_kept(
    theirs: SimpleNamespace, hub_benchmark: ModuleType
) -> None:
    ada = hub_benchmark.Person(theirs, "ada")
    ada.log_in()
    ada.start_session()
    landing = ada.client.get("user/ada/", follow_redirects=False).headers["location"]
    assert landing.split("?")[0] == "/jupyter/user/ada/voila/render/2_annotate.ipynb"
    assert ada.client.get("user/ada/lab").status_code == 404, "the session runs no code"
    report = asyncio.run(hub_benchmark.annotate(ada))
    assert len(report.acknowledged) == 4
    assert hub_benchmark.check_store(theirs.project, [report]) == []


def test_reviewers_land_on_the_reports_and_other_people_notice_nothing(
    theirs: SimpleNamespace, hub_benchmark: ModuleType
) -> None:
    tom = hub_benchmark.Person(theirs, "tom")
    assert "findings" in tom.log_in().text
    gus = hub_benchmark.Person(theirs, "gus")
    gus.log_in()
    gus.start_session()
    assert gus.client.get("user/gus/lab").status_code == 200
    code = "import os, json; print(json.dumps([os.environ.get(name) for name in ('THEIRS', 'MLF_SERVICE_URL')]))"
    assert asyncio.run(gus.run_in_kernel(gus.new_kernel(), code)).strip() == '["yes", null]'
    assert gus.client.get("services/mlf/reports").status_code == 403
    listed = fetch(f"{theirs.url}hub/api/users", headers={"Authorization": f"token {'0123456789abcdef' * 2}"})
    assert {user["name"] for user in listed.json()} >= {"ada", "gus"}, "their own service works as before"


def test_the_services_token_is_the_same_at_every_start_and_only_the_hub_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    printed = CliRunner().invoke(app, ["hub", str(project.root), "--print-config", "--state", str(tmp_path / "state")])
    assert printed.exit_code == 0, printed.output
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")

    def token_at_start() -> str:
        config = Config()
        exec(printed.output, {"c": config})
        services = Config(config).JupyterHub.services.get_value([])
        return str(next(service["api_token"] for service in services if service["name"] == "mlf"))

    first = token_at_start()
    assert token_at_start() == first
    kept = Path("mlf_service_token")
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (first, 0o600)
    assert first not in printed.output


def test_the_values_for_a_cluster_land_our_people_and_nobody_else(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    printed = CliRunner().invoke(app, ["hub", str(project.root), "--print-values", "--reviewers", "tom"])
    assert printed.exit_code == 0, printed.output
    values = yaml.safe_load(printed.output)
    ours = yaml.safe_load((SOURCE_ROOT / "deploy" / "kubernetes" / "values.yaml").read_text())
    assert values["hub"]["config"]["JupyterHub"]["load_groups"]["reviewers"] == {"users": ["tom"]}
    assert values["hub"]["config"]["JupyterHub"]["load_groups"]["annotators"] == {"users": ["ann", "ben"]}
    scopes = values["hub"].pop("config")["Spawner"]
    assert scopes == {"server_token_scopes": ours["hub"]["config"]["Spawner"]["server_token_scopes"]}
    for top, blocks in (
        ("hub", {"services", "loadRoles", "extraConfig", "networkPolicy"}),
        ("singleuser", {"image", "cmd", "extraEnv", "networkPolicy"}),
        ("proxy", {"chp"}),
    ):
        assert values.pop(top) == {block: ours[top][block] for block in blocks}
    assert values == {}
    config = Config()
    exec(ours["hub"]["extraConfig"]["10-mlf"], {"c": config})
    for groups, page in ((["annotators"], "/voila/render/2_annotate.ipynb"), (["theirs"], "/their/page")):
        user = SimpleNamespace(groups=[SimpleNamespace(name=name) for name in groups])
        spawner = SimpleNamespace(user=user, environment={}, default_url="/their/page")
        config.Spawner.pre_spawn_hook(spawner)
        assert spawner.default_url == page
