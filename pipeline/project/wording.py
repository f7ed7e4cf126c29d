"""Counts in words, so that one thing is never called several."""

from __future__ import annotations


def so_many(n: int, one: str, many: str = "") -> str:
    """Return a count with what is counted: `1 image`, `2,500 images`.

    Parameters
    ----------
    n
        The count.
    one, many
        The words for one and for any other number; left out, an *s* is added, or *es* after *ss*.
    """
    regular = f"{one}es" if one.endswith("ss") else f"{one}s"
    return f"{n:,} {one if n == 1 else many or regular}"
