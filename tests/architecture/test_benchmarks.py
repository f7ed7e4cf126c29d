"""Every figure that is claimed can be measured again: each benchmark runs from the Makefile, with options it knows."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(
    path.name for path in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_stands_in_the_makefile_with_options_that_it_knows(
    name: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = re.findall(rf"benchmarks/{name}([^\n]*)", (root / "Makefile").read_text(encoding="utf-8"))
    assert calls, f"no target of the Makefile runs benchmarks/{name}"
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(root / "benchmarks" / name), run_name="__main__")
    assert ended.value.code == 0
    known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    assert {option for call in calls for option in re.findall(r"--[a-z][a-z-]*", call)} <= known
