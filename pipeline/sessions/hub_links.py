"""The ways out of a session in a hub: log out, and on to another project."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Set where the hub has further projects.
FURTHER_PROJECTS_VARIABLE = "MLF_FURTHER_PROJECTS"


@dataclass(frozen=True, slots=True)
class HubLinks:
    """Addresses of a hub.

    Attributes
    ----------
    log_out
        Where one logs out.
    projects
        Where one chooses another project; empty where the hub has none.
    """

    log_out: str
    projects: str


def hub_address() -> str:
    """Return the address of the hub that this session belongs to, with a slash at its end."""
    return os.environ.get("JUPYTERHUB_HOST", "") + os.environ.get("JUPYTERHUB_BASE_URL", "/")


def hub_links() -> HubLinks | None:
    """Return the ways out of this session; None outside a hub."""
    if not os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        return None
    hub = f"{hub_address()}hub/"
    return HubLinks(f"{hub}logout", f"{hub}home" if os.environ.get(FURTHER_PROJECTS_VARIABLE) else "")
