"""How figures are written in reports. Undefined values say so; text from outside is escaped here."""

from __future__ import annotations

import math
from collections.abc import Collection
from html import escape

_MAX_CHARACTERS = 300
#: What an interval is named where no heading says it.
INTERVAL = "95% interval "


def text(value: object, max_characters: int = _MAX_CHARACTERS) -> str:
    """Return text from outside as HTML, shortened where it is very long."""
    words = str(value)
    return escape(words if len(words) <= max_characters else f"{words[:max_characters]} …")


def shortened(name: str, n_characters: int = 60) -> str:
    """Return a name in at most so many characters."""
    return name if len(name) <= n_characters else f"{name[: n_characters - 1]}…"


def count(value: float | None) -> str:
    """Return a whole number."""
    return "undefined" if _is_undefined(value) else f"{int(value or 0):,}"


def number(
    value: float | None, digits: int = 2, low: float | None = None, high: float | None = None, *, named: str = ""
) -> str:
    """Return a number with decimal places, with its 95% interval where it has one, after what that is `named`."""
    if _is_undefined(value):
        return "undefined"
    interval = "" if _is_undefined(low) or _is_undefined(high) else f" ({named}{low:.{digits}f} to {high:.{digits}f})"
    return f"{value:,.{digits}f}{interval}"


def percent(
    value: float | None, low: float | None = None, high: float | None = None, *, digits: int = 1, named: str = ""
) -> str:
    """Return a share as a percentage, with its 95% interval where it has one, after what that is `named`."""
    if _is_undefined(value):
        return "undefined"
    interval = "" if _is_undefined(low) or _is_undefined(high) else f" ({named}{low:.{digits}%} to {high:.{digits}%})"
    return f"{value:.{digits}%}{interval}"


def p_value(value: float) -> str:
    """Return the p of a test, small ones as a bound."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def seconds(milliseconds: float | None) -> str:
    """Return a time, given in milliseconds, in seconds."""
    return "undefined" if _is_undefined(milliseconds) else f"{(milliseconds or 0) / 1000:,.1f} s"


def person(name: object, simulated: Collection[str]) -> str:
    """Return an annotator's name; a program is marked as simulated wherever it is named."""
    return f"{name} (simulated)" if name in simulated else str(name)


def _is_undefined(value: float | None) -> bool:
    return value is None or math.isnan(value)
