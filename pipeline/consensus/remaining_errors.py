"""How many labels are still wrong on images that were not refined: one estimate, its interval and its parts.

An image that was not refined is expected to hold ``scale * doubt + hidden`` wrong labels. *Doubt* is what the votes
show: the chance that each label is settled wrongly, plus an estimate of the labels that nobody was shown, from those
that annotators added themselves. *Hidden* errors are mistakes that everyone who looked made alike, so no vote shows
them. ``scale`` and ``hidden`` are learnt from the audit. Without an audit they are only prior beliefs, and the interval
is wide accordingly.

How many hidden errors are believable depends on how often one annotator errs, since an error either shows as a dispute
or is made alike. If a share *a* of all errors is made alike, there are ``a / (1 - a)`` hidden ones for each that shows.
Before an audit, *a* is believed to be small or moderate, possibly large: Beta(0.4, 1).

Where annotators were asked to search all classes on some images (probes), what they found there tells how many labels
nobody was shown (:mod:`pipeline.consensus.unproposed`). These labels are then a part of their own, and doubt, hidden
errors and audit are about the labels shown alone: refiners who do not search cannot say that nothing is missing.

The yield of refining the rest, and the advice on whether to go on, follow from the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.audit import AuditFindings
from pipeline.consensus.unproposed import Unproposed
from pipeline.votes.intervals import CONFIDENCE
from pipeline.votes.words import NO, YES

#: Belief about the share of errors that are made alike, before an audit: a Beta distribution.
_ALIKE = (0.4, 1.0)
#: Errors of one annotator per image, where nobody's votes can be compared with another's.
ERRORS_ALONE = 0.3
#: Doubt is believed to be right to within a factor of two or so (log-normal of this spread).
_SCALE_SPREAD = 0.5
_ALIKE_TO_SHOWN = np.geomspace(1e-4, 100.0, 120)
_SCALE = np.exp(np.linspace(-3, 3, 13) * _SCALE_SPREAD)
_N_DRAWS = 4000
#: One surprising image in a small audit must not make everything seem possible.
_LEAST_SPREAD, _MOST_SPREAD = 1.0, 4.0


@dataclass(frozen=True)
class RemainingErrors:
    """Wrong labels expected among the images that were neither refined nor known.

    Attributes
    ----------
    n_images, n_audited
        How many such images there are, and how many images were audited to speak for them.
    expected, low, high
        The number of wrong labels, with its 95% interval; without an audit, the range that is believed beforehand.
    from_doubt, hidden, unproposed
        What `expected` is made of: what the votes show, what only an audit can see, and what only probes show.
    audit_wrong
        Wrong labels of the audited images, less the refiners' own errors.
    scale, hidden_per_image
        The two numbers of the estimate.
    n_probes
        Images on which somebody searched all classes; 0 if `unproposed` is not told apart.
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
    unproposed: float = 0.0
    n_probes: int = 0

    @property
    def is_audited(self) -> bool:
        """Return whether the estimate rests on an audit, not on votes alone."""
        return self.n_audited > 0

    @property
    def range_in_words(self) -> str:
        """Return the range, called a 95% interval only where something was sampled."""
        if not self.n_images:
            return "no image is left"
        text = f"{self.low:,.0f} to {self.high:,.0f}"
        if self.is_audited:
            return f"95% interval {text}"
        what = "no label that was shown was sampled" if self.n_probes else "nothing was sampled"
        return f"guessed: {text}; {what}"


def estimate_remaining_errors(
    doubt: NDArray[np.float64],
    audited_doubt: NDArray[np.float64],
    findings: AuditFindings | None,
    errors_alone: float = ERRORS_ALONE,
    probed: Unproposed | None = None,
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
    errors_alone
        How many labels of an image one annotator gets wrong, as far as disputes show it.
    probed
        What probes tell about labels that were not proposed: then the other arguments are about those shown alone.
    """
    generator = np.random.default_rng(0)
    scale, hidden, spread = _draw(audited_doubt, findings, errors_alone, generator)
    mean = scale * doubt.sum() + hidden * len(doubt)
    n_wrong = _counts(mean, spread, generator)
    missing = np.zeros(1) if probed is None else generator.choice(probed.missing, _N_DRAWS)
    n_wrong += generator.poisson(missing)
    low, high = np.quantile(n_wrong, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) if len(doubt) else (0.0, 0.0)
    unproposed = float(missing.mean()) if len(doubt) else 0.0
    from_doubt, concealed = float(scale.mean() * doubt.sum()), float(hidden.mean() * len(doubt))
    return RemainingErrors(
        n_images=len(doubt),
        n_audited=findings.n_images if findings is not None else 0,
        expected=from_doubt + concealed + unproposed,
        low=float(low),
        high=float(high),
        from_doubt=from_doubt,
        hidden=concealed,
        audit_wrong=findings.expected if findings is not None else 0.0,
        scale=float(scale.mean()),
        hidden_per_image=float(hidden.mean()),
        unproposed=unproposed,
        n_probes=0 if probed is None else probed.n_probes,
    )


def errors_of_one(counts: NDArray[np.integer], n_sittings: int) -> float:
    """Return how many labels of an image one annotator gets wrong, as far as disputes show: the votes in the minority.

    Parameters
    ----------
    counts
        ``(n_items, 3)``: votes of no, unsure and yes (:meth:`pipeline.votes.arrays.VoteArrays.item_counts`).
    n_sittings
        How often somebody labelled an image, over images that two or more people labelled.
    """
    n_minority = np.minimum(counts[:, NO], counts[:, YES]).sum()
    return float((n_minority + ERRORS_ALONE) / (n_sittings + 1))


def _draw(
    doubt: NDArray[np.float64],
    findings: AuditFindings | None,
    errors_alone: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Draw scale and hidden errors from what is believed after the audit; also return how clumped errors are."""
    scale, ratio = (grid.ravel() for grid in np.meshgrid(_SCALE, _ALIKE_TO_SHOWN, indexing="ij"))
    hidden = errors_alone * ratio
    # The ratio of a share with a Beta distribution is beta-prime; its grid is even on the log scale: one more factor.
    belief = _ALIKE[0] * np.log(ratio) - sum(_ALIKE) * np.log1p(ratio) - 0.5 * (np.log(scale) / _SCALE_SPREAD) ** 2
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
