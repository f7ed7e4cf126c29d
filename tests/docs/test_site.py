"""The documentation builds strictly, loads nothing from elsewhere, and its reference is what the program has."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import get_type_hints
from urllib.parse import unquote, urlsplit

import pytest
from document_blocks import ROOT

import mlf_widgets
from pipeline.annotation.events import EventKind
from pipeline.cli import COMMANDS, GROUPS, command_name
from pipeline.project.settings import Settings

pytestmark = pytest.mark.slow


class _Page(HTMLParser):
    """What a page links to, what it loads, and which anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.loads.append(given["href"])
        self.loads += [given[name] for name in ("src", "srcset", "poster", "data") if tag != "a" and name in given]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@cache
def read(path: Path) -> _Page:
    return _Page(path.read_text(encoding="utf-8"))


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_document_is_a_page(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site).with_suffix("").as_posix() for path in pages(site)}
    assert sources <= built


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in pages(site):
        assert [each for each in read(path).loads if urlsplit(each).scheme not in ("", "data")] == [], path
        assert [each for each in read(path).loads if each.startswith("//")] == [], path
    for path in site.rglob("*.css"):
        loaded = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", path.read_text(encoding="utf-8"))
        assert [each for each in loaded if re.match(r"(?:https?:)?//", each)] == [], path


def test_every_link_within_leads_somewhere(site: Path) -> None:
    for path in pages(site):
        for link in (*read(path).links, *read(path).loads):
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            if parts.fragment and target.suffix == ".html" and path.name not in ("genindex.html", "search.html"):
                assert unquote(parts.fragment) in read(target).anchors, f"{path.name}: {link}"


def test_the_reference_has_what_the_program_has(site: Path) -> None:
    def text(name: str) -> str:
        return (site / "reference" / f"{name}.html").read_text(encoding="utf-8")

    commands = {f"mlf-{command_name(function)}" for _, function, _ in COMMANDS}
    assert commands <= read(site / "reference/commands.html").anchors
    assert all(
        any(a.startswith(f"mlf-{g}-") for a in read(site / "reference/commands.html").anchors) for _, g, _ in GROUPS
    )
    assert '<span class="pre">PROJECT|VOTES</span>' in text("commands")
    for section, kind in get_type_hints(Settings).items():
        assert f"[{section}]" in text("settings")
        assert all(f">{name}<" in text("settings") for name in get_type_hints(kind))
    assert all(f">{kind.value}<" in text("events") for kind in EventKind)
    assert {f"mlf_widgets.{name}" for name in mlf_widgets.__all__} <= read(site / "reference/python.html").anchors
    for name in ("refined_labels.parquet", "posterior", "image_index"):
        assert f">{name}<" in text("files") or name in text("files")
    for address in ("/api/rounds/{round}/open", "/health", "/metrics"):
        assert address in text("service")


def test_every_setting_says_what_it_is_for_and_its_default_as_it_is_written_in_the_file() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    from made_from_code import project_settings

    text = project_settings()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(get_type_hints(kind)) for kind in get_type_hints(Settings).values())
    assert [row[0] for row in rows if len(row) < 4 or not row[3].endswith((".", ")"))] == []
    assert {row[0]: tomllib.loads(f"is = {row[2].strip('`')}")["is"] for row in rows}["`must_see_all`"] is False


def test_the_search_finds_words_of_every_page_without_a_network(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "krippendorff" in index
    assert "conform" in index
    assert "searchindex.js" in " ".join(read(site / "search.html").loads)


def test_formulas_are_drawn_by_the_browser_alone(site: Path) -> None:
    concepts = (site / "concepts.html").read_text(encoding="utf-8")
    assert concepts.count("<math") >= 10
    assert not re.search(r"\\(?:frac|sum|text)", re.sub(r"<annotation.*?</annotation>", "", concepts))
