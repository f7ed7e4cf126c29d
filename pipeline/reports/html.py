"""HTML that a notebook shows when it is a cell's last value; text from outside is escaped where it is put in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML, shown as such by Jupyter."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{len(self.text):,} characters of HTML>"
