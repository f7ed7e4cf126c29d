"""What votes leave open, and what they settle: the rules, on counts of votes.

Two things can be wrong with the votes on an image, and they are not the same:

- *image disagreement*: the label sets of two annotators differ (the published rule). It is what `mlf analyze` counts,
  what sends an image to refinement, and what the viewer of the data set calls disputed.
- *open label*: a class of an image that the votes do not settle: they differ, or somebody is unsure of it. These are
  the questions that a refiner is asked.

Neither follows from the other. Where all label sets are equal and one annotator is unsure of a class, a label is open
on an image without disagreement. Where two of three ticked a class that the third was never shown, label sets differ
and nothing is open.

Each function takes plain integers (one class of one image: :mod:`pipeline.annotation.disputes`) or arrays of them (one
entry an item of :class:`pipeline.votes.arrays.VoteArrays`), and answers in kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # light: an annotator's kernel loads this
    import numpy as np
    from numpy.typing import NDArray

    Count = int | NDArray[np.integer[Any]]
    Answer = bool | NDArray[np.bool_]


def sets_differ_on(n_yes: Count, n_annotators: Count) -> Answer:
    """Return whether label sets differ on a class: some of the annotators of its image ticked it, others did not.

    An image has *image disagreement* where they differ on some class of it. A class that was not shown to an annotator
    is not in their label set, so it counts here (the published rule); what was shown to both is counted beside it.

    Parameters
    ----------
    n_yes
        Annotators who ticked the class.
    n_annotators
        Annotators who decided the image.
    """
    return (n_yes > 0) & (n_yes < n_annotators)


def is_agreed(n_yes: Count, n_votes: Count, n_annotators: Count) -> Answer:
    """Return whether a label stands agreed: all who were shown the class ticked it, two or more, or the only annotator.

    Parameters
    ----------
    n_yes, n_votes
        Votes for the class, and all votes on it.
    n_annotators
        Annotators who decided the image.
    """
    return (n_yes > 0) & (n_yes == n_votes) & ((n_yes > 1) | (n_annotators == 1))


def is_open(n_yes: Count, n_votes: Count, n_doubts: Count, n_annotators: Count) -> Answer:
    """Return whether a label is open: somebody ticked it and it is not agreed, or somebody is unsure of it.

    Parameters
    ----------
    n_yes, n_votes
        Votes for the class, and all votes on it.
    n_doubts
        Annotators who are unsure of this class. An image that was flagged unsure as a whole casts doubt on what others
        ticked, since its votes are no yes; it opens none of the classes that nobody ticked.
    n_annotators
        Annotators who decided the image.
    """
    is_ticked = n_yes > 0
    return (n_doubts > 0) | (is_ticked != is_agreed(n_yes, n_votes, n_annotators))  # what is agreed is ticked


def is_settled(n_yes: Count, n_no: Count, n_votes: Count) -> Answer:
    """Return whether votes alone settle a label, yes or no: two or more, all for it or all against it.

    Such a label is never open. One vote alone settles nothing, though a refiner is not asked about it where nobody else
    decided the image: the consensus weighs it.
    """
    return (n_votes > 1) & ((n_yes == n_votes) | (n_no == n_votes))
