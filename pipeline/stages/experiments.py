"""What a project's experiment and its search probes tell: read back from what was logged with each vote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.disagreement.anchoring import TrialVotes, anchoring_effects
from pipeline.disagreement.search_probes import ProbeFindings, findings_of_probes
from pipeline.project.presentation import CONTROL, Presentation
from pipeline.stages.votes_of_project import ProjectVotes
from pipeline.store import SqlStore
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import YES, Round


@dataclass(frozen=True, eq=False)
class Experiments:
    """What was tried out on the annotation round.

    Attributes
    ----------
    anchoring
        See :func:`pipeline.disagreement.anchoring.anchoring_effects`; None where no task was part of an experiment.
    n_tasks
        From condition to the number of tasks that were decided under it.
    n_mixed
        Tasks that were shown in more than one way, since the settings changed meanwhile; they are left out.
    probes
        What searching found; None where nobody has searched an image that they were asked to search.
    """

    anchoring: pd.DataFrame | None
    n_tasks: dict[str, int]
    n_mixed: int
    probes: ProbeFindings | None


def read_presentations(store: SqlStore) -> dict[tuple[str, int], Presentation | None]:
    """Return how each (annotator, image) of an experiment was shown; None where it was shown in several ways."""
    found: dict[tuple[str, int], Presentation | None] = {}
    for task, texts in store.presentations(Round.ANNOTATION).items():
        shown = [Presentation.parse(text) for text in texts]
        found[task] = shown[0] if len(shown) == 1 else None
    return found


def find_experiments(
    votes: ProjectVotes, ranks: NDArray[np.int16], shown: dict[tuple[str, int], Presentation | None]
) -> Experiments:
    """Analyse the experiment and the search probes of the annotation round.

    Parameters
    ----------
    ranks
        ``(n_items,)``: the rank of each item of the annotation round, from :func:`pipeline.stages.proposal_ranks`.
    shown
        From :func:`read_presentations`.
    """
    if not shown:
        return Experiments(None, {}, 0, None)
    tasks = tasks_as_shown(votes.sittings, shown)
    n_tasks = tasks.loc[tasks["condition"] != "", "condition"].value_counts().to_dict()
    return Experiments(
        anchoring=_anchoring(votes.annotation, ranks, tasks) if n_tasks else None,
        n_tasks={str(name): int(n) for name, n in n_tasks.items()},
        n_mixed=int(tasks["is_mixed"].sum()),
        probes=_probes(votes.annotation, ranks, tasks),
    )


def tasks_as_shown(sittings: pd.DataFrame, shown: dict[tuple[str, int], Presentation | None]) -> pd.DataFrame:
    """Return the decided tasks: `image`, `annotator`, `searched`, and how they were shown.

    That is `is_mixed` (in more than one way), `condition` (empty outside an experiment) and `is_probe`.
    """
    tasks = sittings[["image", "annotator", "searched"]].copy()
    pairs = zip(tasks["annotator"].astype(str), tasks["image"].tolist(), strict=True)
    known = [shown.get(pair, Presentation()) for pair in pairs]
    tasks["is_mixed"] = [one is None for one in known]
    tasks["condition"] = [one.condition if one else "" for one in known]
    tasks["is_probe"] = [one is not None and one.is_probe for one in known]
    return tasks


def _anchoring(votes: VoteArrays, ranks: NDArray[np.int16], tasks: pd.DataFrame) -> pd.DataFrame:
    of_vote = _task_of_vote(votes, tasks)
    condition = np.append(tasks["condition"].to_numpy(dtype=object), "")[of_vote]
    took_part = condition != ""
    item = votes.items_of(np.flatnonzero(took_part))
    return anchoring_effects(
        TrialVotes(
            image=votes.item_image[item],
            rank=ranks[item].astype(np.int64),
            is_yes=votes.vote[took_part] == YES,
            condition=condition[took_part],
            control=CONTROL,
        )
    )


@dataclass(frozen=True, eq=False)
class SearchedImages:
    """Where annotators were asked to search all classes, and what of the votes that concerns.

    Attributes
    ----------
    n_asked
        Decided tasks on which a search was asked for.
    images, n_searchers
        Indices of the images that somebody searched, and how many did.
    ordinary
        Indices of the decided images on which nobody was asked to.
    n_finders
        ``(n_items,)``: how many searchers said yes.
    added_anyway
        ``(n_items,)``: whether anybody said yes to a class that was not proposed.
    """

    n_asked: int
    images: NDArray[np.int64]
    n_searchers: NDArray[np.int64]
    ordinary: NDArray[np.int64]
    n_finders: NDArray[np.int64]
    added_anyway: NDArray[np.bool_]


def searched_images(votes: VoteArrays, ranks: NDArray[np.int16], tasks: pd.DataFrame) -> SearchedImages | None:
    """Find out where annotators searched; ``None`` if nobody has.

    Parameters
    ----------
    votes, ranks
        The votes of the annotation round, and the rank of each item.
    tasks
        From :func:`tasks_as_shown`.
    """
    is_searched = (tasks["is_probe"] & tasks["searched"]).to_numpy()
    if not is_searched.any():
        return None
    n_searchers = np.bincount(tasks.loc[is_searched, "image"], minlength=votes.n_images)
    images = np.flatnonzero(n_searchers)
    by_searchers = np.append(is_searched, False)[_task_of_vote(votes, tasks)] & (votes.vote == YES)
    return SearchedImages(
        n_asked=int(tasks["is_probe"].sum()),
        images=images,
        n_searchers=n_searchers[images],
        ordinary=np.setdiff1d(tasks["image"], tasks.loc[tasks["is_probe"] | tasks["is_mixed"], "image"]),
        n_finders=np.bincount(votes.items_of(np.flatnonzero(by_searchers)), minlength=votes.n_items),
        added_anyway=(votes.item_counts()[:, YES] > 0) & (ranks == 0),
    )


def _probes(votes: VoteArrays, ranks: NDArray[np.int16], tasks: pd.DataFrame) -> ProbeFindings | None:
    found = searched_images(votes, ranks, tasks)
    if found is None:
        return None
    proposed, added = (found.n_finders > 0) & (ranks > 0), (found.n_finders > 0) & (ranks == 0)
    edges = np.searchsorted(votes.item_image[added], np.append(found.images, votes.n_images))
    return findings_of_probes(
        n_asked=found.n_asked,
        n_searchers=found.n_searchers,
        n_proposed=np.bincount(votes.item_image[proposed], minlength=votes.n_images)[found.images],
        finders=np.split(found.n_finders[added], edges[1:-1]),
        ordinary_unproposed=np.bincount(votes.item_image[found.added_anyway], minlength=votes.n_images)[found.ordinary],
    )


def _task_of_vote(votes: VoteArrays, tasks: pd.DataFrame) -> NDArray[np.int64]:
    """Return the row of `tasks` that each vote belongs to; -1 where there is none."""
    code = {str(name): i for i, name in enumerate(votes.annotators)}
    n_people = max(votes.n_annotators, 1)
    keys = tasks["image"].to_numpy(dtype=np.int64) * n_people + tasks["annotator"].astype(str).map(code).to_numpy()
    order = np.argsort(keys)
    wanted = np.repeat(votes.item_image, votes.n_each).astype(np.int64) * n_people + votes.annotator
    place = np.minimum(np.searchsorted(keys[order], wanted), max(len(keys) - 1, 0))
    row: NDArray[np.int64] = order[place]
    row[keys[row] != wanted] = -1
    return row
