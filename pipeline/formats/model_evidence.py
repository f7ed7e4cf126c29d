"""Pair models' rankings from a file with votes made elsewhere: evidence on what was voted on, and beyond."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.evidence import (
    EVIDENCE_KINDS,
    Evidence,
    EvidenceKind,
    ModelRanking,
    ModelSupport,
    model_evidence,
    original_evidence,
    ranked_but_not_asked,
)
from pipeline.consensus.known import original_of_pairs
from pipeline.consensus.result import Consensus
from pipeline.consensus.suggestions import suggest_labels
from pipeline.datasets.manifest import is_manifest, manifest_records, read_labels
from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError
from pipeline.formats.predictions_npz import read_predictions
from pipeline.images.locations import same_image_key, without_image_suffix
from pipeline.project.class_references import ClassNumbers, read_class_references
from pipeline.project.label_space import LabelSpace
from pipeline.project.notices import tell
from pipeline.project.wording import so_many
from pipeline.votes.arrays import VoteArrays


@dataclass(frozen=True, eq=False)
class PairedModels:
    """What models and original labels say about the images of some votes.

    Attributes
    ----------
    evidence
        Evidence on every item; ``None`` if only the original label is wanted.
    original
        ``(n_items,)``, as :func:`pipeline.consensus.match_original` returns it; ``None`` if it is not wanted or no
        image has one.
    told
        What was paired and what was not, as lines of text.
    """

    evidence: Evidence | None
    original: NDArray[np.int8] | None
    told: tuple[str, ...]
    _rankings: dict[str, NDArray[np.integer]]
    _row_of_image: NDArray[np.int64]
    _index_of_class: NDArray[np.int64]
    _original_of_row: NDArray[np.int64]
    _kinds: tuple[EvidenceKind, ...]

    def suggestions(self, consensus: Consensus, votes: VoteArrays) -> pd.DataFrame:
        """Return labels that models believe in and nobody was asked about: ``image``, ``class``, ``probability``.

        See :func:`pipeline.consensus.suggestions.suggest_labels`. Empty without models.
        """
        if self.evidence is None:
            return pd.DataFrame({"image": [], "class": [], "probability": []})
        row = self._row_of_image[votes.item_image]
        asked = row >= 0
        rows, classes = ranked_but_not_asked(
            self._rankings.values(),
            max(len(self._index_of_class), int(self._index_of_class.max(initial=-1)) + 1, _n_classes(self._rankings)),
            row[asked],
            self._index_of_class[votes.item_class[asked]],
        )
        image_of_row, code_of_index = _inverse(self._row_of_image), _inverse(self._index_of_class)
        image = _look_up(image_of_row, rows)
        code = _look_up(code_of_index, classes)
        is_named = (image >= 0) & (code >= 0)
        rows, classes, image, code = rows[is_named], classes[is_named], image[is_named], code[is_named]
        support = ModelSupport(rows, classes)
        for name, order in self._rankings.items():
            support.add(ModelRanking(name, order))
        evidence = support.evidence(self._kinds)
        if self.original is not None:
            given = original_of_pairs(self._original_of_row, rows, classes)
            evidence = original_evidence(given).joined(evidence)
        found = suggest_labels(consensus, votes, image, code, evidence)
        return found.assign(
            image=votes.images.take(found["image"].to_numpy(dtype=np.int64)),
            **{"class": votes.classes.take(found["class"].to_numpy(dtype=np.int64))},
        )


def read_model_evidence(
    images: Path,
    predictions: Path | None,
    votes: VoteArrays,
    space: LabelSpace,
    *,
    kinds: Sequence[EvidenceKind] = EVIDENCE_KINDS,
    leave_out: Sequence[str] = (),
    numbers: ClassNumbers = "auto",
) -> PairedModels:
    """Read a manifest and models' rankings, and pair them with votes by the images' names.

    Parameters
    ----------
    images
        Manifest with one row per image, in the order of the rankings, and the image's original label if it has one.
    predictions
        A file for :func:`pipeline.formats.predictions_npz.read_predictions`; ``None`` for original labels alone.
    votes
        Their images are paired by name, with or without the file's ending. Their classes are indices, keys or names of
        `space`.
    space
        The label space that the rankings' class indices refer to.
    kinds
        Which evidence to use.
    leave_out
        Models that give no evidence, such as one that will be evaluated.
    numbers
        How class numbers of the votes and the manifest are read (:mod:`pipeline.project.class_references`).

    Raises
    ------
    DatasetError
        If a file cannot be read, no image of the votes can be paired, a class of the votes is unknown, a model to leave
        out does not exist, or no model is left.
    """
    if not is_manifest(str(images)) or not images.is_file():
        raise DatasetError(f"{images}: give --images a .csv, .tsv or .parquet with one row an image")
    labels = read_labels(str(images), space, numbers)
    records = list(manifest_records(str(images), space, "", has_files=False, labels=labels))
    row_of_image, told = _pair_images(records, votes, images)
    index_of_class = _pair_classes(votes, space, predictions or images, numbers)
    label = np.array(
        [-1 if isinstance(row, SkippedRow) or row.label is None else row.label for row in records], dtype=np.int64
    )
    original = None
    if "original" in kinds:
        original = _original_of_items(votes, row_of_image, index_of_class, label)
    evidence, rankings = None, dict[str, NDArray[np.integer]]()
    if predictions is not None and set(kinds) != {"original"}:
        rankings = read_predictions(predictions, len(records), len(space), str(images))
        unknown = [name for name in leave_out if name not in rankings]
        if unknown:
            raise DatasetError(
                f"{predictions} has no model {unknown[0]!r} to leave out; --leave-out-model takes one of these: "
                f"{', '.join(rankings)}"
            )
        rankings = {name: order for name, order in rankings.items() if name not in leave_out}
        if not rankings:
            raise DatasetError(
                f"{predictions}: every model is left out; name fewer with --leave-out-model, or say --evidence votes"
            )
        evidence = model_evidence(
            votes, rankings, row_of_image=row_of_image, class_index=index_of_class, kinds=tuple(kinds)
        )
        told = (*told, f"Evidence comes from {so_many(len(rankings), 'model')}{_left_out(leave_out)}.")
    return PairedModels(evidence, original, told, rankings, row_of_image, index_of_class, label, tuple(kinds))


def _left_out(names: Sequence[str]) -> str:
    return f"; left out: {', '.join(names)}" if names else ""


def _pair_images(records: Sequence[Any], votes: VoteArrays, path: Path) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the row of each image of the votes (-1 for none), and lines of text about the pairing."""
    listed = [_name_in(row) for row in records]
    voted = [str(name) for name in votes.images.tolist()]
    is_exact = set(voted) <= set(listed)
    key = str if is_exact else without_image_suffix
    n_named = Counter(key(name) for name in listed if name)
    row_of = {key(name): row for row, name in enumerate(listed) if name and n_named[key(name)] == 1}
    found = np.array([row_of.get(key(same_image_key(name, None)), -1) for name in voted], dtype=np.int64)
    is_voted = np.zeros(len(voted), dtype=bool)
    is_voted[votes.item_image] = True
    n_paired, n_voted = int((is_voted & (found >= 0)).sum()), int(is_voted.sum())
    if n_paired == 0:
        first = next((name for name in listed if name), "nothing")
        raise DatasetError(
            f"{path} names none of the {so_many(n_voted, 'image')} that were voted on; it begins with {first!r}, the "
            f"votes with {voted[0]!r}"
        )
    told = [f"{n_paired:,} of {n_voted:,} images are named in {path.name}."]
    if n_paired < n_voted:
        missing = next(name for name, row, used in zip(voted, found, is_voted, strict=True) if used and row < 0)
        told.append(f"The others have no evidence beside their votes; the first is {missing!r}.")
    twice = [name for name, n in n_named.items() if n > 1]
    if twice:
        told.append(f"{len(twice):,} names stand twice in {path.name} and are left aside; the first is {twice[0]!r}.")
    return found, tuple(told)


