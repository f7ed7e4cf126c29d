"""How a task was shown: the order of its proposals, whether scores were visible, and what was being tried out.

It is logged as text with every event, so that an analysis can tell what people saw from what they said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

#: The condition of tasks that an experiment left as the project shows all its tasks.
CONTROL: Final = "control"
_TEXT = re.compile(
    r"(?:score|shuffled:(?P<seed>-?\d+))(?P<scores>\+scores)?(?: pairs:(?P<pairs>\d+)/(?P<page>\d+))?"
    r"(?: trial=(?P<trial>\S+))?(?P<probe> probe)?"
)


class Condition(StrEnum):
    """What an experiment changes about how a task is shown."""

    SHUFFLED = "shuffled"  # proposals in an order of the annotator's own
    BY_SCORE = "by-score"  # proposals in the order of their scores
    SCORES_SHOWN = "scores-shown"
    SCORES_HIDDEN = "scores-hidden"

    @property
    def words(self) -> str:
        """Return what is shown, as a report says it."""
        return {
            Condition.SHUFFLED: "proposals shuffled",
            Condition.BY_SCORE: "proposals in the order of their scores",
            Condition.SCORES_SHOWN: "scores shown",
            Condition.SCORES_HIDDEN: "scores hidden",
        }[self]


@dataclass(frozen=True, slots=True)
class Presentation:
    """How one task is shown to one annotator.

    Parameters
    ----------
    order
        ``score``: the best proposal first; ``shuffled``: an order of the annotator's own.
    order_seed
        The seed of a shuffled order.
    shows_scores
        Whether the annotator sees the models' scores.
    condition
        A :class:`Condition`, or :data:`CONTROL`, where the task is part of an experiment; else ``""``.
    is_probe
        Whether the annotator is asked to search all classes.
    pairs, pairs_page
        By which version of the project's pairs (:mod:`pipeline.project.class_pairs`) classes stand beside each other,
        and how many are on a page; 0 where the order is left as it is.
    """

    order: Literal["score", "shuffled"] = "score"
    order_seed: int = 0
    shows_scores: bool = False
    condition: str = ""
    is_probe: bool = False
    pairs: int = 0
    pairs_page: int = 0

    def __str__(self) -> str:
        """Return it as events carry it: ``score``, ``shuffled:3+scores pairs:2/5 trial=scores-shown probe``."""
        order = f"shuffled:{self.order_seed}" if self.order == "shuffled" else "score"
        scores = "+scores" if self.shows_scores else ""
        pairs = f" pairs:{self.pairs}/{self.pairs_page}" if self.pairs else ""
        trial = f" trial={self.condition}" if self.condition else ""
        return f"{order}{scores}{pairs}{trial}{' probe' if self.is_probe else ''}"

    @classmethod
    def parse(cls, text: str) -> Presentation | None:
        """Return what an event's text says; None where it is no such text."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        seed = found["seed"]
        return cls(
            "score" if seed is None else "shuffled",
            int(seed or 0),
            found["scores"] is not None,
            found["trial"] or "",
            found["probe"] is not None,
            int(found["pairs"] or 0),
            int(found["page"] or 0),
        )

    def under(self, condition: Condition) -> Presentation:
        """Return what the condition makes of it; where that is no change, the condition cannot be tried out."""
        changed = {
            Condition.SHUFFLED: replace(self, order="shuffled"),
            Condition.BY_SCORE: replace(self, order="score"),
            Condition.SCORES_SHOWN: replace(self, shows_scores=True),
            Condition.SCORES_HIDDEN: replace(self, shows_scores=False),
        }[condition]
        return replace(changed, condition=condition.value)


def drawn_condition(draw: float, share: float, conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition that a draw in [0, 1) falls on; None leaves the task as it is.

    Parameters
    ----------
    draw
        Uniform over tasks.
    share
        Share of the tasks that are shown differently, divided evenly among the conditions.
    conditions
        One or more.
    """
    if draw >= share or not conditions:
        return None
    return conditions[min(int(draw / share * len(conditions)), len(conditions) - 1)]
