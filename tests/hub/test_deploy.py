"""What is in deploy/, as far as a machine without a cluster can check it."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from deployed import DEPLOY, VALUES, container, manifest
from dockerspawner import DockerSpawner
from hub_fixtures import fetch
from jupyterhub.app import JupyterHub
from jupyterhub.spawner import Spawner
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner
from serving import StubHub, free_port, make_project, wait_until
from systemdspawner import SystemdSpawner
from traitlets.config import Config

from pipeline.hub.accounts import Role
from pipeline.hub.interpreter import server_interpreter
from pipeline.hub.landing import find_landing, land
from pipeline.hub.launch import prepare_hub
from pipeline.runs.appearance import TEMPLATE

VALUES_ACCOUNT = 10_001


def hub_of_the_values() -> Config:
    """Return what the chart makes of our values, as far as sessions are concerned."""
    session = VALUES["singleuser"]
    config = Config()
    config.KubeSpawner.image = f"{session['image']['name']}:{session['image']['tag']}"
    config.KubeSpawner.environment = session["extraEnv"]
    config.KubeSpawner.uid = 1000  # the chart's default, where the values say nothing
    for kind, place in (("mem", "memory"), ("cpu", "cpu")):
        config.KubeSpawner[f"{kind}_limit"] = session[place]["limit"]
        config.KubeSpawner[f"{kind}_guarantee"] = session[place]["guarantee"]
    config.KubeSpawner.start_timeout = session["startTimeout"]
    config.Spawner.cmd = session["cmd"]
    for name, section in VALUES["hub"]["config"].items():
        config[name].update(section)
    for text in VALUES["hub"]["extraConfig"].values():
        exec(text, {"c": config})
    return config


def person(role: Role) -> SimpleNamespace:
    name = pwd.getpwuid(os.geteuid()).pw_name
    return SimpleNamespace(name=name, id=7, url=f"/user/{name}/", groups=[SimpleNamespace(name=role.value)])


HUB = SimpleNamespace(api_url="http://hub:8081/hub/api", base_url="/hub/", public_host="", url="http://hub:8081/hub/")


@pytest.mark.parametrize("role", [Role.ANNOTATORS, Role.REFINERS, Role.RESEARCHERS])
def test_the_pod_of_a_session_opens_with_what_one_machine_opens_with(
    role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # KubeSpawner needs a cluster's address before it makes anything; it never calls this one.
    none = {"name": "none"}
    cluster = {"clusters": [none | {"cluster": {"server": "http://127.0.0.1:9"}}], "users": [none | {"user": {}}]}
    cluster |= {"contexts": [none | {"context": {"cluster": "none", "user": "none"}}], "current-context": "none"}
    (tmp_path / "config").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config"} | cluster))
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    landing = find_landing({role})
    assert landing is not None

    async def make_pod() -> dict:
        spawner = KubeSpawner(config=hub_of_the_values(), user=person(role), hub=HUB)
        spawner.run_pre_spawn_hook()
        async with ApiClient() as client:
            return client.sanitize_for_serialization(await spawner.get_pod_manifest())

    pod = asyncio.run(make_pod())
    kubernetes_validate.validate(pod, "1.33", strict=True)
    [session] = pod["spec"]["containers"]
    assert session["args"] == ["jupyterhub-singleuser", *landing.arguments]
    environment = {entry["name"]: entry["value"] for entry in session["env"]}
    assert environment["JUPYTERHUB_DEFAULT_URL"] == landing.url
    assert VALUES["singleuser"]["extraEnv"].items() <= environment.items()
    assert landing.environment.items() <= environment.items()
    assert ("JUPYTERHUB_SINGLEUSER_APP" in environment) == ("JUPYTERHUB_SINGLEUSER_APP" in landing.environment)
    assert environment.get("JUPYTERHUB_ROOT_DIR") == (None if landing.is_laboratory else "/srv/notebooks")
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["volumes"] == []
    assert session["resources"]["limits"].keys() == {"cpu", "memory"}


def test_reviewers_get_no_pod_and_land_on_the_reports() -> None:
    from tornado.web import HTTPError

    config = hub_of_the_values()
    spawner = SimpleNamespace(user=person(Role.REVIEWERS), environment={})
    with pytest.raises(HTTPError, match="reports"):
        config.Spawner.pre_spawn_hook(spawner)
    with pytest.raises(HTTPError, match="reports"):
        land(spawner, notebooks_dir="")
    landing_url = config.JupyterHub.default_url
    assert landing_url(SimpleNamespace(current_user=spawner.user)) == "/services/mlf/"
    assert landing_url(SimpleNamespace(current_user=person(Role.ANNOTATORS))) == ""


def test_the_image_holds_what_its_sessions_are_told_to_open(tmp_path: Path) -> None:
    dockerfile = (DEPLOY / "kubernetes" / "Dockerfile").read_text()
    for folder in ("jupyter", "notebooks"):
        (tmp_path / folder).mkdir()
    commands = re.findall(r'python -c "(.+?)"', dockerfile)
    assert len(commands) == 2
    for command in commands:
        environment = os.environ | {"PYTHONPATH": str(DEPLOY.parent)}
        subprocess.run([sys.executable, "-c", command], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "jupyter" / "voila" / "templates" / TEMPLATE / "index.html.j2").is_file()
    assert "ENV JUPYTER_PATH=/srv/jupyter JUPYTER_CONFIG_PATH=/srv/jupyter" in dockerfile
    for page in ("2_annotate.ipynb", "4_refine.ipynb", *re.findall(r"notebooks/(\w+\.ipynb)", dockerfile)):
        assert (tmp_path / "notebooks" / page).is_file()
    [image] = {container("Deployment", "mlf-service")["image"], manifest_pod_image()}
    assert image == "{name}:{tag}".format(**VALUES["singleuser"]["image"])


def manifest_pod_image() -> str:
    return manifest("Pod", "mlf-preparation")["spec"]["containers"][0]["image"]


def test_chart_and_image_have_one_jupyterhub() -> None:
    values = (DEPLOY / "kubernetes" / "values.yaml").read_text()
    readme = (DEPLOY / "README.md").read_text()
    chart, jupyterhub = re.search(r"chart jupyterhub/jupyterhub (\S+), with JupyterHub (\S+)\)", values).groups()
    assert f"--version {chart} " in values
    assert f"ARG JUPYTERHUB_VERSION={jupyterhub}\n" in (DEPLOY / "kubernetes" / "Dockerfile").read_text()
    assert f"Chart {chart} has JupyterHub {jupyterhub}," in readme


@pytest.fixture
def hub_of_the_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a configuration: that of one machine, then the code of a section of the notes."""
    state = tmp_path / "hub"
    prepare_hub(
        make_project(tmp_path),
        {"ann": [Role.ANNOTATORS]},
        state=state,
        proxy_command=["configurable-http-proxy"],
        session_python=sys.executable,
        share_account=True,
    )
    monkeypatch.setenv("MLF_HUB_STATE", str(state))

    def configuration(title: str) -> tuple[Config, dict]:
        section = (DEPLOY / "README.md").read_text().split(f"### {title}\n")[1].split("\n## ")[0]
        [code] = re.findall(r"```python\n(.*?)```", section.split("\n### ")[0], re.DOTALL)
        config = Config()
        exec((state / "jupyterhub_config.py").read_text() + code, {"get_config": lambda: config})
        return config, json.loads((state / "private" / "hub.json").read_text())

    yield configuration
    shutil.rmtree(json.loads((state / "private" / "hub.json").read_text())["sockets_dir"], ignore_errors=True)


