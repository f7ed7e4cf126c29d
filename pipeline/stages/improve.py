"""Stage 6: settled labels improve the proposals of the images that nobody has annotated yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.filling import RunOptions
from pipeline.project.class_references import ClassNumbers
from pipeline.project.folder import Project
from pipeline.project.results import write_results
from pipeline.proposals.how_many import fewest_proposals, share_missed
from pipeline.proposals.learned import LEAST_TO_CROSS_FIT, check_enough_is_settled, label_sets_of
from pipeline.proposals.merging import MergedProposals
from pipeline.proposals.reader import ProposalReader, open_proposals
from pipeline.proposals.recall_change import Needed, RecallChange, proposals_needed, recall_change
from pipeline.proposals.uncertainty import expected_wrong_guesses
from pipeline.proposals.writer import proposal_groups, write_proposals
from pipeline.stages.judged_labels import judged_labels
from pipeline.stages.learnt_proposals import LearntProposals
from pipeline.store import open_project_store
from pipeline.votes.words import Round

#: Numbers of proposals at which recall is reported, in addition to the project's own number.
AT = (5, 10)
#: Shares of an image's labels that may be missed; for each, the stage reports how many proposals are enough.
RATES = (0.1, 0.05)
#: Most settled images that are learnt from.
MOST_IMAGES = 10_000


@dataclass(frozen=True)
class ImproveSummary:
    """The figures of stage 6, as stored in `results/improve.json`.

    Attributes
    ----------
    n_settled
        Images it learnt from.
    n_renewed
        Images with new proposals: those that nobody has worked on; 0 where nothing learnt is better than the old
        proposals.
    recall
        Recall on the settled images, each scored by what was learnt from other images.
    needed
        How many new proposals are worth all the old ones.
    enough
        For each of :data:`RATES`, the fewest new proposals whose expected share of missed labels stays below it
        (:mod:`pipeline.proposals.how_many`); None where even all are too few, or too little is settled to promise it.
    methods
        The methods that were merged.
    simulated_annotators
        Those annotators whose votes were used and who are programs.
    """

    n_settled: int
    n_renewed: int
    recall: tuple[RecallChange, ...]
    needed: Needed
    enough: tuple[int | None, ...]
    methods: tuple[str, ...]
    simulated_annotators: tuple[str, ...]


@dataclass(frozen=True)
class Improvement(ImproveSummary):
    """What stage 6 came to.

    Attributes
    ----------
    next_images
        The undecided images, the least certain first: `image_index`, `image_id`, `uncertainty` (the expected number of
        wrong guesses among the proposals).
    """

    next_images: pd.DataFrame


def improve_project(
    project: Project,
    labels: str | Path | None = None,
    model: str | None = None,
    checkpoint: str | Path | None = None,
    *,
    views: int | None = None,
    class_numbers: ClassNumbers = "auto",
    batch_size: int | None = None,
    device: str = "auto",
    n_workers: int | None = None,
) -> Improvement:
    """Learn from settled labels which classes to propose, and renew the proposals of images that nobody has worked on.

    Merges the methods that made the proposals as :mod:`pipeline.proposals.learned` describes. Where the images have
    files, a head trained on frozen features and the settled labels is merged too. Proposals of decided images stay.

    Parameters
    ----------
    project
        A project with proposals, and with settled labels unless `labels` gives some.
    labels
        JSON of refined labels from elsewhere, in which a class that is not named does not apply. None takes the
        project's own, in which a class that nobody was shown counts neither way.
    model, checkpoint
        The backbone; None takes the best one available. Where it knows the project's classes, it ranks them as well.
    views
        How many parts of each image the backbone looks at to rank them; None as for
        :func:`pipeline.stages.propose.propose`.
    class_numbers
        How class numbers are read in `labels` (:mod:`pipeline.project.class_references`).
    batch_size, device, n_workers
        As for :class:`pipeline.inference.filling.RunOptions`.

    Raises
    ------
    ProjectError
        If nothing has been proposed or settled yet.
    DatasetError
        If too little is settled, or the labels or the backbone cannot be read.
    """
    reader = open_proposals(project)
    settled, simulated = judged_labels(project, labels, class_numbers)
    judged = settled.of(_drawn(settled.images))
    check_enough_is_settled(judged, least=LEAST_TO_CROSS_FIT)
    source = ModelSource(model, Path(checkpoint) if checkpoint else None)
    run = RunOptions(batch_size, device, n_workers, precision=project.settings.proposals.precision)
    learnt = LearntProposals(project, reader, judged, source, views, run)
    old, new, sets = learnt.old, learnt.cross_fitted(), label_sets_of(judged)
    missed = share_missed(new, sets)
    undecided = np.setdiff1d(np.arange(learnt.n_images), np.union1d(settled.images, _decided(project)))
    renewed = learnt.of(undecided) if len(undecided) else None
    if renewed is not None:
        _replace(project, reader, undecided, renewed, learnt.names)
    found = Improvement(
        n_settled=len(judged.images),
        n_renewed=0 if renewed is None else len(undecided),
        recall=tuple(recall_change(k, old, learnt.looked_closer, new, sets) for k in sorted({*AT, learnt.n_proposals})),
        needed=proposals_needed(old, new, sets),
        enough=tuple(fewest_proposals(missed, rate) for rate in RATES),
        methods=tuple(learnt.names),
        simulated_annotators=simulated,
        next_images=_next_images(
            project, undecided, reader.as_arrays().score[undecided] if renewed is None else renewed.score
        ),
    )
    figures = {name: value for name, value in asdict(found).items() if name != "next_images"}
    write_results(project, "improve", figures, {"next_images.csv": found.next_images})
    return found


def recall_table(recall: Sequence[RecallChange]) -> pd.DataFrame:
    """Return recall before and after, one row per number of proposals, written for people."""
    rows = [
        {
            "proposals an image": change.k,
            "recall before": str(change.before),
            "looking closer": "–" if change.closer is None else str(change.closer),
            "now": str(change.after),
            "gain": str(change.gain),
            "of it by looking": "–" if change.of_looking is None else str(change.of_looking),
            "by learning": str(change.of_learning),
            "ticks an image before": f"{change.ticks_before:.2f}",
            "ticks an image now": f"{change.ticks_after:.2f}",
        }
        for change in recall
    ]
    return pd.DataFrame(rows).set_index("proposals an image")


def _drawn(images: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the images to learn from: all, or some drawn with a fixed seed."""
    if len(images) <= MOST_IMAGES:
        return images
    return np.sort(np.random.default_rng(0).choice(images, MOST_IMAGES, replace=False))


