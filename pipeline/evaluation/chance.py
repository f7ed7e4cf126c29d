"""Whether a model is any better than guessing."""

from __future__ import annotations

from scipy.special import bdtr, bdtrc

from pipeline.evaluation.shares import Share

#: How unlikely it must be that a guesser is right so often, for a model to count as better than one.
_UNLIKELY = 0.01


def is_chance_level(top1: Share, n_classes: int) -> bool:
    """Tell whether a Top-1 is what guessing gives, and clearly not what a working model would give.

    Guessing is right on a share of 1 / `n_classes`. Two binomial tests: a guesser is right as often with a probability
    above 0.01, and a model half-way between guessing and perfection as seldom with one below 0.01. With few images
    neither can be told, and the answer is no.

    Parameters
    ----------
    top1
        Images whose first class is their original label, of those with an original label and a ranking.
    n_classes
        Classes of the label space.
    """
    if top1.n == 0 or n_classes < 2:
        return False
    chance = 1 / n_classes
    guessed = float(bdtrc(top1.n_hits - 1, top1.n, chance))
    worked = float(bdtr(top1.n_hits, top1.n, (1 + chance) / 2))
    return guessed > _UNLIKELY and worked < _UNLIKELY


def chance_level_told(model: str, top1: Share, n_classes: int) -> str:
    """Return what a person should know about a model that :func:`is_chance_level`."""
    return (
        f"{model}: Top-1 on the original labels, {top1} images, is at chance level: guessing among {n_classes:,} "
        f"classes is right on {1 / n_classes:.2%}. The two usual causes: its "
        "outputs stand for the classes in another order (class_keys of the JSON beside a checkpoint, or the order of a "
        "file of predictions), or its images are prepared otherwise than in training (input_size, mean, std)"
    )
