"""The design of an assignment: each image to n different people, in equal loads, every pair of people sharing images.

People take turns in a *schedule*, a cycle of groups of n that is laid over the images as often as it takes. Any
beginning of the schedule leaves loads within one of each other, so work may stop or be cut into parts anywhere.
For pairs the schedule is exact: every pair of people meets once a cycle, before any two meet again (a 1-factorisation
of the complete graph by the circle method for an even number of people, Walecki's Hamiltonian cycles for an odd one;
Alspach 2008, The wonderful Walecki construction, Bull. ICA 52). For larger groups it is greedy: always the people with
the least work, among them those who have met the least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import ProjectError

_MAX_GREEDY_CYCLE = 20_000


@dataclass(frozen=True, eq=False)
class Plan:
    """Tasks to be appended to the annotators' lists, in this order.

    Attributes
    ----------
    annotators
        Names.
    annotator
        int32 ``(n_tasks,)``: position in `annotators`.
    image_index
        int32 ``(n_tasks,)``.
    is_gold
        bool ``(n_tasks,)``: a hidden image with a known answer.
    """

    annotators: tuple[str, ...]
    annotator: NDArray[np.int32]
    image_index: NDArray[np.int32]
    is_gold: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self.annotator)

    @property
    def loads(self) -> dict[str, int]:
        """Return the number of tasks of each annotator."""
        counts = np.bincount(self.annotator, minlength=len(self.annotators))
        return dict(zip(self.annotators, counts.tolist(), strict=True))


def assign_images(
    image_indices: ArrayLike,
    annotators: tuple[str, ...] | list[str],
    per_image: int = 2,
    *,
    batch_size: int = 0,
    seed: int = 0,
    n_before: int = 0,
    keep_order: bool = False,
) -> Plan:
    """Give each image to `per_image` different annotators.

    Images are shuffled, so that nobody walks through one class after another. They are worked off in batches: nobody
    meets an image of the next batch before their own part of this one is over, and within a batch everyone has an order
    of their own. Work that stops early leaves whole batches with all their annotators.

    Parameters
    ----------
    image_indices
        ``(n_images,)`` distinct integers.
    annotators
        At least `per_image` distinct names.
    per_image
        People per image, from 1.
    batch_size
        Images in a batch; 0 chooses about twenty tasks per person.
    seed
        The same seed gives the same plan.
    n_before
        Images that these people were given in earlier parts: the schedule goes on after these, so that work cut into
        parts brings together everyone whom it would have brought together in one piece.
    keep_order
        Cut the images into batches in the order given, instead of shuffling them first.

    Raises
    ------
    ProjectError
        If there are too few annotators, or a name or an image is given twice.
    """
    names = check_people(annotators, per_image)
    images = np.asarray(image_indices, dtype=np.int32).reshape(-1)
    if len(np.unique(images)) != len(images):
        raise ProjectError("the same image would be assigned twice; give each image index once")
    if batch_size < 0:
        raise ProjectError(f"a batch of {batch_size} images; give a positive number, or 0 to have it chosen")
    generator = np.random.default_rng(seed)
    images = images if keep_order else generator.permutation(images)
    people = np.random.default_rng([seed, 1]).permutation(len(names)).astype(np.int32)  # the same for every part
    schedule = people[people_schedule(len(names), per_image, seed)]
    n_images = len(images)
    groups = schedule[(n_before + np.arange(n_images)) % len(schedule)] if n_images else schedule[:0]
    size = batch_size or max(1, math.ceil(20 * len(names) / per_image))
    batch = np.repeat(np.arange(n_images) // size, per_image)
    annotator = groups.reshape(-1)
    order = np.lexsort((generator.random(len(annotator)), batch))
    return Plan(
        annotators=names,
        annotator=annotator[order],
        image_index=np.repeat(images, per_image)[order],
        is_gold=np.zeros(len(annotator), dtype=bool),
    )


def people_schedule(n_people: int, per_image: int, seed: int = 0) -> NDArray[np.int32]:
    """Return the cycle of groups: ``(n_groups, per_image)`` codes below `n_people`, no code twice in a group.

    Every beginning leaves loads within one; a whole cycle leaves them equal.

    Parameters
    ----------
    n_people, per_image
        ``1 <= per_image <= n_people``.
    seed
        Breaks ties in groups of three and more.
    """
    if per_image == n_people:
        return np.arange(n_people, dtype=np.int32)[None]
    if per_image == 1:
        return np.arange(n_people, dtype=np.int32)[:, None]
    if per_image == 2:
        return _hamiltonian_pairs(n_people) if n_people % 2 else _round_robin_pairs(n_people)
    return _greedy_groups(n_people, per_image, seed)


def check_people(annotators: tuple[str, ...] | list[str], per_image: int) -> tuple[str, ...]:
    """Return the names as a tuple, or raise `ProjectError` where they cannot do the work."""
    names = tuple(annotators)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ProjectError(f"annotator {twice[0]!r} is named twice; name each person once")
    if per_image < 1:
        raise ProjectError(f"{per_image} annotators per image; give at least 1")
    if len(names) < per_image:
        raise ProjectError(
            f"{per_image} different people are to annotate each image, but {len(names)} "
            f"{'was' if len(names) == 1 else 'were'} named ({', '.join(names) or 'nobody'}); "
            f"name at least {per_image}, or ask for fewer with --per-image"
        )
    return names


def _round_robin_pairs(n_people: int) -> NDArray[np.int32]:
    """Return all pairs of an even number of people: rounds in which everyone meets someone once."""
    turning = np.arange(n_people - 1)
    rounds = []
    for shift in range(n_people - 1):
        ring = np.concatenate([[n_people - 1], np.roll(turning, shift)])
        rounds.append(np.column_stack([ring[: n_people // 2], ring[n_people // 2 :][::-1]]))
    return np.concatenate(rounds).astype(np.int32)


def _hamiltonian_pairs(n_people: int) -> NDArray[np.int32]:
    """Return all pairs of an odd number of people: cycles through everyone, taken two steps at a time."""
    m = n_people - 1
    zigzag = np.array([(i + 1) // 2 if i % 2 else -(i // 2) for i in range(m)])
    cycles = []
    for shift in range(m // 2):
        walk = np.concatenate([[m], (zigzag + shift) % m])
        twice_round = np.tile(walk, 2)
        cycles.append(twice_round.reshape(-1, 2))
    return np.concatenate(cycles).astype(np.int32)


def _greedy_groups(n_people: int, per_image: int, seed: int) -> NDArray[np.int32]:
    generator = np.random.default_rng(seed)
    step = math.lcm(n_people, per_image) // per_image
    enough = math.ceil(4 * math.comb(n_people, 2) / math.comb(per_image, 2))
    meetings = np.zeros((n_people, n_people), dtype=np.int64)
    loads = np.zeros(n_people, dtype=np.int64)
    groups: list[list[int]] = []
    while True:
        for _ in range(step):
            group: list[int] = []
            tie = generator.random(n_people)
            for _ in range(per_image):
                met = meetings[group].sum(axis=0) if group else meetings.sum(axis=0)
                free = np.ones(n_people, dtype=bool)
                free[group] = False
                candidates = np.flatnonzero(free & (loads == loads[free].min()))
                group.append(int(candidates[np.lexsort((tie[candidates], met[candidates]))[0]]))
            for member in group:
                meetings[member, group] += 1
                meetings[member, member] = 0
            loads[group] += 1
            groups.append(group)
        everyone_met = (meetings + np.eye(n_people, dtype=np.int64)).min() > 0
        if (len(groups) >= enough and everyone_met) or len(groups) >= _MAX_GREEDY_CYCLE:
            return np.array(groups, dtype=np.int32)
