"""What lies in deploy/: as far as a machine without a cluster can check it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from pipeline.hub.accounts import Role

DEPLOY = Path(__file__).parents[2] / "deploy"
VALUES = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
MANIFESTS = [
    document
    for name in ("service.yaml", "postgresql.yaml")
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())
]


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


def test_the_configuration_in_the_values_is_python() -> None:
    for text in VALUES["hub"]["extraConfig"].values():
        ast.parse(text)


def test_the_containers_command_is_one_that_this_package_has() -> None:
    program, command, _project = container("Deployment", "mlf-service")["command"]
    assert program == "mlf"
    assert (DEPLOY.parent / "pipeline" / "commands" / f"{command}.py").exists()


@pytest.mark.parametrize("section", sorted({*VALUES["hub"], *VALUES["singleuser"]}))
def test_every_setting_is_explained(section: str) -> None:
    assert f"`{section}" in (DEPLOY / "README.md").read_text() or f".{section}" in (DEPLOY / "README.md").read_text()