@pytest.mark.parametrize("cls", [DockerSpawner, SystemdSpawner])
def test_the_notes_name_settings_that_exist(cls: type, hub_of_the_notes: Any) -> None:
    config, _hub = hub_of_the_notes(cls.__name__)
    assert config[cls.__name__].keys() <= set(cls.class_trait_names(config=True))
    assert config.Spawner.keys() <= set(Spawner.class_trait_names(config=True))
    assert config.JupyterHub.keys() <= set(JupyterHub.class_trait_names(config=True))
    assert JupyterHub(config=config).spawner_class is cls


@pytest.mark.parametrize("role", [Role.ANNOTATORS, Role.RESEARCHERS])
def test_a_container_gets_its_own_python_its_page_and_nothing_of_this_machine(
    role: Role, hub_of_the_notes: Any
) -> None:
    config, hub = hub_of_the_notes("DockerSpawner")
    landing = find_landing({role})
    assert landing is not None
    spawner = DockerSpawner(config=config, user=person(role), hub=HUB)
    spawner.run_pre_spawn_hook()
    assert asyncio.run(spawner.get_command()) == ["jupyterhub-singleuser", *landing.arguments]
    environment = spawner.get_env()
    assert "PATH" not in environment
    assert environment["MLF_SERVICE_URL"] == f"http://172.30.0.1:8010{hub['base_url']}services/mlf"
    assert environment.get("JUPYTERHUB_ROOT_DIR") == (None if landing.is_laboratory else "/srv/notebooks")
    assert landing.environment.items() <= environment.items()
    application = JupyterHub(config=config)
    assert application.hub_bind_url == "http://172.30.0.1:8081"
    service = application.services[0]
    assert environment["MLF_SERVICE_URL"] == f"{service['url']}{hub['base_url']}services/mlf"


