"""What git keeps works on any machine, and holds nothing that belongs elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_THIS = Path(__file__)
#: Folders of one person or one machine; `/mnt/backups` is fine in an example, and so are a system's own folders and the
#: addresses of the service's pages (`/work/annotation`).
MACHINE_PATHS = re.compile(r"(?<![\w./])/(?:home|Users|root|work)/(?!annotation|refinement|static)[\w.-]+")
#: Where packages come from is each machine's own choice, set in its pip and npm.
REGISTRY_HOSTS = re.compile(
    r"registry\.(?:npmjs|yarnpkg)|files\.pythonhosted|pypi\.org/simple|\bindex-url\b|find-links"
)
MAX_BYTES = {".pth": 12_000_000, ".png": 600_000, ".json": 600_000}


def texts(tracked_files: tuple[Path, ...]) -> dict[Path, str]:
    """Return the text of every text file except this one, which names what it looks for."""
    found = {}
    for path in tracked_files:
        content = path.read_bytes()
        if b"\0" not in content and path != _THIS:
            found[path] = content.decode("utf-8")
    return found


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine path", "registry host"])
def test_no_file_names_a_machine_path_or_a_registry_host(
    pattern: re.Pattern[str], tracked_files: tuple[Path, ...]
) -> None:
    found = [
        f"{path}:{number}: {match.group()}"
        for path, text in texts(tracked_files).items()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert found == []


def test_no_file_is_larger_than_its_kind_needs(tracked_files: tuple[Path, ...]) -> None:
    sizes = {str(path): path.stat().st_size for path in tracked_files}
    assert {name: n for name, n in sizes.items() if n > MAX_BYTES.get(Path(name).suffix, 120_000)} == {}


def test_neither_bundles_nor_photographs_nor_tables_are_kept(tracked_files: tuple[Path, ...], root: Path) -> None:
    built = [path for path in tracked_files if path.is_relative_to(root / "mlf_widgets" / "static")]
    data = [p for p in tracked_files if p.suffix.lower() in {".jpg", ".jpeg", ".parquet", ".npz", ".sqlite", ".pkl"}]
    assert built + data == []


def test_no_line_of_the_source_still_has_a_conflict_or_a_debugger(tracked_files: tuple[Path, ...]) -> None:
    forgotten = re.compile(r"^(<{7} |>{7} |={7}$)|^\s*(breakpoint\(\)|debugger;|import pdb)", re.MULTILINE)
    assert [str(path) for path, text in texts(tracked_files).items() if forgotten.search(text)] == []