def _name_in(row: Any) -> str:
    return same_image_key(row.image_id, None) if row.image_id else ""


def _pair_classes(votes: VoteArrays, space: LabelSpace, path: Path, numbers: ClassNumbers) -> NDArray[np.int64]:
    """Return the index of each class of the votes in the label space."""
    names = votes.classes.tolist()
    if votes.classes.dtype.kind in "iu":
        found = np.array([name if 0 <= name < len(space) else -1 for name in names], dtype=np.int64)
    else:
        reading = read_class_references({str(name) for name in names}, space, "the votes' classes", numbers)
        if reading.told:
            tell(reading.told)
        found = np.array([reading.index_of.get(str(name), -1) for name in names], dtype=np.int64)
    is_voted = np.zeros(len(names), dtype=bool)
    is_voted[votes.item_class] = True
    wrong = np.flatnonzero(is_voted & (found < 0))
    if len(wrong):
        raise DatasetError(
            f"the votes name the class {names[wrong[0]]!r}, which is not among the {so_many(len(space), 'class')} of "
            f"{space.name} that {path.name} counts; name the label space with --classes"
        )
    return found


def _original_of_items(
    votes: VoteArrays, row_of_image: NDArray[np.int64], index_of_class: NDArray[np.int64], label: NDArray[np.int64]
) -> NDArray[np.int8] | None:
    of_image = np.where(row_of_image >= 0, label[row_of_image], -1)
    if not (of_image >= 0).any():
        return None
    return original_of_pairs(of_image, votes.item_image, index_of_class[votes.item_class])


def _n_classes(rankings: dict[str, NDArray[np.integer]]) -> int:
    return 1 + max((int(order.max(initial=-1)) for order in rankings.values()), default=-1)


def _inverse(position: NDArray[np.int64]) -> NDArray[np.int64]:
    inverse = np.full(int(position.max(initial=-1)) + 1, -1, dtype=np.int64)
    known = np.flatnonzero(position >= 0)
    inverse[position[known]] = known
    return inverse


def _look_up(table: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.full(len(keys), -1, dtype=np.int64)
    inside = keys < len(table)
    found[inside] = table[keys[inside]]
    return found
