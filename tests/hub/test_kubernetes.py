"""The manifests and values for Kubernetes, as far as a machine without a cluster can check them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes_validate
import pytest
import yaml
from deployed import DEPLOY, MANIFESTS, VALUES, container, manifest
from fastapi.testclient import TestClient
from jupyterhub.app import JupyterHub
from jupyterhub.spawner import Spawner
from oauthenticator.generic import GenericOAuthenticator
from serving import make_project
from traitlets.config import Config

from pipeline.hub.accounts import Role
from pipeline.service.app import create_app


def test_every_manifest_names_its_kind_and_selects_its_own_pods() -> None:
    for document in MANIFESTS:
        assert {"apiVersion", "kind", "metadata", "spec"} <= set(document)
    for kind, name in (("Deployment", "mlf-service"), ("StatefulSet", "mlf-postgresql")):
        spec = manifest(kind, name)["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        assert manifest("Service", name)["spec"]["selector"] == spec["selector"]["matchLabels"]


def test_only_the_service_has_the_project_and_reaches_the_database() -> None:
    ingress = manifest("NetworkPolicy", "mlf-postgresql")["spec"]["ingress"]
    [admitted] = [peer["podSelector"]["matchLabels"] for rule in ingress for peer in rule["from"]]
    assert admitted.items() <= manifest("Deployment", "mlf-service")["spec"]["template"]["metadata"]["labels"].items()
    assert admitted.items() <= manifest("Pod", "mlf-preparation")["metadata"]["labels"].items()
    assert not admitted.items() & VALUES["singleuser"].get("extraLabels", {}).items()
    assert VALUES["singleuser"]["storage"]["type"] == "none"
    assert set(VALUES["singleuser"]["extraEnv"]) == {"MLF_SERVICE_URL", "JUPYTER_RUNTIME_DIR", "OMP_NUM_THREADS"}
    policy = VALUES["singleuser"]["networkPolicy"]
    assert policy["enabled"]
    assert not policy["egressAllowRules"]["privateIPs"]


def test_a_store_in_trouble_takes_no_pod_away(tmp_path: Path) -> None:
    # A pod that is not ready gets no requests, so no save could ever show that the store works again.
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
    roles = VALUES["hub"]["loadRoles"]
    assert [name for name, role in roles.items() if "tokens!user" in role["scopes"]] == ["mlf-researchers"]
    role = roles["mlf-people"]
    assert set(role["groups"]) == {group.value for group in Role}
    assert role["scopes"] == ["access:services!service=mlf"]
    assert role["scopes"][0] in VALUES["hub"]["config"]["Spawner"]["server_token_scopes"]


def data_files() -> set[str]:
    """Return the manifests whose deletion would delete data."""
    files = {}
    for path in (DEPLOY / "kubernetes").glob("*.yaml"):
        files[path.name] = [document for document in yaml.safe_load_all(path.read_text()) if "kind" in document]
    return {
        name
        for name, documents in files.items()
        if any(d["kind"] == "PersistentVolumeClaim" or "volumeClaimTemplates" in d["spec"] for d in documents)
    }


def deletions(text: str) -> list[str]:
    """Return what each `kubectl ... delete` in a text would delete."""
    text = re.sub(r"(?<!`)`(?!`)[^`]+`", lambda span: span[0].replace("\n", " "), text)  # a span may run over two lines
    text = re.sub(r"\\\n#?", " ", text)
    return re.findall(r"\bkubectl\b[^\n&;|`]*?\sdelete\s([^\n&;|`]*)", text)


def deletes_data(what: str) -> bool:
    files = re.findall(r"(?:^|\s)(?:-f|-k|--filename|--kustomize)[\s=]*(\S+)", what)
    kinds = {word.partition("/")[0] for words in what.split() for word in words.split(",")}
    return (
        any(not file.endswith(".yaml") or Path(file).name in data_files() for file in files)
        or bool(kinds & {"pvc", "persistentvolumeclaim", "persistentvolumeclaims", "ns", "namespace", "namespaces"})
        or "--all" in kinds
    )


@pytest.mark.parametrize(
    "command",
    [
        "#   kubectl -n multilabelfy delete -f preparation.yaml && kubectl -n multilabelfy apply -f service.yaml",
        "kubectl apply -f service.yaml; kubectl delete --filename=deploy/kubernetes/preparation.yaml",
        "#   kubectl -n multilabelfy delete \\\n#     -f postgresql.yaml",
        "now `kubectl\ndelete -f preparation.yaml`, and then",
        "kubectl delete -f deploy/kubernetes",
        "kubectl -n multilabelfy delete pod,pvc --all",
        "kubectl delete persistentvolumeclaim/mlf-project",
        "kubectl delete namespace multilabelfy",
    ],
)
def test_a_command_that_deletes_data_would_be_found(command: str) -> None:
    assert [deletes_data(what) for what in deletions(command)] == [True]


def test_no_command_that_we_tell_people_to_give_deletes_a_claim() -> None:
    assert data_files() == {"postgresql.yaml", "preparation.yaml"}
    texts = [*DEPLOY.parent.glob("*.md"), DEPLOY / "README.md", *(DEPLOY / "kubernetes").iterdir()]
    found = {path.name: deletions(path.read_text()) for path in texts}
    assert [(name, what) for name, told in found.items() for what in told if deletes_data(what)] == []
    for name in ("values.yaml", "preparation.yaml"):
        assert any(what.startswith("pod mlf-preparation") for what in found[name]), name
    assert deletions((DEPLOY / "README.md").read_text()) == ["pod mlf-preparation"]


@pytest.mark.parametrize("document", MANIFESTS, ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_every_manifest_is_what_kubernetes_takes(document: dict, version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_proxy_hub_and_sessions_reach_the_service() -> None:
    labels = manifest("Deployment", "mlf-service")["spec"]["template"]["metadata"]["labels"]
    port = container("Deployment", "mlf-service")["ports"][0]["containerPort"]
    for section in (VALUES["hub"], VALUES["proxy"]["chp"], VALUES["singleuser"]):
        [rule] = section["networkPolicy"]["egress"]
        assert rule["to"][0]["podSelector"]["matchLabels"].items() <= labels.items()
        assert rule["ports"] == [{"port": port}]
    # The chart's own label for pods that may reach the Hub.
    assert labels["hub.jupyter.org/network-access-hub"] == "true"


#: The part of the chart's schema that our values touch, in our own notation: a type is what a value must be, a `dict`
#: is open, a list names the only values allowed. The chart refuses every other name.
NETWORK_POLICY = {
    "enabled": bool,
    "ingress": list,
    "egress": list,
    "egressAllowRules": dict.fromkeys(
        (
            "cloudMetadataServer",
            "dnsPortsCloudMetadataServer",
            "dnsPortsKubeSystemNamespace",
            "dnsPortsPrivateIPs",
            "nonPrivateIPs",
            "privateIPs",
        ),
        bool,
    ),
    "interNamespaceAccessLabels": ["accept", "ignore"],
    "allowedIngressPorts": list,
}
CHART = {
    "hub": {
        "db": {"type": ["sqlite-pvc", "sqlite-memory", "mysql", "postgres", "other"]},
        "services": dict,
        "loadRoles": dict,
        "config": dict,
        "extraConfig": dict,
        "networkPolicy": NETWORK_POLICY,
    },
    "proxy": {
        "chp": {"networkPolicy": NETWORK_POLICY},
        "https": {
            "enabled": bool,
            "type": ["letsencrypt", "manual", "offload", "secret"],
            "hosts": list,
            "letsencrypt": {"contactEmail": str, "acmeServer": str},
        },
    },
    "singleuser": {
        "image": {"name": str, "tag": str, "pullPolicy": ["IfNotPresent", "Always", "Never"], "pullSecrets": list},
        "cmd": (list, str, type(None)),
        "storage": {"type": ["dynamic", "static", "none"]},
        "extraEnv": dict,
        "memory": {"guarantee": (int, float, str), "limit": (int, float, str)},
        "cpu": {"guarantee": (int, float), "limit": (int, float)},
        "serviceAccountName": (str, type(None)),
        "networkPolicy": NETWORK_POLICY,
        "startTimeout": int,
    },
    "cull": {"enabled": bool, "timeout": int, "every": int},
    "scheduling": {"userScheduler": {"enabled": bool}},
    "prePuller": {"hook": {"enabled": bool}},
}


def misfits(values: Any, schema: Any, place: str = "") -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in values.items():
            if name in schema:
                yield from misfits(value, schema[name], f"{place}.{name}".lstrip("."))
            else:
                yield f"{place}.{name}: not in the chart"
    elif isinstance(schema, list):
        if values not in schema:
            yield f"{place}: {values!r} is none of {schema}"
    elif not isinstance(values, schema) or (isinstance(values, bool) and schema is not bool):
        yield f"{place}: {values!r} is no {schema}"


def test_the_values_hold_what_the_chart_takes_and_nothing_else() -> None:
    assert list(misfits(VALUES, CHART)) == []
    # What its schema also says about them: services and roles are mappings by name; code is text by name.
    assert all(isinstance(service["url"], str) for service in VALUES["hub"]["services"].values())
    assert all(isinstance(role["scopes"], list) for role in VALUES["hub"]["loadRoles"].values())
    assert all(isinstance(text, str) for text in VALUES["hub"]["extraConfig"].values())
    assert all(isinstance(text, str) for text in VALUES["singleuser"]["extraEnv"].values())


def test_a_setting_that_the_chart_lacks_would_be_found() -> None:
    wrong = {"singleuser": {"args": [], "startTimeout": "300", "storage": {"type": "None"}}}
    assert len(list(misfits(wrong, CHART))) == 3


def test_the_hubs_configuration_names_settings_that_exist() -> None:
    classes = {cls.__name__: cls for cls in (JupyterHub, Spawner, GenericOAuthenticator)}
    sections = VALUES["hub"]["config"]
    for name, section in sections.items():
        assert section.keys() <= set(classes[name].class_trait_names(config=True)), name
    authenticator = GenericOAuthenticator(config=Config(sections))
    assert authenticator.allowed_groups == {group.value for group in Role}
    assert authenticator.manage_groups
    assert sections["JupyterHub"]["authenticator_class"] == "generic-oauth"
    assert Spawner(config=Config(sections)).server_token_scopes == sections["Spawner"]["server_token_scopes"]
