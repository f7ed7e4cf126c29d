"""Assignments written to a project's store."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.assignment.changes import Moves, hand_over, share_with, top_up
from pipeline.assignment.design import Plan, assign_images, check_people
from pipeline.assignment.gold import GOLD_FILE, mix_gold, project_gold, read_gold
from pipeline.assignment.tasks import TaskTable
from pipeline.errors import ProjectError
from pipeline.project.changing import note_change
from pipeline.project.folder import Project
from pipeline.project.image_table import image_indices, image_table
from pipeline.project.names import settled
from pipeline.project.wording import so_many
from pipeline.stages.class_pairs import keep_class_pairs
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.stages.worth_a_vote import expected_wrong_labels
from pipeline.store import Assignment, SqlStore, open_project_store
from pipeline.votes.words import AssignOrder, Round

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
    decided = {(row.annotator, row.image_index) for row in store.iter_states(round_) if row.state.is_done}
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
    order: AssignOrder = AssignOrder.SHUFFLED,
) -> AssignSummary:
    """Assign images that nobody has yet, and add annotators to images that have too few.

    Parameters
    ----------
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
    order
        Which images come first. `uncertain` also chooses, with `n_images`, which images that have too few annotators
        get another one.

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
        is_free = np.ones(_n_images(project), dtype=bool)
        is_free[tasks.image_index] = False
        is_free[list(answers)] = False
        free, lacking = np.flatnonzero(is_free), None
        if order is AssignOrder.UNCERTAIN:
            free, lacking = _most_uncertain(project, store, tasks, free, per_image, n_images)
        elif n_images is not None and n_images < len(free):
            free = np.random.default_rng(secret.seed("images", seed)).permutation(free)[:n_images]
        completed = top_up(tasks, names, per_image, barred=_refiners(store), only=lacking)
        n_topped_up = _give(store, completed)
        plan = assign_images(
            free,
            names,
            per_image,
            batch_size=batch_size,
            seed=secret.seed("assignment", seed),
            n_before=len(np.unique(tasks.image_index[~tasks.is_gold])),
            keep_order=order is AssignOrder.UNCERTAIN,
        )
        if answers:
            people = tasks.people_of_images()
            held = {name: [image for image in answers if name in people.get(image, ())] for name in names}
            plan = mix_gold(plan, answers, gold_share, held, seed=secret.seed("gold", seed))
        n_new = write_plan(store, Round.ANNOTATION, plan)
        loads = {name: progress.n_tasks for name, progress in store.annotators_of(Round.ANNOTATION).items()}
    keep_class_pairs(project)
    n_unassigned = int(is_free.sum()) - len(free)
    stuck = _image_ids(project, completed.stuck)
    n_gold = int(plan.is_gold.sum())
    return AssignSummary(len(free), n_new, n_gold, n_topped_up, n_unassigned, loads, stuck, len(answers))


def _most_uncertain(
    project: Project, store: SqlStore, tasks: TaskTable, free: NDArray[np.int64], per_image: int, n_images: int | None
) -> tuple[NDArray[np.int64], list[int]]:
    """Return the images to give out and those to complete, the most uncertain first, `n_images` of both together."""
    worth = expected_wrong_labels(project, read_project_votes(project, store))
    people = tasks.people_of_images()
    lacking = np.array([image for image, who in people.items() if len(who) < per_image], dtype=np.int64)
    lacking = np.setdiff1d(lacking, tasks.image_index[tasks.is_gold])
    pool = np.concatenate([lacking, free])
    pool = pool[np.argsort(-worth[pool], kind="stable")][:n_images]
    is_free = np.isin(pool, free)
    return pool[is_free], pool[~is_free].tolist()


def hand_over_project(project: Project, leaver: str, to: Sequence[str], *, round_: Round = Round.ANNOTATION) -> Moves:
    """Give the undecided work of someone who leaves a round to others; they keep their votes."""
    to = [settled(name) for name in to]
    with open_project_store(project) as store:
        tasks = read_tasks(store, round_)
        leaver = leaver if leaver in tasks.annotators else settled(leaver)
        moves = hand_over(tasks, leaver, list(to), barred=_barred(project, store, round_))
        store.add_annotators(to)
        moved = _move(store, round_, moves)
        if round_ is Round.ANNOTATION:
            store.set_left(leaver)
    text = f"{leaver} left the {round_} round; {so_many(len(moved.moves), 'undecided task')} went to {', '.join(to)}"
    note_change(project.root, "people leave", {"text": text})
    return moved


def share_project(
    project: Project,
    newcomers: Sequence[str],
    *,
    seed: int = 0,
    kind: str = "human",
    round_: Round = Round.ANNOTATION,
) -> Moves:
    """Move undecided work of a round to people who join halfway."""
    newcomers = [settled(name) for name in newcomers]
    with open_project_store(project) as store:
        own_seed = project.secret.seed("sharing", seed)
        barred = _barred(project, store, round_)
        moves = share_with(read_tasks(store, round_), list(newcomers), seed=own_seed, barred=barred)
        store.add_annotators(newcomers, kind=kind)
        moved = _move(store, round_, moves)
    text = f"{', '.join(newcomers)} joined the {round_} round and took {so_many(len(moved.moves), 'undecided task')}"
    note_change(project.root, "people join", {"text": text})
    return moved


def write_plan(store: SqlStore, round_: Round, plan: Plan) -> int:
    """Append a plan's tasks to the store, and return how many are new. Writing a plan twice changes nothing."""
    n_new, known = 0, dict[str, set[int]]()
    for start in range(0, len(plan), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = zip(
            plan.annotator[part].tolist(), plan.image_index[part].tolist(), plan.is_gold[part].tolist(), strict=True
        )
        tasks = [Assignment(plan.annotators[code], image, gold) for code, image, gold in rows]
        n_new += store.assign(round_, tasks, known)
    return n_new


def _refiners(store: SqlStore) -> dict[int, set[str]]:
    """Return who refines each image: refiners have seen its votes, so they can no longer be asked for a blind one."""
    refiners: dict[int, set[str]] = {}
    for task in store.assignments(Round.REFINEMENT):
        refiners.setdefault(task.image_index, set()).add(task.annotator)
    return refiners


def _barred(project: Project, store: SqlStore, round_: Round) -> dict[int, set[str]]:
    """Return who may not get each image in a round: whoever has it in the other one, unless the project allows that."""
    if round_ is Round.ANNOTATION:
        return _refiners(store)
    if project.settings.refinement.allow_own_images:
        return {}
    return store.annotators_of_images(Round.ANNOTATION, sorted(store.assigned_images(round_)))


def _move(store: SqlStore, round_: Round, moves: Moves) -> Moves:
    """Take tasks, see which were really taken (somebody may have just decided one), then give those to others."""
    takers = {(image, giver): taker for image, giver, taker in moves.moves}
    for giver in dict.fromkeys(giver for _, giver in takers):
        store.unassign(round_, giver, [image for image, name in takers if name == giver])
    kept = {(a.image_index, a.annotator) for a in store.assignments(round_)}
    gone = Moves(tuple((i, giver, takers[i, giver]) for i, giver in takers if (i, giver) not in kept), moves.stuck)
    store.assign(round_, [Assignment(taker, image) for image, _, taker in gone.moves])
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
            raise ProjectError(f"{kept} holds other answers; add the new rows to it, or remove it before giving --gold")
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
