"""Who settles which disputed image."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from pipeline.assignment.design import Plan, check_people
from pipeline.errors import ProjectError


def assign_refinement(
    image_indices: ArrayLike,
    annotators_of_image: Mapping[int, Iterable[str]],
    refiners: tuple[str, ...] | list[str],
    *,
    twice: Collection[int] = (),
    allow_own_images: bool = False,
    seed: int = 0,
) -> Plan:
    """Give each disputed image to refiners who did not annotate it.

    The images with the fewest possible refiners are dealt first, so that loads stay as even as the rule allows.

    Parameters
    ----------
    image_indices
        ``(n_images,)`` distinct images to settle.
    annotators_of_image
        Image index to the names of those who annotated it; an image without an entry was annotated by nobody.
    refiners
        Distinct names.
    twice
        Images that get two refiners, where there is one who may take it: what they agree on, nobody can put down to
        one person's slip.
    allow_own_images
        The project's `refinement.allow_own_images`: people's own images are allowed too.
    seed
        Fixes who gets what, and the order of everyone's list.

    Raises
    ------
    ProjectError
        If every refiner annotated an image; the message names it and who annotated it.
    """
    names = check_people(refiners, 1)
    images = np.asarray(image_indices, dtype=np.int32).reshape(-1)
    if len(np.unique(images)) != len(images):
        raise ProjectError("the same image would be refined twice; give each image index once")
    generator = np.random.default_rng(seed)
    images = generator.permutation(images)
    barred = {
        image: frozenset() if allow_own_images else frozenset(annotators_of_image.get(image, ())) & frozenset(names)
        for image in images.tolist()
    }
    for image, own in barred.items():
        if len(own) == len(names):
            raise ProjectError(
                f"image {image} was annotated by {', '.join(sorted(own))}, which leaves 0 of {len(names)} refiners for "
                "it, and it needs 1; name more refiners, or set refinement.allow_own_images in mlf.toml"
            )
    doubled = set(twice)
    n_takers = {image: 2 if image in doubled and len(names) - len(own) > 1 else 1 for image, own in barred.items()}
    order = sorted(images.tolist(), key=lambda image: -len(barred[image]))
    heap = [(0, rank, code) for rank, code in enumerate(generator.permutation(len(names)).tolist())]
    heapq.heapify(heap)
    takers: dict[int, list[int]] = {}
    for image in order:
        passed = []
        takers[image] = []
        while len(takers[image]) < n_takers[image]:
            load, rank, code = heapq.heappop(heap)
            if names[code] in barred[image]:
                passed.append((load, rank, code))
            else:
                takers[image].append(code)
                passed.append((load + 1, rank, code))
        for entry in passed:
            heapq.heappush(heap, entry)
    n_of_image = [n_takers[image] for image in images.tolist()]
    return Plan(
        annotators=names,
        annotator=np.array([code for image in images.tolist() for code in takers[image]], dtype=np.int32),
        image_index=np.repeat(images, n_of_image),
        is_gold=np.zeros(sum(n_of_image), dtype=bool),
    )