@pytest.mark.parametrize("role", [Role.ANNOTATORS, Role.RESEARCHERS])
def test_a_unit_gets_its_page_and_its_limits(
    role: Role, hub_of_the_notes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stand-ins for systemd's commands, which record what they are asked for.
    programs, asked = tmp_path / "programs", tmp_path / "asked"
    programs.mkdir()
    for name, text in (
        ("systemd-run", f'printf "%s\\n" "$@" > {asked}'),
        ("systemctl", f"[ $1 = --version ] && echo systemd 252 || test -e {asked}"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    config, hub = hub_of_the_notes("SystemdSpawner")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("systemdspawner.systemd.RUN_ROOT", str(tmp_path))
    landing = find_landing({role})
    assert landing is not None
    spawner = SystemdSpawner(config=config, user=person(role), hub=HUB)

    async def start() -> None:
        spawner.run_pre_spawn_hook()
        await spawner.start()

    asyncio.run(start())
    said = asked.read_text()
    for limit in ("MemoryMax=", "CPUQuota=100%", "PrivateTmp=yes", "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert limit in said
    assert "InaccessiblePaths=/data/birds" in said
    assert f"ReadWriteDirectories=/home/{spawner.user.name}" in said
    assert hub["session_python"] in said
    for argument in landing.arguments:
        assert argument in said
    environment = spawner.get_env()
    assert hub["session_environment"].items() <= environment.items()
    assert landing.environment.items() <= environment.items()
    assert environment.get("JUPYTERHUB_ROOT_DIR") == (
        None if landing.is_laboratory else str(tmp_path / "hub/notebooks")
    )


def test_the_containers_command_and_environment_run_the_service_as_nobody_in_particular() -> None:
    service = container("Deployment", "mlf-service")
    program, *arguments, _project = service["command"]
    assert program == "mlf"
    environment = {e["name"]: e.get("value", "token-of-the-service") for e in service["env"]}
    del environment["PGPASSWORD"]
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="mlf-deploy-"))  # pytest's own folders are closed to other accounts
    with StubHub() as hub:
        environment |= {
            "JUPYTERHUB_API_URL": hub.api_url,
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
            "PYTHONPATH": str(DEPLOY.parent),
            "PATH": os.environ["PATH"],
        }
        project = make_project(folder)
        account = None
        if os.geteuid() == 0:
            account = VALUES_ACCOUNT
            for path in (folder, *folder.rglob("*")):
                os.chown(path, account, account)
        run = f"import sys; sys.argv[0] = {program!r}; from pipeline.cli import main; main()"
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [_python(folder), "-c", run, *arguments, str(project.root)],
            env=environment,
            user=account,
            extra_groups=None if account is None else [],
            stdout=log,
            stderr=log,
        )
        probe = service["readinessProbe"]["httpGet"]

        def is_ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}{probe['path']}", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_until(is_ready, 180, lambda: (folder / "log").read_text()[-2000:])
            me = fetch(
                f"http://127.0.0.1:{port}/services/mlf/api/me",
                headers={"Authorization": "token token-ann"},
                trust_env=False,
            )
            assert me.json()["name"] == "ann"
        finally:
            process.terminate()
            process.wait(timeout=90)
            log.close()
            shutil.rmtree(folder)


def _python(folder: Path) -> str:
    return server_interpreter(folder / "python") if os.geteuid() == 0 else sys.executable


@pytest.mark.parametrize("section", sorted({*VALUES["hub"], *VALUES["proxy"], *VALUES["singleuser"]}))
def test_every_setting_is_explained(section: str) -> None:
    assert f"`{section}" in (DEPLOY / "README.md").read_text() or f".{section}" in (DEPLOY / "README.md").read_text()


def test_the_service_runs_under_the_account_that_the_tests_use() -> None:
    pod = manifest("Deployment", "mlf-service")["spec"]["template"]["spec"]["securityContext"]
    assert (pod["runAsUser"], pod["runAsNonRoot"]) == (VALUES_ACCOUNT, True)
