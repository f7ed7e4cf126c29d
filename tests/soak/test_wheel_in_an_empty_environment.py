"""The wheel in an environment that holds nothing else: base, extras, command line, Python, JupyterLab, Notebook 7.

It downloads what the wheel asks for, several gigabytes with PyTorch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab_server import chromium_path, launch_chromium, run_all_cells, running_lab
from playwright.sync_api import expect, sync_playwright

pytestmark = pytest.mark.timeout(3000)
_ROOT = Path(__file__).parents[2]


class Installed:
    """An environment of its own, away from the source."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder, self.wheel, self.bin = folder, wheel, folder / "env" / "bin"
        self.uv("venv", "--quiet", "--python", sys.executable, str(folder / "env"))
        self.install("")

    def uv(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "uv", *arguments], check=True, stdin=subprocess.DEVNULL)

    def install(self, extras: str, *more: str) -> None:
        """Install the wheel with extras, and further packages."""
        python = str(self.bin / "python")
        self.uv("pip", "install", "--quiet", "--python", python, f"multilabelfy{extras} @ {self.wheel.as_uri()}", *more)

    def run(self, name: str, *arguments: str) -> str:
        """Run a program of the environment, without the source in reach."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        command = [str(self.bin / name), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=kept, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def found(self) -> dict[str, str]:
        """Return what `mlf doctor` says, from subject to state."""
        whole: dict[str, Any] = json.loads(self.run("mlf", "doctor", "--json"))
        return {each["subject"]: each["state"] for each in whole["result"]}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("empty")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(_ROOT)]
    subprocess.run(build, check=True, stdin=subprocess.DEVNULL)
    [wheel] = folder.glob("*.whl")
    return Installed(folder, wheel)


def test_the_base_installation_goes_from_scenes_to_proposals(installed: Installed) -> None:
    found = installed.found()
    assert {found[name] for name in ("packages", "widgets", "JupyterLab")} == {"fine"}
    assert {found[name] for name in ("[hub]", "[offline]", "[clip]", "[postgres]")} == {"missing"}
    installed.run("mlf", "toybox", "toys", "--scenes", "6", "--reference", "1")
    installed.run("mlf", "init", "shelf", "--images", "toys/scenes.csv", "--classes", "toys/classes.csv")
    installed.run("mlf", "propose", "shelf", "--views", "1")
    installed.run("mlf", "assign", "shelf", "--annotators", "ada,ben")
    script = "from mlf_widgets import open_project; print(len(open_project('shelf').proposals()))"
    assert installed.run("python", "-c", script).strip() == "120"


@pytest.mark.parametrize("where", ["lab", "notebook"])
def test_the_widget_draws_itself_in_jupyter(installed: Installed, where: str, tmp_path: Path) -> None:
    if not chromium_path().exists():
        pytest.skip(f"no Chromium at {chromium_path()}; install it, or set MLF_CHROMIUM to where it is")
    if where == "notebook":
        installed.install("", "notebook>=7.2")
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": "one",
                "metadata": {},
                "outputs": [],
                "source": "from mlf_widgets import open_project\n"
                f"open_project({str(installed.folder / 'shelf')!r}).annotate('ada')",
            }
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    with running_lab(tmp_path, python=installed.bin / "python") as lab, sync_playwright() as playwright:
        (lab.folder / "work.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        page = launch_chromium(playwright).new_page()
        page.goto(lab.page_url("work.ipynb", where))
        run_all_cells(page)
        widget = page.locator('[data-mlf="annotator"]')
        expect(widget).to_have_attribute("data-ready", "true", timeout=120_000)
        widget.locator(".mlf-picture").click(position={"x": 5, "y": 5})
        page.keyboard.press("1")
        expect(widget).to_have_attribute("data-saved", "saved")
        expect(widget.locator("input[type=checkbox]").first).to_be_checked()


def test_extras_bring_what_they_are_for(installed: Installed) -> None:
    installed.install("[hub,offline]")
    found = installed.found()
    assert {found[name] for name in ("[hub]", "[offline]", "models")} == {"fine"}
    assert "mlf hub" in installed.run("mlf", "hub", "--help")