def _decided(project: Project) -> npt.NDArray[np.int64]:
    """Return the images that somebody has worked on: the proposals that people were shown must not change."""
    with open_project_store(project) as store:
        return np.unique([row.image_index for round_ in Round for row in store.iter_states(round_)]).astype(np.int64)


def _replace(
    project: Project,
    reader: ProposalReader,
    images: npt.NDArray[np.int64],
    renewed: MergedProposals,
    names: Sequence[str],
) -> None:
    """Rewrite the proposals: those of `images` are replaced, the others stay as they are."""
    models = [*reader.models, *(name for name in names if name not in reader.models)]
    position = np.array([models.index(name) for name in names], dtype=np.int16)
    kept = reader.as_arrays()
    width = max(kept.class_index.shape[1], renewed.class_index.shape[1])
    fillers = {"class_index": -1, "score": np.nan, "model": -1, "view": 0}
    columns = {
        name: np.pad(getattr(kept, name), ((0, 0), (0, width - kept.class_index.shape[1])), constant_values=filler)
        for name, filler in fillers.items()
    }
    source = np.where(renewed.class_index >= 0, position[renewed.source], -1)
    found = {"class_index": renewed.class_index, "score": renewed.score, "model": source, "view": renewed.view}
    for name, filler in fillers.items():
        columns[name][images] = filler
        columns[name][images, : renewed.class_index.shape[1]] = found[name]
    settings = {**reader.settings, "improved": {"methods": list(names)}}
    write_proposals(project, proposal_groups(list(columns.values())), models, settings)


def _next_images(project: Project, images: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> pd.DataFrame:
    ids = pq.read_table(project.images_path, columns=["image_id"]).column(0).take(images).to_pylist()
    table = pd.DataFrame({"image_index": images, "image_id": ids, "uncertainty": expected_wrong_guesses(scores)})
    return table.sort_values(["uncertainty", "image_index"], ascending=[False, True], ignore_index=True)
