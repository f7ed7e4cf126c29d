"""Hidden gold images: known answers, mixed unmarked into everyone's work, and what people made of them.

A gold image looks like any other to the annotator. It is not part of the ordinary work: it measures a person, so how
many people meet it follows from the share of gold alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.annotation.folding import ImageState
from pipeline.assignment.design import Plan
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.csv_dialect import csv_rows
from pipeline.project.folder import Project
from pipeline.project.image_table import image_indices
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled
from pipeline.votes.words import Vote

#: Where a project keeps its answers.
GOLD_FILE = "gold.csv"
_LABEL_VALUES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_MAX_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class GoldScore:
    """What one annotator made of the gold images they decided.

    Attributes
    ----------
    n_decided
        Gold images decided.
    n_exact
        Of those, images whose label set is the answer, over the classes that were shown or voted on.
    n_votes, n_correct
        Votes on gold images, and those that say what the answer says; *unsure* is not correct.
    """

    n_decided: int
    n_exact: int
    n_votes: int
    n_correct: int

    @property
    def accuracy(self) -> float | None:
        """Return the share of images answered exactly, or None where none was decided."""
        return self.n_exact / self.n_decided if self.n_decided else None


def read_gold(path: Path, index_of: Mapping[str, int], label_space: LabelSpace) -> dict[int, frozenset[int]]:
    """Read known answers from a CSV with columns ``image``, ``class`` and, optionally, ``label``.

    Columns may be separated by semicolons or tabulators, too. One row for each class that applies to an image. A row
    with an empty class says that none applies; a row whose ``label`` is 0 says nothing that its absence would not.

    Parameters
    ----------
    path
        The file, in UTF-8.
    index_of
        Image id to image index.
    label_space
        The project's; classes are named by key.

    Returns
    -------
    dict
        Image index to the classes that apply.

    Raises
    ------
    DatasetError
        If the file lacks a column or names an image or a class that the project does not have; the row is named.
    """
    answers: dict[int, set[int]] = {}
    try:
        with csv_rows(path.open("rb"), path) as table:
            at = {name: table.position(name) for name in ("image", "class", "label")}
            missing = [name for name in ("class", "image") if at[name] is None]
            if missing:
                found = ", ".join(table.shown_header)
                raise DatasetError(
                    f"{path}: no column {missing[0]!r}; gold needs the columns image and class, found {found}"
                )
            for line, cells in table.rows:
                where = f"{path}, line {line}"
                if surplus := table.surplus(cells):
                    raise DatasetError(f"{where}: {surplus}")
                row = {name: settled(cells[i]) for name, i in at.items() if i is not None and i < len(cells)}
                image, key, label = (row.get(name, "") for name in at)
                if image not in index_of:
                    raise DatasetError(f"{where}: the project has no image {image!r}; use ids of images.parquet")
                applying = answers.setdefault(index_of[image], set())
                label = label.lower() or "1"
                if label not in _LABEL_VALUES:
                    raise DatasetError(f"{where}: label {label!r}; use 1 where the class applies, 0 where it does not")
                if key and _LABEL_VALUES[label]:
                    applying.add(_class_index(key, label_space, where))
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; gold is a CSV with the columns image and class") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read as CSV: {error}") from error
    if not answers:
        raise DatasetError(f"{path}: no answers; give one row for each class that applies to a gold image")
    return {image: frozenset(classes) for image, classes in answers.items()}


def project_gold(project: Project) -> dict[int, frozenset[int]]:
    """Return the project's known answers: image index to the classes that apply; empty where it has none.

    Raise `DatasetError` as :func:`read_gold` does.
    """
    path = project.root / GOLD_FILE
    answers = read_gold(path, image_indices(project), project.label_space) if path.exists() else {}
    if not project.label_space.gone:
        return answers
    now = project.current_classes
    # Which part of a split class applies, an answer cannot say: its image is no longer gold.
    return {
        image: frozenset(target for class_index in classes for target in now.of(class_index))
        for image, classes in answers.items()
        if all(len(now.of(class_index)) <= 1 for class_index in classes)
    }


def mix_gold(
    plan: Plan,
    gold_images: Collection[int],
    share: float,
    held: Mapping[str, Collection[int]] | None = None,
    *,
    seed: int = 0,
) -> Plan:
    """Mix gold images into each annotator's list at random places, evenly over its length.

    Parameters
    ----------
    plan
        Ordinary tasks.
    gold_images
        Images with known answers; none of them may be in the plan.
    share
        Share of each list that is gold in the end, in [0, 0.5]; fewer where there are not enough gold images.
    held
        Annotator to images that they have already.
    seed
        Fixes which images go where.

    Raises
    ------
    ProjectError
        If the share is out of range, or a gold image is among the ordinary tasks.
    """
    if not 0 <= share <= _MAX_SHARE:
        raise ProjectError(f"a gold share of {share}; it must lie between 0 and {_MAX_SHARE}")
    gold = np.array(sorted(gold_images), dtype=np.int32)
    both = np.intersect1d(gold, plan.image_index)
    if len(both):
        raise ProjectError(
            f"image {both[0]} is gold and ordinary work at once; leave gold images out of the ordinary work"
        )
    generator = np.random.default_rng(seed)
    parts: list[tuple[NDArray[np.float64], NDArray[np.int32], int, bool]] = []
    for code, name in enumerate(plan.annotators):
        places = np.flatnonzero(plan.annotator == code)
        free = gold[~np.isin(gold, list((held or {}).get(name, ())))]
        wanted = int(np.ceil(len(places) * share / (1 - share))) if share else 0
        chosen = generator.permutation(free)[:wanted]
        # One in each equal stretch of the list, anywhere within it: the check never pauses, and cannot be guessed.
        stretches = (np.arange(len(chosen)) + generator.random(len(chosen))) / max(1, len(chosen))
        slots = (stretches * len(places)).astype(int)
        parts.append((places[slots] + 0.5 if len(places) else slots.astype(float), chosen, code, True))
    keys = np.concatenate([np.arange(len(plan), dtype=float), *(part[0] for part in parts)])
    order = np.argsort(keys, kind="stable")
    return Plan(
        annotators=plan.annotators,
        annotator=np.concatenate([plan.annotator, *(np.full(len(p[1]), p[2], np.int32) for p in parts)])[order],
        image_index=np.concatenate([plan.image_index, *(part[1] for part in parts)])[order],
        is_gold=np.concatenate([plan.is_gold, *(np.full(len(p[1]), p[3]) for p in parts)])[order],
    )


def score_gold(answers: Mapping[int, frozenset[int]], states: Iterable[tuple[int, ImageState]]) -> GoldScore:
    """Compare one annotator's decided gold images with the answers.

    Parameters
    ----------
    answers
        Image index to the classes that apply.
    states
        ``(image_index, state)`` of the annotator's gold images; undecided ones are left out.
    """
    n_decided = n_exact = n_votes = n_correct = 0
    for image, state in states:
        if image not in answers or not state.is_decided:
            continue
        votes = state.exposed_votes()
        right = sum(vote == (Vote.YES if c in answers[image] else Vote.NO) for c, vote in votes.items())
        n_decided += 1
        n_votes += len(votes)
        n_correct += right
        n_exact += right == len(votes)
    return GoldScore(n_decided, n_exact, n_votes, n_correct)


def _class_index(key: str, label_space: LabelSpace, where: str) -> int:
    try:
        return label_space.index_of(key)
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from error
