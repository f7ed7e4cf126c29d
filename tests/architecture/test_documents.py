"""What the documents point to is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from pipeline import __version__

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "deploy/README.md"),
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)
FOLDERS = "notebooks|mlf_widgets|pipeline|tests|benchmarks|deploy|assets"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_exists(name: str, root: Path) -> None:
    document = root / name
    text = document.read_text(encoding="utf-8")
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text)
    missing = [t for t in linked if not (document.parent / t).exists()] + [t for t in named if not (root / t).exists()]
    assert missing == []


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/attacks.md"])
def test_every_test_that_a_document_rests_on_exists(name: str, root: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", (root / name).read_text(encoding="utf-8")))
    there = {t for path in (root / "tests").rglob("test_*.py") for t in re.findall(r"def (test_\w+)", path.read_text())}
    assert len(named) >= 8
    assert named - there == set()


def test_every_variable_of_the_environment_is_documented(root: Path, tracked_files: tuple[Path, ...]) -> None:
    page = (root / "docs/command-line.md").read_text(encoding="utf-8")
    documented = {
        name for line in page.splitlines() if line.startswith("| `MLF_") for name in re.findall(r"MLF_\w+", line)
    }
    sources = [path for path in tracked_files if path.suffix in {".py", ".cjs", ".ipynb", ".yaml"}]
    sources += [root / "Makefile", root / ".ci/system-packages"]
    texts = [path.read_text(encoding="utf-8") for path in sources if path != Path(__file__)]
    assert {name for text in texts for name in re.findall(r"\bMLF_[A-Z_]+[A-Z]\b", text)} == documented


def test_the_citation_is_of_this_version(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (__version__, "Apache-2.0")
    assert {"cff-version", "message", "title", "authors", "type"} <= set(citation)


def test_the_readme_shows_the_widget_in_words_too(root: Path) -> None:
    [(words, picture)] = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert len(words) > 40
    assert (root / picture).read_bytes().startswith(b"\x89PNG")


def test_what_the_page_on_inputs_says_is_said_by_the_program(root: Path) -> None:
    """Every message quoted in the last column of its tables, apart from its gaps (`…`), is written in the program."""
    said = "\n".join(
        text
        for path in (root / "pipeline").rglob("*.py")
        for text in _texts(ast.parse(path.read_text(encoding="utf-8")))
    )
    quoted = set[str]()
    is_of_messages = False
    for line in (root / "docs/inputs.md").read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            is_of_messages = False
            continue
        last = line.strip("| ").split(" | ")[-1]
        if is_of_messages:
            quoted |= set(re.findall(r"`(.+?)`(?![\w`])", last))
        is_of_messages |= last in ("refused with", "what is said")
    parts = {part.strip() for message in quoted for part in message.split("…") if len(part.strip(" ;:,")) > 2}
    assert len(parts) > 40
    assert {part for part in parts if part not in said} == set()


def _texts(tree: ast.AST) -> list[str]:
    """Return every string of a module, with a gap for each value that is filled in."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values))
    return found
