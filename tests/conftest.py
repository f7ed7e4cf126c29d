"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(os.environ.get("MLF_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of published data, or skip the test where it does not lie beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no published data at {SHARED_DATA}; set MLF_SHARED_DATA to the folder that holds it")
    return SHARED_DATA
