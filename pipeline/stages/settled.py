"""The outcome of settling some of a project's votes, and the tables made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.consensus import Consensus
from pipeline.consensus.known import UNKNOWN
from pipeline.consensus.pooling import cached_slices
from pipeline.consensus.recalibration import Recalibration
from pipeline.consensus.refined import SOURCE_NAMES, settle_votes_of
from pipeline.consensus.value_of_refining import ChancesOfError
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.tables import REFINED_LABELS
from pipeline.stages.consensus_of_project import gold_answers, project_consensus
from pipeline.stages.levels import most_specific
from pipeline.stages.quality import KeyPair
from pipeline.stages.recalibration import recalibrated_where_unrefined
from pipeline.stages.votes_of_project import ProjectVotes
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.ascending import are_in
from pipeline.votes.intervals import wilson_interval
from pipeline.votes.words import NO, UNSURE, YES, Source

#: A chance nearer to 0 or 1 than this counts as certain.
_CERTAIN = 1e-3


@dataclass(frozen=True, eq=False)
class Settled:
    """Votes, and the outcome of each item: its label and its source (a `Source.code`)."""

    votes: VoteArrays
    #: How many said no, unsure and yes on each of the labels, in order: ``(n_labels, 3)``.
    counts: NDArray[np.integer]
    consensus: Consensus
    label: NDArray[np.bool_]
    source: NDArray[np.int8]
    #: The posterior before recalibration: what is left wrong is estimated from it, and the audit corrects it but once.
    as_voted: NDArray[np.float64]
    #: Keys of labels that are known to apply although nobody voted on them.
    unvoted: NDArray[np.int64]

    @property
    def wrong(self) -> ChancesOfError:
        """Return the chance that each item is settled wrongly."""
        return ChancesOfError(self.label, self.as_voted)


def settle_votes(
    project: Project,
    votes: VoteArrays,
    gold: dict[int, frozenset[int]],
    of_project: ProjectVotes | None = None,
    checked: Recalibration | None = None,
) -> Settled:
    """Settle every item of some votes; an answer known beforehand (gold) always stands.

    Parameters
    ----------
    gold
        Known answers: image index to the classes that apply.
    of_project
        The project's votes, to tell those of refiners; ``None`` to settle without a refinement round.
    checked
        What known labels said about the posteriors (:func:`pipeline.stages.recalibration.check_posteriors`).
    """
    answers = gold_answers(votes, gold)
    consensus = project_consensus(project, votes, answers if gold else None)
    as_voted = consensus.posterior
    refinement = None
    if of_project is not None:
        consensus = recalibrated_where_unrefined(consensus, of_project, votes, answers, checked)
        if consensus.prior is not None:  # as many numbers as there are items, and needed no more
            consensus = replace(consensus, prior=replace(consensus.prior, log_odds=np.empty(0)))
        refinement = of_project.refinement
    label, source = settle_votes_of(votes, consensus, refinement)
    is_known = answers != UNKNOWN
    label[is_known], source[is_known] = answers[is_known] == 1, Source.KNOWN.code
    if project.label_space.ancestors_of:  # of a beagle that is a dog, the more specific one is the label
        label = most_specific(votes.item_image, votes.item_class, label, project.label_space)
    known = [image * votes.n_classes + class_index for image, classes in gold.items() for class_index in classes]
    unvoted = np.unique(np.array(known, dtype=np.int64))
    unvoted = unvoted[votes.places_of(unvoted) < 0]
    return Settled(votes, votes.item_counts(label), consensus, label, source, as_voted, unvoted)


def label_keys(settled: Settled) -> NDArray[np.int64]:
    """Return every label as one number (image × number of classes + class), ascending."""
    voted = settled.votes.item_keys(settled.label)
    return np.sort(np.concatenate([voted, settled.unvoted])) if len(settled.unvoted) else voted


def refined_table(
    project: Project, settled: Settled, decided: NDArray[np.int64], gold: dict[int, frozenset[int]]
) -> pa.Table:
    """Return the refined labels (:data:`pipeline.project.tables.REFINED_LABELS`), in order of image and class.

    Parameters
    ----------
    project, settled
        The project, and the outcome of all its votes.
    decided
        Indices of the images that somebody decided or that are known.
    gold
        Known answers.
    """
    votes, kept = settled.votes, settled.label
    n_images, n_classes = votes.n_images, votes.n_classes
    voted = pd.DataFrame(
        {
            "image_index": votes.item_image[kept],
            "class_index": votes.item_class[kept],
            "source": settled.source[kept],
            "n_yes": settled.counts[:, YES],
            "n_no": settled.counts[:, NO],
            "n_unsure": settled.counts[:, UNSURE],
            "posterior": settled.consensus.posterior[kept],
        }
    )
    unvoted = pd.DataFrame({"image_index": settled.unvoted // n_classes, "class_index": settled.unvoted % n_classes})
    unvoted["source"] = Source.KNOWN.code
    has_label = np.zeros(n_images, dtype=bool)
    has_label[voted["image_index"]] = has_label[unvoted["image_index"]] = True
    source = _source_of_empty(settled, decided, gold)
    empty = pd.DataFrame({"image_index": np.flatnonzero(~has_label)})
    empty["source"] = source[empty["image_index"]]
    table = pd.concat([voted, unvoted, empty], ignore_index=True).sort_values(["image_index", "class_index"])
    ids = image_columns(project, ["image_id"]).column(0)
    columns = {
        "image_index": pa.array(table["image_index"].to_numpy(dtype=np.int32)),
        "image_id": ids.take(pa.array(table["image_index"].to_numpy(dtype=np.int64))),
        "source": pa.array(SOURCE_NAMES[table["source"].to_numpy(dtype=np.int64)]),
    }
    for name in ("class_index", "n_yes", "n_no", "n_unsure", "posterior"):
        columns[name] = pa.array(table[name], from_pandas=True).cast(REFINED_LABELS.field(name).type)
    return pa.table([columns[name] for name in REFINED_LABELS.names], schema=REFINED_LABELS)


def _source_of_empty(settled: Settled, decided: NDArray[np.int64], gold: dict[int, frozenset[int]]) -> NDArray[np.int8]:
    """Return for every image which source its label set would have if it were empty."""
    n_images, image = settled.votes.n_images, settled.votes.item_image
    source = np.full(n_images, Source.UNLABELLED.code, dtype=np.int8)
    source[decided] = Source.AGREED.code
    for name in (Source.CONSENSUS, Source.REFINED):
        source[image[settled.source == name.code]] = name.code
    source[list(gold)] = Source.KNOWN.code
    return source


def doubtful_labels(settled: Settled) -> pd.DataFrame:
    """Return the labels whose posterior is not certain: `image_index`, `class_index`, `chance` to apply."""
    votes, chance = settled.votes, settled.consensus.posterior
    is_doubtful = settled.source != Source.KNOWN.code
    for part in cached_slices(votes.n_items):
        is_doubtful[part] &= np.minimum(chance[part], 1 - chance[part]) > _CERTAIN
    return pd.DataFrame(
        {
            "image_index": votes.item_image[is_doubtful].astype(np.int32),
            "class_index": votes.item_class[is_doubtful].astype(np.int32),
            "chance": chance[is_doubtful].astype(np.float32),
        }
    )


def before_after(
    keys: KeyPair, n_classes: int, original: NDArray[np.int32], decided: NDArray[np.int64]
) -> pd.DataFrame:
    """Return one row per stage (``original``, ``annotation``, ``refinement``): how many labels, and on how many images.

    Parameters
    ----------
    keys
        The labels without and with the refinement round (:func:`label_keys`).
    n_classes
        Size of the label space.
    original
        ``(n_images,)``: each image's original label, -1 for none.
    decided
        Indices of the images that are labelled.
    """
    with_original = decided[original[decided] >= 0]
    of_original = with_original * n_classes + original[with_original]
    rows = []
    for stage, found in (("original", of_original), ("annotation", keys[0]), ("refinement", keys[1])):
        n_labels = np.bincount(found // n_classes, minlength=len(original))[decided]
        n_multi = int((n_labels > 1).sum())
        low, high = wilson_interval(float(n_multi), float(len(decided)))
        rows.append(
            {
                "stage": stage,
                "n_images": len(decided),
                "n_labels": int(n_labels.sum()),
                "labels_per_image": float(n_labels.mean()),
                "n_without": int((n_labels == 0).sum()),
                "n_multi": n_multi,
                "multi_share": n_multi / len(decided),
                "low": float(low),
                "high": float(high),
                "n_original_kept": int(are_in(of_original, found).sum()),
                "n_with_original": len(with_original),
            }
        )
    return pd.DataFrame(rows)


def by_source(labels: pa.Table) -> pd.DataFrame:
    """Return how many labels, and how many empty label sets, come from each source."""
    source, is_empty = labels.column("source").to_pandas(), labels.column("class_index").is_null().to_pandas()
    rows = [
        {"source": name.value, "n_labels": int((mine & ~is_empty).sum()), "n_empty_sets": int((mine & is_empty).sum())}
        for name, mine in ((name, source == name) for name in Source)
    ]
    return pd.DataFrame(rows)
