"""Votes of made-up people as a table, for tests that count them in another way."""

from __future__ import annotations

import pandas as pd

WORDS = ("no", "unsure", "yes")


def table_of(votes: dict[tuple[int, int, int], str]) -> pd.DataFrame:
    """Return votes by (image, class, annotator) as a table of votes."""
    rows = [(f"i{i}", f"c{c}", f"a{a}", vote) for (i, c, a), vote in votes.items()]
    return pd.DataFrame(rows, columns=["image", "class", "annotator", "vote"])
