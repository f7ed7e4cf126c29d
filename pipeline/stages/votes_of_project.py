"""The votes of a project, read from its store; stages 3 to 5 count them.

The store keeps states (one per annotator, image and round). Here they become votes on exposed (image, class) pairs:
images and classes are named by their index in the project, annotators by name. The store is read once
(:mod:`pipeline.stages.round_states`), and memory holds about seven bytes a vote, whatever the number of images.

Hidden gold images measure people, not the data set. So where an image is gold for everyone who has it, its votes are
kept apart in :attr:`ProjectVotes.probes`.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table
from pipeline.stages.round_states import MAX_COMMENTS, Comment
from pipeline.stages.round_votes import in_order, pack_votes, sittings
from pipeline.stages.second_reader import read_round
from pipeline.store import SqlStore
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.disputes import is_agreed
from pipeline.votes.merging import merge_votes
from pipeline.votes.words import YES, Round


@dataclass(frozen=True, eq=False)
class ProjectVotes:
    """All votes of a project; the three arrays share their vocabularies.

    Attributes
    ----------
    annotation, refinement
        The votes of each round, without hidden gold images. A class that was on screen and left alone is a `no`, with
        one exception: a refiner who leaves an agreed class alone has not voted on it. A class is agreed if everyone who
        was shown it ticked it, and they are two or more people or the image's only annotator.
    probes
        The annotation round's votes on images that are hidden gold for everyone who has them.
    sittings
        One row per annotator and image that they decided in the annotation round (without gold): ``image``,
        ``annotator``, ``active_ms``, ``decided_at`` (the store's running number of the last event, which gives the
        order in time), ``searched`` (they say that they searched all classes).
    refinement_sittings
        The same for the refinement round.
    simulated
        Annotators who are programs.
    comments
        The first :data:`MAX_COMMENTS`, by image; ``n_comments`` counts all.
    voters
        Who voted in the annotation round, gold included, by name.
    left_out
        Annotators whose votes are not counted and appear nowhere in this object.
    """

    annotation: VoteArrays
    refinement: VoteArrays
    probes: VoteArrays
    sittings: pd.DataFrame
    refinement_sittings: pd.DataFrame
    simulated: frozenset[str]
    comments: tuple[Comment, ...]
    n_comments: int
    voters: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def n_probe_images(self) -> int:
        """Return how many gold images were left out of the statistics because all their votes are in `probes`."""
        return len(np.unique(self.probes.item_image))

    @property
    def refiners(self) -> tuple[str, ...]:
        """Return who voted in the refinement round, by name."""
        return _voters(self.refinement)

    def all_votes(self) -> VoteArrays:
        """Return the votes of both rounds and on gold images together.

        Where someone voted on the same (image, class) in both rounds, the vote of the refinement round stands.
        """
        return merge_votes(merge_votes(self.annotation, self.probes), self.refinement)

    def without_annotation(self) -> ProjectVotes:
        """Return the same without the votes of the annotation round, so that their memory can be freed."""
        none = VoteArrays.from_codes(
            *(np.empty(0, dtype=np.int32) for _ in range(4)),
            images=self.annotation.images,
            classes=self.annotation.classes,
            annotators=self.annotation.annotators,
        )
        return replace(self, annotation=none)


def _voters(*parts: VoteArrays) -> tuple[str, ...]:
    """Return who has a vote in any of these, by name."""
    n_votes = sum(part.n_by_annotator() for part in parts)
    return tuple(str(name) for name in parts[0].annotators[np.flatnonzero(n_votes)])


def nothing_decided(project: Project, verb: str, left_out: Sequence[str]) -> ProjectError:
    """Return the error for a stage that needs votes and has none; it says what cannot be done, and what to do.

    Parameters
    ----------
    verb
        What cannot be done.
    left_out
        Annotators whose votes do not count.
    """
    if left_out:
        return ProjectError(
            f"{project.root}: nobody but those who are left out ({', '.join(left_out)}) has decided an image yet, so "
            f"there is nothing to {verb}; leave out fewer people (--leave-out, or annotators_left_out in mlf.toml), or "
            "have others annotate"
        )
    return ProjectError(
        f"{project.root}: nobody has decided an image yet, so there is nothing to {verb}; annotators work in "
        f"2_annotate.ipynb; open it with: mlf annotate {shlex.quote(str(project.root))} --annotator NAME"
    )


def unknown_names(project: Project, annotators: Collection[str]) -> tuple[str, str]:
    """Return what is wrong with the annotators, and with the models, that the settings leave out; empty where nothing.

    Parameters
    ----------
    annotators
        Everybody whom the store knows.
    """
    found = []
    models = sorted(path.stem for path in project.predictions_dir.glob("*.parquet"))
    for name, option, known in (
        ("annotators_left_out", "--leave-out", sorted(annotators)),
        ("models_left_out", "--leave-out-model", models),
    ):
        stranger = next((one for one in getattr(project.settings.consensus, name) if one not in known), None)
        there = ", ".join(known) or "none yet"
        said = (
            f"{project.root}: {stranger!r} is to be left out ({name}, or {option}) and is not known; there are {there}"
        )
        found.append("" if stranger is None else said)
    return found[0], found[1]


def read_project_votes(project: Project, store: SqlStore) -> ProjectVotes:
    """Read a project's votes, without those of annotators that its settings leave out.

    Parameters
    ----------
    project
        An open project with images.

    Raises
    ------
    ProjectError
        If the project has no images yet, or its settings leave out somebody whom the store does not know.
    StoreError
        If the store cannot be read.
    """
    import pyarrow.parquet as pq

    n_images = pq.read_metadata(image_table(project)).num_rows
    kinds = store.annotator_kinds()
    left_out = tuple(project.settings.consensus.annotators_left_out)
    if strangers := unknown_names(project, kinds)[0]:
        raise ProjectError(strangers)
    people, n_classes = tuple(sorted(kinds)), len(project.label_space)
    probes = store.probe_images(Round.ANNOTATION)
    states = read_round(store, Round.ANNOTATION, left_out, people, probes)
    ordinary, probing = in_order(states, probes), in_order(states, probes, inside=True)
    annotation = pack_votes(states, ordinary, n_images, n_classes, people)
    probe_votes = pack_votes(states, probing, n_images, n_classes, people)
    sat, comments, n_comments = sittings(states, ordinary, people), states.comments, states.n_comments
    del states  # as much again as half of the votes
    has_refinement = bool(store.assigned_images(Round.REFINEMENT))
    spared = _agreed(annotation, sat) if has_refinement else np.empty(0, dtype=np.int64)
    states = read_round(store, Round.REFINEMENT, left_out, people)
    refining = in_order(states)
    comments = sorted([*comments, *states.comments], key=lambda comment: comment.image_index)
    return ProjectVotes(
        annotation=annotation,
        refinement=pack_votes(states, refining, n_images, n_classes, people, spared),
        probes=probe_votes,
        sittings=sat,
        refinement_sittings=sittings(states, refining, people),
        simulated=frozenset(name for name, kind in kinds.items() if kind == "simulated"),
        comments=tuple(comments[:MAX_COMMENTS]),
        n_comments=n_comments + states.n_comments,
        voters=_voters(annotation, probe_votes),
        left_out=left_out,
    )


def _agreed(votes: VoteArrays, sittings: pd.DataFrame) -> NDArray[np.int64]:
    """Return the keys, ascending, of the items that are already agreed when a refiner sees them.

    The rule is :func:`pipeline.votes.disputes.is_agreed`, which the refinement widget uses as well.
    """
    n_annotators = np.bincount(sittings["image"].to_numpy(dtype=np.int64), minlength=votes.n_images)
    found = [np.empty(0, dtype=np.int64)]
    for block in votes.blocks():
        n_yes = np.bincount(block.item[block.vote == YES], minlength=block.n_items)
        image = block.item_image.astype(np.int64) + block.first_image
        n_votes = np.bincount(block.item, minlength=block.n_items)
        stands = is_agreed(n_yes, n_votes, n_annotators[image])
        found.append(image[stands] * max(votes.n_classes, 1) + block.item_class[stands])
    return np.concatenate(found)
