"""One thing that was looked at, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a thing is."""

    FINE = "fine"
    #: Not there; only what it is for cannot be done.
    MISSING = "missing"
    #: In the way of work; to be mended first.
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    subject
        What was looked at, in one or two words.
    state
        How it is.
    told
        What was found.
    mend
        What to do; empty where it is fine.
    """

    subject: str
    state: State
    told: str
    mend: str = ""
