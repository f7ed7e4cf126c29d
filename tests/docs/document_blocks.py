"""The commands and the Python of a document, as its reader would type them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
)


@dataclass(frozen=True)
class Typed:
    """One command of a document."""

    document: str
    line: int
    text: str

    @property
    def arguments(self) -> list[str]:
        """Return what follows `mlf`, up to a pipe, a redirection or a comment."""
        alone = re.split(r"\s+(?:\||&&|>>?|#)\s*", self.text.removeprefix("sudo "))[0]
        return shlex.split(alone)[1:]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text}"


def commands_of(document: str) -> list[Typed]:
    """Return every `mlf` command in an indented or fenced block, in order."""
    found = []
    text = (ROOT / document).read_text(encoding="utf-8")
    is_fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            is_fenced = not is_fenced
        if (is_fenced or line.startswith("    ")) and re.match(r"(?:sudo )?mlf ", line.strip()):
            found.append(Typed(document, number, re.sub(r"\s+(?:#|\().*", "", line.strip())))
    return found


def python_of(document: str) -> list[str]:
    """Return every fenced block of Python, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
