"""The words that everything speaks: rounds, votes, methods, rules and sources, each written down once.

Light on purpose: an annotator's kernel and the help of the command line load them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Round(StrEnum):
    """The two rounds of work."""

    ANNOTATION = "annotation"
    REFINEMENT = "refinement"


class Vote(StrEnum):
    """One annotator's word on one (image, class)."""

    NO = "no"
    UNSURE = "unsure"
    YES = "yes"

    @property
    def code(self) -> int:
        """Return the integer that stands for it in arrays of votes: no 0, unsure 1, yes 2."""
        return VOTE_ORDER.index(self)


#: The order in which votes are coded and in which confusion matrices have their columns.
VOTE_ORDER: Final = (Vote.NO, Vote.UNSURE, Vote.YES)
N_VOTES: Final = len(VOTE_ORDER)
#: Of several votes of one person on what is one class now, after a merge, the first of these stands.
MERGE_ORDER: Final = (Vote.YES, Vote.UNSURE, Vote.NO)
NO, UNSURE, YES = range(N_VOTES)


class Method(StrEnum):
    """How votes become one answer."""

    MAJORITY = "majority"
    WEIGHTED = "weighted"
    DAWID_SKENE = "dawid-skene"


class SelectionRule(StrEnum):
    """How images are chosen for refinement; :mod:`pipeline.stages.selection_rules` has what each does."""

    PUBLISHED = "published"
    BUDGET = "budget"
    SUGGESTED = "suggested"

    @property
    def chosen(self) -> str:
        """Return which images it chooses, in words."""
        return {
            SelectionRule.PUBLISHED: "images whose label sets differ",
            SelectionRule.BUDGET: "images that are worth the time",
            SelectionRule.SUGGESTED: "images with labels that models believe in and nobody was asked about",
        }[self]


class AssignOrder(StrEnum):
    """Which images are given out first."""

    SHUFFLED = "shuffled"
    UNCERTAIN = "uncertain"  # those on which most labels would be wrong if nobody voted again


class Reason(StrEnum):
    """Why an image is refined."""

    DISPUTED = "disputed"  # image disagreement: its label sets differ
    WORTHWHILE = "worthwhile"  # it is worth the minutes
    SUGGESTED = "suggested"  # models believe in a label that nobody was asked about
    AUDIT = "audit"  # drawn to see what stays wrong among the images that were not chosen


class Source(StrEnum):
    """Where a refined label, or an empty label set, comes from."""

    AGREED = "agreed"  # everyone who was shown the class said the same
    REFINED = "refined"  # settled in the refinement round
    CONSENSUS = "consensus"  # settled by the consensus method
    KNOWN = "known"  # known beforehand: gold
    UNLABELLED = "unlabelled"  # nobody has decided the image

    @property
    def code(self) -> int:
        """Return the integer that stands for it in arrays: its place in this list, from 0."""
        return list(Source).index(self)
