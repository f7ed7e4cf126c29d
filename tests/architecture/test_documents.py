"""What the documents point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md")
FOLDERS = "notebooks|mlf_widgets|pipeline|tests|benchmarks|deploy|assets"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_exists(name: str, root: Path) -> None:
    document = root / name
    text = document.read_text(encoding="utf-8")
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text)
    missing = [t for t in linked if not (document.parent / t).exists()] + [t for t in named if not (root / t).exists()]
    assert missing == []


def test_the_readme_shows_the_widget_in_words_too(root: Path) -> None:
    [(words, picture)] = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert len(words) > 40
    assert (root / picture).read_bytes().startswith(b"\x89PNG")
