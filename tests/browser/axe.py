"""What axe finds wrong with a widget, in JupyterLab's light and dark themes."""

from __future__ import annotations

import pytest
from lab_server import ROOT
from playwright.sync_api import Page, expect

AXE = ROOT / "mlf_widgets" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


def complaints(page: Page) -> list[str]:
    """What axe finds serious inside the widget on a page; skips the test where axe is not installed."""
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}; run `npm ci` in {AXE.parents[2]}")
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # as a script element it would meet the page's policy
    found = page.evaluate(
        "async () => (await axe.run('[data-mlf]', {resultTypes: ['violations']})).violations"
        ".map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 200) + n.any.map(a => a.message).join())])"
    )
    return [f"{rule} {nodes}" for impact, rule, nodes in found if impact in SERIOUS]


def set_theme(page: Page, name: str) -> None:
    """Change JupyterLab's theme to ``Light`` or ``Dark``; a light session's page follows the system's."""
    if page.locator("[data-mlf-page]").count():
        page.emulate_media(color_scheme="dark" if name == "Dark" else "light")
        return
    page.evaluate(
        "name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name })", f"JupyterLab {name}"
    )
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true" if name == "Light" else "false")
    page.evaluate("() => new Promise(requestAnimationFrame)")  # until then JupyterLab hides all it has
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
