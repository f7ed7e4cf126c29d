"""How many labels are still wrong on images that were not refined: one estimate, its interval and its parts.

An image that was not refined is expected to hold ``scale * doubt + hidden`` wrong labels. *Doubt* is what the votes
show: the chance that each label is settled wrongly, plus an estimate of the labels that nobody was shown, from those
that annotators added themselves. *Hidden* errors are mistakes that everyone who looked made alike, so no vote shows
them. ``scale`` and ``hidden`` are learnt from the audit. Without an audit they are only prior beliefs, and the interval
is wide accordingly.

The yield of refining the rest, and the advice on whether to go on, follow from the same two numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.audit import AuditFindings
from pipeline.votes.intervals import CONFIDENCE

#: Hidden errors per image, before an audit: most likely few, possibly one (Gamma of this shape and mean).
_SHAPE, _MEAN = 0.3, 0.3
#: Doubt is believed to be right to within a factor of two or so (log-normal of this spread).
_SCALE_SPREAD = 0.5
_HIDDEN = np.geomspace(1e-5, 5.0, 120)
_SCALE = np.exp(np.linspace(-3, 3, 13) * _SCALE_SPREAD)
_N_DRAWS = 4000
#: One surprising image in a small audit must not make everything seem possible.
_LEAST_SPREAD, _MOST_SPREAD = 1.3, 4.0


@dataclass(frozen=True)
class RemainingErrors:
    """Wrong labels expected among the images that were neither refined nor known.

    Attributes
    ----------
    n_images, n_audited
        How many such images there are, and how many images were audited to speak for them.
    expected, low, high
        The number of wrong labels, with its 95% interval.
    from_doubt, hidden
        What `expected` is made of: what the votes show, and what only an audit can see.
    audit_wrong
        Wrong labels of the audited images, less the refiners' own errors.
    scale, hidden_per_image
        The two numbers of the estimate.
    """

    n_images: int
    n_audited: int
    expected: float
    low: float
    high: float
    from_doubt: float
    hidden: float
    audit_wrong: float
    scale: float
    hidden_per_image: float

    @property
    def is_audited(self) -> bool:
        """Return whether the estimate rests on an audit, not on votes alone."""
        return self.n_audited > 0


def estimate_remaining_errors(
    doubt: NDArray[np.float64],
    audited_doubt: NDArray[np.float64],
    findings: AuditFindings | None,
    seed: int = 0,
) -> RemainingErrors:
    """Estimate the wrong labels that are left.

    Parameters
    ----------
    doubt
        ``(n_images,)``: expected errors of each image that was not refined, as far as its votes tell.
    audited_doubt
        ``(n_audited,)``: the same for the audited images, before the audit.
    findings
        What the audit found, in the same order as `audited_doubt`; ``None`` without an audit.
    seed
        Seed of the draws that make the interval.
    """
    generator = np.random.default_rng(seed)
    scale, hidden, spread = _draw(audited_doubt, findings, generator)
    mean = scale * doubt.sum() + hidden * len(doubt)
    n_wrong = _counts(mean, spread, generator)
    low, high = np.quantile(n_wrong, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) if len(doubt) else (0.0, 0.0)
    from_doubt, concealed = float(scale.mean() * doubt.sum()), float(hidden.mean() * len(doubt))
    return RemainingErrors(
        n_images=len(doubt),
        n_audited=findings.n_images if findings is not None else 0,
        expected=from_doubt + concealed,
        low=float(low),
        high=float(high),
        from_doubt=from_doubt,
        hidden=concealed,
        audit_wrong=findings.expected if findings is not None else 0.0,
        scale=float(scale.mean()),
        hidden_per_image=float(hidden.mean()),
    )


def unseen_by_all(n_found_once: int, n_found_more: int, n_lookers: float) -> float:
    """Estimate how many labels outside the proposals nobody found, from how many were found once and more than once.

    Chao's lower bound, corrected for small counts: ``(k - 1) / k * f1 (f1 - 1) / (2 (f2 + 1))``, with k annotators
    per image. Chao, A. (1987). https://doi.org/10.2307/2531532
    """
    if n_lookers <= 1:
        return 0.0
    return (n_lookers - 1) / n_lookers * n_found_once * max(n_found_once - 1, 0) / (2 * (n_found_more + 1))


def _draw(
    doubt: NDArray[np.float64], findings: AuditFindings | None, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Draw scale and hidden errors from what is believed after the audit; also return how clumped errors are."""
    scale, hidden = (grid.ravel() for grid in np.meshgrid(_SCALE, _HIDDEN, indexing="ij"))
    # The grid of hidden errors is even on the log scale, so the prior density there has one more factor of `hidden`.
    belief = _SHAPE * np.log(hidden) - _SHAPE / _MEAN * hidden - 0.5 * (np.log(scale) / _SCALE_SPREAD) ** 2
    if findings is None or findings.n_images == 0:
        chosen = generator.choice(len(scale), _N_DRAWS, p=_normalized(belief))
        return scale[chosen], hidden[chosen], 1.0
    mean = scale[:, None] * doubt + hidden[:, None]
    log_mean = np.log(mean)
    total = mean.sum(axis=1)
    spread = _spread(findings, mean, belief, log_mean, total)
    n_draws = generator.multinomial(_N_DRAWS, findings.weight)
    parts = [
        generator.choice(len(scale), n, p=_normalized(belief + (log_mean @ wrong - total) / spread))
        for wrong, n in zip(findings.wrong, n_draws, strict=True)
        if n
    ]
    drawn = np.concatenate(parts)
    return scale[drawn], hidden[drawn], spread


def _spread(
    findings: AuditFindings,
    mean: NDArray[np.float64],
    belief: NDArray[np.float64],
    log_mean: NDArray[np.float64],
    total: NDArray[np.float64],
) -> float:
    """Return Pearson's dispersion at the best fit, within bounds: errors of an image come in clumps."""
    wrong = findings.weight @ findings.wrong
    best = mean[int(np.argmax(belief + log_mean @ wrong - total))]
    n = findings.n_images
    dispersion = float(((wrong - best) ** 2 / best).sum()) / max(n - 1, 1)
    return float(np.clip(dispersion, _LEAST_SPREAD, _MOST_SPREAD))


def _counts(mean: NDArray[np.float64], spread: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw counts whose variance is `spread` times their mean: negative binomial, or Poisson at 1."""
    if spread > 1.0 + 1e-9:
        mean = generator.gamma(np.maximum(mean, 1e-12) / (spread - 1), spread - 1)
    return generator.poisson(mean).astype(float)


def _normalized(log_weight: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = np.exp(log_weight - log_weight.max())
    probability: NDArray[np.float64] = weight / weight.sum()
    return probability
