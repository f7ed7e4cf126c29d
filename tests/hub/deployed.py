"""What `deploy/` holds, read: the chart's values, and Kubernetes' manifests by kind and name."""

from __future__ import annotations

from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
VALUES = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
MANIFESTS = [
    document
    for name in ("postgresql.yaml", "preparation.yaml", "service.yaml")
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())
]


def manifest(kind: str, name: str) -> dict:
    return next(d for d in MANIFESTS if d["kind"] == kind and d["metadata"]["name"] == name)


def container(kind: str, name: str) -> dict:
    return manifest(kind, name)["spec"]["template"]["spec"]["containers"][0]
