"""What lies in deploy/: as far as a machine without a cluster can check it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import httpx
import kubernetes_validate
import pytest
import yaml
from fastapi.testclient import TestClient
from serving import StubHub, free_port, make_project, wait_until
from traitlets.config import Config

from pipeline.hub.accounts import Role
from pipeline.hub.interpreter import session_interpreter
from pipeline.hub.spawner import _LANDING
from pipeline.service.app import create_app

DEPLOY = Path(__file__).parents[2] / "deploy"
VALUES = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
MANIFESTS = [
    document
    for name in ("service.yaml", "postgresql.yaml")
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())
]

VALUES_ACCOUNT = 10_001


def manifest(kind: str, name: str) -> dict:
    return next(d for d in MANIFESTS if d["kind"] == kind and d["metadata"]["name"] == name)


def container(kind: str, name: str) -> dict:
    return manifest(kind, name)["spec"]["template"]["spec"]["containers"][0]


def test_every_manifest_names_its_kind_and_selects_its_own_pods() -> None:
    for document in MANIFESTS:
        assert {"apiVersion", "kind", "metadata", "spec"} <= set(document)
    for kind, name in (("Deployment", "mlf-service"), ("StatefulSet", "mlf-postgresql")):
        spec = manifest(kind, name)["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        assert manifest("Service", name)["spec"]["selector"] == spec["selector"]["matchLabels"]


def test_only_the_service_has_the_project_and_reaches_the_database() -> None:
    ingress = manifest("NetworkPolicy", "mlf-postgresql")["spec"]["ingress"]
    assert [rule["from"] for rule in ingress] == [[{"podSelector": {"matchLabels": {"app": "mlf-service"}}}]]
    assert VALUES["singleuser"]["storage"]["type"] == "none"
    assert set(VALUES["singleuser"]["extraEnv"]) == {"MLF_SERVICE_URL", "OMP_NUM_THREADS"}
    policy = VALUES["singleuser"]["networkPolicy"]
    assert policy["enabled"]
    assert not policy["egressAllowRules"]["privateIPs"]


def test_a_store_in_trouble_takes_no_pod_away(tmp_path: Path) -> None:
    # A pod that is not ready gets no requests, so no save could ever tell that the store is well again.
    app = create_app(make_project(tmp_path), SimpleNamespace())  # type: ignore[arg-type]
    app.state.service.last_write = "failed"
    service = container("Deployment", "mlf-service")
    with TestClient(app) as client:
        assert client.get("/services/mlf/health").status_code == 503
        for probe in ("readinessProbe", "livenessProbe"):
            assert client.get(service[probe]["httpGet"]["path"]).status_code == 200


def test_hub_and_service_agree_on_names_ports_and_scopes() -> None:
    service = container("Deployment", "mlf-service")
    environment = {entry["name"]: entry for entry in service["env"]}
    port = service["ports"][0]["containerPort"]
    assert VALUES["hub"]["services"]["mlf"]["url"] == f"http://mlf-service:{port}"
    assert VALUES["singleuser"]["extraEnv"]["MLF_SERVICE_URL"] == f"http://mlf-service:{port}/services/mlf"
    assert environment["JUPYTERHUB_SERVICE_URL"]["value"].endswith(f":{port}")
    assert environment["JUPYTERHUB_API_TOKEN"]["valueFrom"]["secretKeyRef"]["key"] == "hub.services.mlf.apiToken"
    role = VALUES["hub"]["loadRoles"]["mlf-people"]
    assert set(role["groups"]) == {group.value for group in Role}
    assert role["scopes"] == ["access:services!service=mlf"]
    assert role["scopes"][0] in VALUES["hub"]["config"]["Spawner"]["server_token_scopes"]


@pytest.mark.parametrize("document", MANIFESTS, ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_every_manifest_is_what_kubernetes_takes(document: dict, version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("role", [Role.ANNOTATORS, Role.REFINERS, Role.RESEARCHERS, Role.REVIEWERS])
def test_the_configuration_in_the_values_lands_everyone_where_one_machine_does(role: Role) -> None:
    from tornado.web import HTTPError

    config = Config()
    for text in VALUES["hub"]["extraConfig"].values():
        exec(text, {"c": config})
    user = SimpleNamespace(groups=[SimpleNamespace(name=role.value)])
    spawner = SimpleNamespace(user=user, environment={}, default_url="")
    page = next((page for known, page in _LANDING if known is role), None)
    if page is None:
        with pytest.raises(HTTPError, match="reports"):
            config.Spawner.pre_spawn_hook(spawner)
        assert config.JupyterHub.default_url(SimpleNamespace(current_user=user)) == "/services/mlf/reports"
        return
    config.Spawner.pre_spawn_hook(spawner)
    assert spawner.default_url == (page if page.startswith("/") else f"/voila/render/{page}")
    assert spawner.environment["MLF_ROUND"] == ("refinement" if role is Role.REFINERS else "annotation")


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
            wait_until(is_ready, 60, lambda: (folder / "log").read_text()[-2000:])
            me = httpx.get(
                f"http://127.0.0.1:{port}/services/mlf/api/me",
                headers={"Authorization": "token token-ann"},
                trust_env=False,
            )
            assert me.json()["name"] == "ann"
        finally:
            process.terminate()
            process.wait(timeout=30)
            log.close()
            shutil.rmtree(folder)


def _python(folder: Path) -> str:
    return session_interpreter(folder / "python") if os.geteuid() == 0 else sys.executable


@pytest.mark.parametrize("section", sorted({*VALUES["hub"], *VALUES["singleuser"]}))
def test_every_setting_is_explained(section: str) -> None:
    assert f"`{section}" in (DEPLOY / "README.md").read_text() or f".{section}" in (DEPLOY / "README.md").read_text()


def test_the_service_runs_under_the_account_that_the_tests_use() -> None:
    pod = manifest("Deployment", "mlf-service")["spec"]["template"]["spec"]["securityContext"]
    assert (pod["runAsUser"], pod["runAsNonRoot"]) == (VALUES_ACCOUNT, True)
