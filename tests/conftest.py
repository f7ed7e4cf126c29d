"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
SHARED_DATA = Path(os.environ.get("MLF_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of published data, or skip the test where it does not lie beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no published data at {SHARED_DATA}; set MLF_SHARED_DATA to the folder that holds it")
    return SHARED_DATA


#: Folders whose tests take longest, longest first: of two workers each begins with one of them.
_LONGEST = ("browser", "hub", "service", "demo", "stages", "runs", "architecture", "toybox", "proposals")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups after us
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a folder's tests on one worker (`--dist loadgroup`): its fixtures are made once, its servers run alone."""
    folders = {item: item.path.relative_to(_TESTS).parts[0] for item in items}
    for item, folder in folders.items():
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(folder))
    items.sort(key=lambda item: _LONGEST.index(folders[item]) if folders[item] in _LONGEST else len(_LONGEST))
