"""Original labels that models and people reject, the surest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus import Consensus
from pipeline.errors import DatasetError
from pipeline.inference.predictions import n_ranked
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns, original_labels
from pipeline.proposals.logistic import fit_logistic
from pipeline.stages.consensus_of_project import evidence_on, rankings_together
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.ascending import are_in

_PENALTY = 1.0
_N_STEPS = 100
_LEAST = 1e-9
#: What models' support is worth is learnt on so many of the items that people were asked about.
_N_SAMPLED = 200_000
_COLUMNS = ("image_index", "image_id", "original", "p_wrong", "p_people", "p_models")


@dataclass(frozen=True, eq=False)
class OriginalDoubts:
    """How likely each original label is wrong; float64 (n_labels,) each.

    Attributes
    ----------
    p_people
        The votes' posterior that the label applies; NaN where nobody was asked about it. Where models give evidence for
        the consensus, they speak in it, too.
    p_models
        The same by the models alone; the share of original labels that apply, where there are no models.
    p_wrong
        That the label does not apply, by both.
    """

    p_people: NDArray[np.float64]
    p_models: NDArray[np.float64]
    p_wrong: NDArray[np.float64]


def doubt_originals(
    posterior: NDArray[np.float64], weight: NDArray[np.float64], *, is_in_posterior: bool = False
) -> OriginalDoubts:
    """Combine what people and models say about original labels, as independent witnesses.

    How many original labels apply in general is estimated along with them (expectation maximization): people are asked
    mostly about classes that models propose, so that the share among these says too little of the others.

    Parameters
    ----------
    posterior
        (n_labels,) what the votes say about each label; NaN where nobody was asked.
    weight
        (n_labels,) what the models say for each: log of the likelihood ratio.
    is_in_posterior
        Whether the posterior rests on the models already.
    """
    is_asked = ~np.isnan(posterior)
    asked = _log_odds(posterior) + (0 if is_in_posterior else weight)
    share = 0.5
    for _ in range(_N_STEPS):
        applies = _chance(np.where(is_asked, asked, _log_odds(np.float64(share)) + weight))
        share = float(applies.mean()) if len(applies) else share
    return OriginalDoubts(posterior, _chance(_log_odds(np.float64(share)) + weight), 1 - applies)


def models_weight(
    support: NDArray[np.floating],
    asked_support: NDArray[np.floating],
    applies: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return what models' support says for labels, as log likelihood ratios (n_labels,): 0 where nothing can be learnt.

    Logistic regression on everything that people were asked about tells what support is worth; the odds of what they
    were asked about are taken off.

    Parameters
    ----------
    support
        (n_labels, n_columns): models' support for the labels.
    asked_support
        (n_asked, n_columns): their support for what people were asked about.
    applies
        (n_asked,): whether it applies.
    """
    if not support.shape[1]:
        return np.zeros(len(support))
    centre, spread = asked_support.mean(axis=0), asked_support.std(axis=0) + _LEAST
    try:
        weights = fit_logistic((asked_support - centre) / spread, applies, _PENALTY)
    except DatasetError:  # all apply, or none
        return np.zeros(len(support))
    found: NDArray[np.float64] = (support - centre) / spread @ weights[:-1] + weights[-1] - _log_odds(applies.mean())
    return found


def suspicious_originals(
    project: Project, votes: VoteArrays, consensus: Consensus, decided: NDArray[np.int64], label_keys: NDArray[np.int64]
) -> pd.DataFrame:
    """Return the decided images whose original label is not settled and models speak against it, surest first.

    Parameters
    ----------
    project
        The project; the rankings in its `predictions/` speak for the models.
    votes, consensus
        All votes, and what they come to.
    decided
        Indices of the decided images.
    label_keys
        The settled labels, each as image × number of classes + class, ascending.

    Returns
    -------
    pandas.DataFrame
        ``image_index``, ``image_id``, ``original`` (class index), ``p_wrong``, ``p_people`` and ``p_models``
        (:class:`OriginalDoubts`); ``p_people`` is empty where nobody was asked about the original label.
    """
    original = original_labels(project).astype(np.int64)
    images = decided[original[decided] >= 0]
    keys = images * votes.n_classes + original[images]
    place = votes.places_of(keys)
    is_asked = place >= 0
    posterior = np.full(len(keys), np.nan)
    posterior[is_asked] = consensus.posterior[place[is_asked]]
    asked = np.arange(votes.n_items)
    if votes.n_items > _N_SAMPLED:
        asked = np.sort(np.random.default_rng(0).choice(votes.n_items, _N_SAMPLED, replace=False))
    support, asked_support = _support(
        project, len(original), (images, original[images]), (votes.item_image[asked], votes.item_class[asked])
    )
    weight = models_weight(support, asked_support, are_in(votes.item_keys(asked), label_keys))
    is_in_posterior = project.settings.consensus.evidence == "models"
    doubts = doubt_originals(posterior, weight, is_in_posterior=is_in_posterior)
    is_rejected = ~are_in(keys, label_keys) & (weight <= 0)
    rows = np.flatnonzero(is_rejected)
    rows = rows[np.argsort(-doubts.p_wrong[rows], kind="stable")]
    names = image_columns(project, ["image_id"]).column(0).take(images[rows]).to_pylist()
    values = (images[rows], names, original[images[rows]], *(getattr(doubts, name)[rows] for name in _COLUMNS[3:]))
    return pd.DataFrame(dict(zip(_COLUMNS, values, strict=True)))


def _support(
    project: Project, n_images: int, *pairs: tuple[NDArray[np.integer], NDArray[np.integer]]
) -> list[NDArray[np.float32]]:
    """Return the support of all models that rank every image, for images and classes of several kinds at once."""
    image, class_index = (np.concatenate([kind[place] for kind in pairs]) for place in (0, 1))
    order = np.argsort(image, kind="stable")
    paths = {path.stem: path for path in sorted(project.predictions_dir.glob("*.parquet"))}
    whole = {name: path for name, path in paths.items() if n_ranked(path) == n_images}
    found = evidence_on(rankings_together(project, whole), image[order], class_index[order])
    values = np.zeros((len(image), 0 if found is None else len(found.columns)), dtype=np.float32)
    if found is not None:
        values[order] = found.values
    return np.split(values, np.cumsum([len(kind[0]) for kind in pairs])[:-1])


def _chance(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-log_odds))
    return found


def _log_odds(probability: NDArray[np.float64] | np.floating) -> NDArray[np.float64]:
    bounded = np.clip(probability, _LEAST, 1 - _LEAST)
    found: NDArray[np.float64] = np.log(bounded / (1 - bounded))
    return found
