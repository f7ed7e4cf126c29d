"""Classes that are easily taken for each other, beside each other: in which order an image's proposals are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def beside(classes: Sequence[int], partners: Mapping[int, Sequence[int]], page_size: int = 0) -> list[int]:
    """Return the order in which classes are shown, so that each is followed by the one it is most easily taken for.

    The order stays as it is for everything that has no partner here and for the first of each pair; its partner
    follows it. A class follows at most one other, and brings no partner of its own along. Where the first of a pair
    would be the last of a page, the next class without a partner takes that place: both are then on one page.

    Parameters
    ----------
    classes
        Class indices, each once, in the order in which they would be shown otherwise.
    partners
        Class index to those that it is taken for, the likeliest first.
    page_size
        How many classes are on the screen at once; 0 for all.

    Returns
    -------
    list of int
        Places in `classes`, each once.
    """
    place_of = {class_index: place for place, class_index in enumerate(classes)}
    units: list[list[int]] = []
    taken: set[int] = set()
    for place, class_index in enumerate(classes):
        if place in taken:
            continue
        taken.add(place)
        here = (place_of[other] for other in partners.get(class_index, ()) if other in place_of)
        partner = next((other for other in here if other not in taken), None)
        units.append([place] if partner is None else [place, partner])
        taken.update(units[-1])
    if page_size > 1:
        units = _within_pages(units, page_size)
    return [place for unit in units for place in unit]


def _within_pages(units: list[list[int]], page_size: int) -> list[list[int]]:
    waiting, found, n_before = list(units), list[list[int]](), 0
    while waiting:
        at = 0
        if len(waiting[0]) == 2 and n_before % page_size == page_size - 1:
            at = next((i for i, unit in enumerate(waiting) if len(unit) == 1), 0)
        found.append(waiting.pop(at))
        n_before += len(found[-1])
    return found
