"""The ways out of a session: none on one's own machine, log-out in a hub, the other projects for who has several."""

from __future__ import annotations

import pytest

from pipeline.sessions.hub_links import HubLinks, hub_links


def test_a_session_leads_out_to_its_own_hub_and_to_other_projects_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_HOST", "JUPYTERHUB_BASE_URL", "MLF_FURTHER_PROJECTS"):
        monkeypatch.delenv(name, raising=False)
    assert hub_links() is None
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/birds/user/ada/")
    monkeypatch.setenv("JUPYTERHUB_BASE_URL", "/birds/")
    assert hub_links() == HubLinks("/birds/hub/logout", "")
    monkeypatch.setenv("JUPYTERHUB_HOST", "https://hub.example.org")  # each session is then an origin of its own
    monkeypatch.setenv("MLF_FURTHER_PROJECTS", "1")
    home = "https://hub.example.org/birds/hub/home"
    assert hub_links() == HubLinks("https://hub.example.org/birds/hub/logout", home)
