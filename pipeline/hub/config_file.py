"""The operator's `jupyterhub_config.py` beside a hub's state: copied there once, then theirs to change."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from pathlib import Path

from pipeline.errors import ProjectError
from pipeline.project.writing import write_text

CONFIG_NAME = "jupyterhub_config.py"
#: File with the token by which Prometheus reads the metrics.
MONITOR_FILE = "monitor_token"
#: File with the token by which `mlf hub` changes the people of a hub that runs.
PEOPLE_FILE = "people_token"
#: SHA-256 of the file as earlier versions shipped it: a copy that nobody changed is replaced by today's.
_SHIPPED_BEFORE = {"59ead49c011881f24f90d4c450d67e53df1d9c78f955d9c3f6be265284567fb8"}
_PACKAGE = Path(__file__).resolve().parents[1]


def service_token_file(name: str) -> str:
    """Return the name of the file with the token of a project's service, of which `*` stands for any."""
    return f"{name}.service_token"


def kept_token(path: str | Path) -> str:
    """Return the token in a file that this account alone may read, after making it if there is none yet."""
    path = Path(path)
    if not path.exists():
        write_text(path, secrets.token_hex(32), mode=0o600)
    return path.read_text(encoding="utf-8").strip()


def place_configuration(state: Path) -> Path:
    """Return the configuration of the hub in `state`, after copying it there if there is none yet.

    Raise `ProjectError` if it is of an earlier version and was changed, or this installation has none.
    """
    config = state / CONFIG_NAME
    text = config.read_bytes() if config.exists() else b""
    if not text or hashlib.sha256(text).hexdigest() in _SHIPPED_BEFORE:
        shutil.copyfile(deploy_file(f"jupyterhub/{CONFIG_NAME}"), config)
    elif b"configure(c)" not in text:
        raise ProjectError(
            f"{config} is of an earlier version and was changed; move it away, start again, and add your own changes "
            "at the end of the new one"
        )
    return config


def deploy_file(name: str) -> Path:
    """Return the path of a file of `deploy/`, such as ``kubernetes/values.yaml``.

    Raise `ProjectError` if this installation lacks it.
    """
    places = (_PACKAGE.parent / "deploy", _PACKAGE / "deploy")  # a checkout, a wheel
    for folder in places:
        if (folder / name).is_file():
            return folder / name
    raise ProjectError(f"this installation has no {name} (looked in {', '.join(map(str, places))})")
