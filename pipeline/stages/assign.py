"""Assignments written to a project's store."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.assignment.changes import Moves, hand_over, share_with, top_up
from pipeline.assignment.design import Plan, assign_images, check_people
from pipeline.assignment.gold import GOLD_FILE, mix_gold, project_gold, read_gold
from pipeline.assignment.tasks import TaskTable
from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.image_table import image_indices, image_table
from pipeline.project.names import settled
from pipeline.store import Assignment, SqlStore, open_project_store
from pipeline.votes.words import Round

#: How many tasks one transaction writes: this bounds the memory that a big assignment needs.
_CHUNK = 200_000


@dataclass(frozen=True, slots=True)
class AssignSummary:
    """What an assignment did.

    Attributes
    ----------
    n_images
        Images newly assigned, without gold.
    n_tasks, n_gold
        New tasks, and how many of them are gold.
    n_topped_up
        New tasks for images that had too few annotators.
    n_unassigned
        Images not assigned to anybody yet.
    loads
        From annotator to the number of all their tasks in the round.
    stuck
        Ids of the images that still have too few annotators, because everyone named already annotates or refines them.
    n_answers
        Images whose answers the project knows (gold).
    """

    n_images: int
    n_tasks: int
    n_gold: int
    n_topped_up: int
    n_unassigned: int
    loads: dict[str, int]
    stuck: tuple[str, ...] = ()
    n_answers: int = 0


def read_tasks(store: SqlStore, round_: Round = Round.ANNOTATION) -> TaskTable:
    """Read all tasks of a round."""
    assignments = store.assignments(round_)
    names = tuple(dict.fromkeys(a.annotator for a in assignments))
    code = {name: i for i, name in enumerate(names)}
    decided = {(row.annotator, row.image_index) for row in store.iter_states(round_) if row.state.is_decided}
    return TaskTable(
        annotators=names,
        annotator=np.array([code[a.annotator] for a in assignments], dtype=np.int32),
        image_index=np.array([a.image_index for a in assignments], dtype=np.int32),
        is_done=np.array([(a.annotator, a.image_index) in decided for a in assignments], dtype=bool),
        is_gold=np.array([a.is_gold for a in assignments], dtype=bool),
    )


def assign_project(
    project: Project,
    annotators: Sequence[str],
    per_image: int,
    *,
    n_images: int | None = None,
    batch_size: int = 0,
    gold: Path | None = None,
    gold_share: float = 0.02,
    seed: int = 0,
    kind: str = "human",
) -> AssignSummary:
    """Assign images that nobody has yet, and add annotators to images that have too few.

    Parameters
    ----------
    project
        An open project.
    annotators
        Their names; new ones are added to the store.
    per_image
        How many different people each image goes to.
    n_images
        How many more images to assign; None for all that are left.
    batch_size
        See :func:`pipeline.assignment.assign_images`.
    gold
        CSV of known answers, from then on kept in the project as `gold.csv`; None uses what the project has.
    gold_share
        Share of each annotator's new work that is gold.
    seed
        The same seed on the same project gives the same assignment; nobody without the project can foresee it.
    kind
        ``human``, or ``simulated`` for programs.

    Raises
    ------
    ProjectError, DatasetError
        If there are too few annotators, or the gold file does not fit the project.
    """
    names = check_people([settled(name) for name in annotators], per_image)
    answers = _gold_answers(project, gold)
    secret = project.secret
    with open_project_store(project) as store:
        store.add_annotators(names, kind=kind)
        tasks = read_tasks(store)
        completed = top_up(tasks, names, per_image, barred=_refiners(store))
        n_topped_up = _give(store, completed)
        n_all = _n_images(project)
        is_free = np.ones(n_all, dtype=bool)
        is_free[tasks.image_index] = False
        is_free[list(answers)] = False
        free = np.flatnonzero(is_free)
        if n_images is not None and n_images < len(free):
            free = np.random.default_rng(secret.seed("images", seed)).permutation(free)[:n_images]
        plan = assign_images(
            free,
            names,
            per_image,
            batch_size=batch_size,
            seed=secret.seed("assignment", seed),
            n_before=len(np.unique(tasks.image_index[~tasks.is_gold])),
        )
        if answers:
            people = tasks.people_of_images()
            held = {name: [image for image in answers if name in people.get(image, ())] for name in names}
            plan = mix_gold(plan, answers, gold_share, held, seed=secret.seed("gold", seed))
        n_new = write_plan(store, Round.ANNOTATION, plan)
        loads = {name: progress.n_tasks for name, progress in store.annotators_of(Round.ANNOTATION).items()}
    n_unassigned = int(is_free.sum()) - len(free)
    stuck = _image_ids(project, completed.stuck)
    n_gold = int(plan.is_gold.sum())
    return AssignSummary(len(free), n_new, n_gold, n_topped_up, n_unassigned, loads, stuck, len(answers))


def hand_over_project(project: Project, leaver: str, to: Sequence[str]) -> Moves:
    """Give the undecided work of someone who leaves the annotation round to others."""
    to = [settled(name) for name in to]
    with open_project_store(project) as store:
        tasks = read_tasks(store)
        leaver = leaver if leaver in tasks.annotators else settled(leaver)
        moves = hand_over(tasks, leaver, list(to), barred=_refiners(store))
        store.add_annotators(to)
        return _move(store, moves)


def share_project(project: Project, newcomers: Sequence[str], *, seed: int = 0, kind: str = "human") -> Moves:
    """Move undecided work of the annotation round to people who join halfway."""
    newcomers = [settled(name) for name in newcomers]
    with open_project_store(project) as store:
        own_seed = project.secret.seed("sharing", seed)
        moves = share_with(read_tasks(store), list(newcomers), seed=own_seed, barred=_refiners(store))
        store.add_annotators(newcomers, kind=kind)
        return _move(store, moves)


def write_plan(store: SqlStore, round_: Round, plan: Plan) -> int:
    """Append a plan's tasks to the store, and return how many are new. Writing a plan twice changes nothing."""
    n_new = 0
    for start in range(0, len(plan), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = zip(
            plan.annotator[part].tolist(), plan.image_index[part].tolist(), plan.is_gold[part].tolist(), strict=True
        )
        n_new += store.assign(round_, [Assignment(plan.annotators[code], image, gold) for code, image, gold in rows])
    return n_new


def _refiners(store: SqlStore) -> dict[int, set[str]]:
    """Return who refines each image: refiners have seen its votes, so they can no longer be asked for a blind one."""
    refiners: dict[int, set[str]] = {}
    for task in store.assignments(Round.REFINEMENT):
        refiners.setdefault(task.image_index, set()).add(task.annotator)
    return refiners


def _move(store: SqlStore, moves: Moves) -> Moves:
    """Take tasks, see which were really taken (somebody may have just decided one), then give those to others."""
    takers = {(image, giver): taker for image, giver, taker in moves.moves}
    for giver in dict.fromkeys(giver for _, giver in takers):
        store.unassign(Round.ANNOTATION, giver, [image for image, name in takers if name == giver])
    kept = {(a.image_index, a.annotator) for a in store.assignments(Round.ANNOTATION)}
    gone = Moves(tuple((i, giver, takers[i, giver]) for i, giver in takers if (i, giver) not in kept), moves.stuck)
    _give(store, gone)
    return gone


def _give(store: SqlStore, moves: Moves) -> int:
    return store.assign(Round.ANNOTATION, [Assignment(taker, image) for image, _, taker in moves.moves])


def _gold_answers(project: Project, gold: Path | None) -> dict[int, frozenset[int]]:
    if gold is None:
        return project_gold(project)
    answers = read_gold(gold, image_indices(project), project.label_space)
    kept = project.root / GOLD_FILE
    if gold.resolve() != kept.resolve():
        if kept.exists() and kept.read_bytes() != gold.read_bytes():
            raise ProjectError(f"{kept} holds other answers; add the new rows to it, or remove it first")
        shutil.copyfile(gold, kept)
    return answers


def _n_images(project: Project) -> int:
    import pyarrow.parquet as pq

    n_rows: int = pq.read_metadata(image_table(project)).num_rows
    return n_rows


def _image_ids(project: Project, indices: Sequence[int]) -> tuple[str, ...]:
    """Return the ids of these images, without repeats, in the manifest's order."""
    wanted = set(indices)
    if not wanted:
        return ()
    return tuple(image_id for image_id, index in image_indices(project).items() if index in wanted)
