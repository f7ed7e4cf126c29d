"""What a project's labels are to be good at, as people write it in `mlf.toml` and on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import DatasetError

_WORDING = "say f1, precision 0.9, posterior 0.8 or beyer2020"


class AimKind(StrEnum):
    """What labels are to be good at."""

    F1 = "f1"
    PRECISION = "precision"
    POSTERIOR = "posterior"
    BEYER2020 = "beyer2020"


@dataclass(frozen=True)
class Aim:
    """A declared aim; ``level`` is the least precision or the fixed posterior, for the kinds that take a number."""

    kind: AimKind = AimKind.F1
    level: float | None = None

    @classmethod
    def parse(cls, words: str) -> Aim:
        """Parse an aim as people write it: ``f1``, ``precision 0.9``, ``posterior 0.8``, ``beyer2020``.

        Raise `DatasetError` if it is none of these, or the number lies outside [0, 1].
        """
        kind, *rest = re.split(r"\s*(?:>=|[\s:=])\s*", words.strip().lower())
        if kind not in list(AimKind) or len(rest) > 1:
            raise DatasetError(f"the aim {words!r} is not known; {_WORDING}")
        takes_number = kind in (AimKind.PRECISION, AimKind.POSTERIOR)
        if takes_number != (len(rest) == 1):
            wanted = "needs a number between 0 and 1" if takes_number else "takes no number"
            raise DatasetError(f"the aim {words!r}: {kind} {wanted}; {_WORDING}")
        if not takes_number:
            return cls(AimKind(kind))
        try:
            level = float(rest[0])
        except ValueError:
            level = -1.0
        if not 0 <= level <= 1:
            raise DatasetError(f"the aim {words!r}: {rest[0]} is no number between 0 and 1")
        return cls(AimKind(kind), level)

    def __str__(self) -> str:
        return self.kind.value if self.level is None else f"{self.kind} {self.level:g}"
