"""Changes half-way: work of someone who left, new people, images that lack an annotator.

Only work that is not decided moves; a vote stays with whoever gave it. Nobody gets an image twice, and what is
left to do stays as even as that allows.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.assignment.design import check_people
from pipeline.assignment.tasks import TaskTable
from pipeline.errors import ProjectError


@dataclass(frozen=True)
class Moves:
    """Tasks that change hands.

    Attributes
    ----------
    moves
        ``(image_index, from, to)``; from is ``""`` for work that nobody had.
    stuck
        Images that none of the people named may take, because they have them already.
    """

    moves: tuple[tuple[int, str, str], ...]
    stuck: tuple[int, ...] = ()


def hand_over(
    tasks: TaskTable,
    leaver: str,
    to: tuple[str, ...] | list[str],
    *,
    barred: Mapping[int, Collection[str]] | None = None,
) -> Moves:
    """Give someone's undecided work to others.

    Gold images are not handed over: they measure a person, not an image.

    Parameters
    ----------
    leaver
        Whose work moves.
    to
        Who takes it; those with the least left to do come first.
    barred
        Image index to the names that must not get it: its refiners, who see what others said of it.

    Raises
    ------
    ProjectError
        If the leaver has no tasks at all, or is among those who take over.
    """
    names = check_people(to, 1)
    if leaver not in tasks.annotators:
        raise ProjectError(
            f"{leaver!r} has no tasks to hand over; --from takes one of {', '.join(tasks.annotators) or 'nobody'}"
        )
    if leaver in names:
        raise ProjectError(f"{leaver!r} cannot take over their own work; name others with --to")
    mine = (tasks.annotator == tasks.annotators.index(leaver)) & ~tasks.is_done & ~tasks.is_gold
    images = tasks.image_index[mine].tolist()
    given, stuck = _deal(images, _with_barred(tasks.people_of_images(), barred), tasks.n_left(names))
    return Moves(tuple((image, leaver, name) for image, name in given), stuck)


def share_with(
    tasks: TaskTable,
    newcomers: tuple[str, ...] | list[str],
    *,
    seed: int = 0,
    barred: Mapping[int, Collection[str]] | None = None,
) -> Moves:
    """Move undecided work from those who have it to newcomers, until what is left is even.

    Work comes from whoever has the most left, from anywhere in their list, so that newcomers share images with
    everyone.

    Parameters
    ----------
    newcomers
        Who joins; someone who has tasks already may be among them and is then filled up like the others.
    seed
        Chooses which tasks move.
    barred
        As for :func:`hand_over`.

    Raises
    ------
    ProjectError
        If a name is given twice or none is given.
    """
    names = check_people(newcomers, 1)
    people = _with_barred(tasks.people_of_images(), barred)
    generator = np.random.default_rng(seed)
    everyone = tuple(dict.fromkeys((*tasks.annotators, *names)))
    left = tasks.n_left(everyone)
    movable = {
        name: generator.permutation(
            tasks.image_index[(tasks.annotator == code) & ~tasks.is_done & ~tasks.is_gold]
        ).tolist()
        for code, name in enumerate(tasks.annotators)
        if name not in names
    }
    moves: list[tuple[int, str, str]] = []
    while True:
        givers = [name for name in movable if movable[name]]
        if not givers:
            break
        giver = max(givers, key=left.__getitem__)
        if left[giver] - min(left[name] for name in names) <= 1:
            break
        image = movable[giver].pop()
        able = [name for name in names if name not in people[image] and left[giver] - left[name] > 1]
        if not able:
            continue
        taker = min(able, key=left.__getitem__)
        people[image] = (people[image] - {giver}) | {taker}
        left[giver] -= 1
        left[taker] += 1
        moves.append((image, giver, taker))
    return Moves(tuple(moves))


def top_up(
    tasks: TaskTable,
    annotators: tuple[str, ...] | list[str],
    per_image: int,
    *,
    barred: Mapping[int, Collection[str]] | None = None,
    only: Sequence[int] | None = None,
) -> Moves:
    """Find people for images that were assigned to fewer than `per_image`.

    This completes a change that was cut off half-way, and adds a third opinion to images that had two.

    Parameters
    ----------
    annotators
        Who may be given more.
    per_image
        People that each image needs.
    barred
        As for :func:`hand_over`.
    only
        Images to be completed, in the order to hand them out; left out: all.
    """
    names = check_people(annotators, 1)
    people = tasks.people_of_images()
    gold = set(tasks.image_index[tasks.is_gold].tolist())
    images = [
        image
        for image in (people if only is None else only)
        if image not in gold
        for _ in range(per_image - len(people.get(image, ())))
    ]
    given, stuck = _deal(images, _with_barred(people, barred), tasks.n_left(names))
    return Moves(tuple((image, "", name) for image, name in given), stuck)


def _with_barred(people: dict[int, set[str]], barred: Mapping[int, Collection[str]] | None) -> dict[int, set[str]]:
    """Return who may not get an image: those who have it, and those who are barred from it."""
    return {image: who | set((barred or {}).get(image, ())) for image, who in people.items()}


def _deal(
    images: Iterable[int], people: dict[int, set[str]], left: dict[str, int]
) -> tuple[list[tuple[int, str]], tuple[int, ...]]:
    """Deal each image to whoever has the least left and does not have it; `people` is updated on the way."""
    heap = [(n, rank, name) for rank, (name, n) in enumerate(left.items())]
    heapq.heapify(heap)
    given: list[tuple[int, str]] = []
    stuck: list[int] = []
    for image in images:
        passed: list[tuple[int, int, str]] = []
        while heap and heap[0][2] in people[image]:
            passed.append(heapq.heappop(heap))
        if heap:
            n, rank, name = heap[0]
            heapq.heapreplace(heap, (n + 1, rank, name))
            people[image].add(name)
            given.append((image, name))
        else:
            stuck.append(image)
        for entry in passed:
            heapq.heappush(heap, entry)
    return given, tuple(stuck)
