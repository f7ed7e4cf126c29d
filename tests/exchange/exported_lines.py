"""What the tests of imports read in the lines of an export."""

from __future__ import annotations

from typing import Any


def said(line: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return who voted what on an image."""
    return {each["annotator"]: each["votes"] for each in line["votes"]}


def names(line: dict[str, Any]) -> list[str] | None:
    """Return the labels of an image; None if it has no label set."""
    return None if line["labels"] is None else [label["class"] for label in line["labels"]]
