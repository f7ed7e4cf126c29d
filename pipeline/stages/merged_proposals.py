"""The candidates of a project's methods, merged and, where asked for, cut to as many as a promise of recall needs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.wording import so_many
from pipeline.proposals.how_many import cut_by_score, share_missed
from pipeline.proposals.learned import (
    TOGETHER,
    Judged,
    LearnedMerge,
    cross_fitted,
    label_sets_of,
    learn_merge,
    merge_as_learned,
)
from pipeline.proposals.merge_file import is_merge_file, read_merge, write_merge
from pipeline.proposals.merging import Merge, MergedProposals, merge_candidates
from pipeline.proposals.methods.seam import Candidates
from pipeline.stages.judged_labels import judged_labels


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """How candidates are merged, and how many of them become proposals.

    Parameters
    ----------
    merge
        By calibrated ``score``, by ``rank``, or as ``learned`` from settled labels.
    settled
        JSON of refined labels to learn from and to promise on, or a merge that was learned elsewhere; None takes the
        project's own settled labels.
    miss
        The greatest expected share of an image's labels that its proposals may miss; None keeps the project's number of
        proposals.
    at_least, at_most
        Fewest and most proposals of an image where `miss` is given; at most the project's number where left out.
    """

    merge: Merge
    settled: Path | None = None
    miss: float | None = None
    at_least: int | None = None
    at_most: int | None = None

    def checked(self, n_proposals: int) -> MergeOptions:
        """Return the options with nothing left open; raise `ProjectError` if they contradict each other."""
        if self.miss is None:
            if self.at_least is not None or self.at_most is not None:
                raise ProjectError("--at-least and --at-most bound what --miss chooses: give --miss RATE, too")
            if self.settled is not None and self.merge != "learned":
                raise ProjectError(
                    "--settled is what --merge learned learns from and --miss promises on: give one of them"
                )
            return self
        if not 0 < self.miss < 1:
            raise ProjectError(f"--miss {self.miss}: a share of the labels lies between 0 and 1, as 0.1")
        least, most = self.at_least or 1, n_proposals if self.at_most is None else self.at_most
        if not 1 <= least <= most <= n_proposals:
            raise ProjectError(
                f"--at-least {least} and --at-most {most}: the first may not exceed the second, nor the second the "
                f"project's {n_proposals} proposals an image (n_proposals in mlf.toml)"
            )
        return replace(self, at_least=least, at_most=most)

    @property
    def settings(self) -> dict[str, Any]:
        """Return what is known of a run with these options before it begins; nothing where all is as it always was."""
        found = {"miss": self.miss, "at_least": self.at_least, "at_most": self.at_most}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Merged:
    """Merged proposals, the names that their sources refer to, and what a person should know."""

    proposals: MergedProposals
    names: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def merged_proposals(
    project: Project, names: Sequence[str], methods: Sequence[Candidates], n_views: int, options: MergeOptions
) -> Merged:
    """Merge what the methods propose.

    A learned merge is kept in the project as `learned_merge.json`. Images whose labels it learned from get proposals
    from merges that have not seen theirs.

    Parameters
    ----------
    names, methods
        The methods and their candidates.
    n_views
        In how many views they looked at each image.
    options
        What is wanted, checked.

    Raises
    ------
    DatasetError
        If the merge cannot be learned or read, or too little is settled for the promise that is asked for.
    ProjectError
        If settled labels are needed and there are none.
    """
    settled = _Settled(project, options.settled)
    n_proposals = project.settings.proposals.n_proposals
    if options.merge == "learned":
        merged = _as_learned(project, names, methods, n_views, n_proposals, settled)
    else:
        found = merge_candidates(methods, n_proposals, options.merge, original_labels(project))
        merged = Merged(found, tuple(names))
    return merged if options.miss is None else _cut(merged, options, settled)


class _Settled:
    """What is settled, read once and only where needed; and how it is called."""

    def __init__(self, project: Project, path: Path | None) -> None:
        self._project = project
        self._found: Judged | None = None
        self.note = ""
        self.weights = project.root / MERGE_FILE
        self.is_saved_merge = False
        if path is not None and not path.is_file():
            raise DatasetError(f"{path}: no such file of settled labels or of a learned merge; give one with --settled")
        if path is not None and is_merge_file(path):
            self.weights, self.is_saved_merge, path = path, True, None
        elif path is None and not project.refined_labels_path.exists() and self.weights.exists():
            self.is_saved_merge = True
        self._path = path

    @property
    def labels(self) -> Judged:
        """Return the settled labels."""
        if self._found is None:
            project = self._project
            if self._path is None and not project.refined_labels_path.exists():
                raise ProjectError(
                    f"{project.root}: nothing is settled yet; run `mlf settle` first, or give --settled FILE: refined "
                    "labels as JSON, or the learned_merge.json of a project with the same methods and classes"
                )
            self._found, simulated = judged_labels(project, self._path)
            if simulated:
                self.note = f"of the settled labels, simulated annotators ({', '.join(simulated)}) gave votes"
        return self._found


#: Where a project keeps what it learned about merging.
MERGE_FILE = "learned_merge.json"


def _as_learned(
    project: Project,
    names: Sequence[str],
    methods: Sequence[Candidates],
    n_views: int,
    n_proposals: int,
    settled: _Settled,
) -> Merged:
    space = project.label_space
    n_images = len(methods[0].class_index)
    images = np.arange(n_images)
    if settled.is_saved_merge:
        merge = read_merge(settled.weights, names, methods, n_views, space)
        found = merge_as_learned(merge, methods, n_proposals, images)
        note = f"merged as {settled.weights} says, which was learned elsewhere or before"
    else:
        judged = settled.labels
        merge = learn_merge(methods, judged, len(space))
        write_merge(merge, names, methods, n_views, space, project.root / MERGE_FILE)
        # What is used is what was written, so that it is the same here and wherever the file is taken.
        merge = read_merge(project.root / MERGE_FILE, names, methods, n_views, space)
        found = merge_as_learned(merge, methods, n_proposals, images)
        unseen = cross_fitted(methods, judged, len(space), n_proposals)
        for name in ("class_index", "score", "view", "source"):
            getattr(found, name)[judged.images] = getattr(unseen, name)
        note = (
            f"the merge was learned from {so_many(len(judged.images), 'image')} with settled labels; it is kept "
            f"in {MERGE_FILE}"
        )
    return Merged(
        found,
        (*names, TOGETHER),
        {"merge_sha256": _digest(merge, names)},
        (note, settled.note) if settled.note else (note,),
    )


def _digest(merge: LearnedMerge, names: Sequence[str]) -> str:
    parts = [json_like.tobytes() for json_like in (merge.weight, merge.together.indices, merge.together.data)]
    return hashlib.sha256(b"|".join([",".join(names).encode(), *parts, str(merge.bias).encode()])).hexdigest()


def _cut(merged: Merged, options: MergeOptions, settled: _Settled) -> Merged:
    assert options.miss is not None
    assert options.at_least is not None
    assert options.at_most is not None
    judged, found = settled.labels, merged.proposals
    sets = label_sets_of(judged)
    classes, score = found.class_index[judged.images], found.score[judged.images]
    at_most = min(options.at_most, classes.shape[1])
    cut = cut_by_score(share_missed(classes, sets), score, options.miss, min(options.at_least, at_most), at_most)
    n_settled, n_empty = len(sets), int((sets.n_labels == 0).sum())
    if cut is None:
        raise DatasetError(
            f"--miss {options.miss}: even {at_most} proposals an image miss more of the labels of the {n_settled:,} "
            "settled images, or these are too few to promise it on; allow a greater share, or settle more"
        )
    kept = cut.n_kept(found.score)
    is_over = np.arange(found.class_index.shape[1]) >= kept[:, None]
    shorter = MergedProposals(
        _without(found.class_index, is_over, -1),
        _without(found.score, is_over, np.nan),
        _without(found.view, is_over, 0),
        _without(found.source, is_over, -1),
    )
    has_proposals = found.class_index[:, :1].ravel() >= 0
    mean = float((shorter.class_index >= 0).sum(axis=1)[has_proposals].mean()) if has_proposals.any() else 0.0
    note = (
        f"{cut.at_least} to {cut.at_most} proposals an image, {mean:.1f} in the mean: on images like the {n_settled:,} "
        f"settled ones ({n_empty:,} of them without any label, which miss nothing), the expected share that is missed "
        f"is at most {options.miss:.1%}, of labels that somebody could find; only search probes bound the rest"
    )
    settings = {**merged.settings, "threshold": cut.threshold}
    return Merged(shorter, merged.names, settings, (*merged.notes, note, *([settled.note] if settled.note else [])))


def _without(values: npt.NDArray[Any], is_over: npt.NDArray[np.bool_], filler: float) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = np.where(is_over, np.array(filler, dtype=values.dtype), values)
    return found
