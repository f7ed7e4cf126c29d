"""Lets the tests of pictures share how they are drawn (`drawn.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
