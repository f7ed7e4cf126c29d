"""Classes that are easily taken for each other stand beside each other; nothing else moves, is lost or is doubled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotation.beside import beside

CLASSES = st.lists(st.integers(0, 30), unique=True, max_size=24)
PARTNERS = st.dictionaries(st.integers(0, 30), st.lists(st.integers(0, 30), unique=True, max_size=3), max_size=20)


def shown(classes: list[int], partners: dict[int, list[int]], page_size: int = 0) -> list[int]:
    places = beside(classes, partners, page_size)
    assert sorted(places) == list(range(len(classes)))  # nothing lost, nothing doubled
    return [classes[place] for place in places]


def pairs_by_hand(classes: list[int], partners: dict[int, list[int]]) -> list[tuple[int, int]]:
    """Pair each class, the best first, with the likeliest of its partners that is here and still free."""
    free, pairs = list(classes), []
    while free:
        first = free.pop(0)
        for other in partners.get(first, []):
            if other in free:
                free.remove(other)
                pairs.append((first, other))
                break
    return pairs


@given(CLASSES, PARTNERS)
def test_each_first_keeps_its_place_in_the_order_and_its_partner_follows(
    classes: list[int], partners: dict[int, list[int]]
) -> None:
    order, pairs = shown(classes, partners), pairs_by_hand(classes, partners)
    for first, partner in pairs:
        assert order[order.index(first) + 1] == partner
    followers = {partner for _, partner in pairs}
    assert [c for c in order if c not in followers] == [c for c in classes if c not in followers]


@given(CLASSES, PARTNERS, st.integers(2, 7))
def test_a_pair_is_on_one_page_as_long_as_any_single_class_can_fill_the_page_before(
    classes: list[int], partners: dict[int, list[int]], page_size: int
) -> None:
    order, pairs = shown(classes, partners, page_size), pairs_by_hand(classes, partners)
    paired = {each for pair in pairs for each in pair}
    singles = [c for c in order if c not in paired]
    assert singles == [c for c in classes if c not in paired]
    for first, partner in pairs:
        place = order.index(first)
        assert order[place + 1] == partner
        if place % page_size == page_size - 1:  # torn apart
            assert not set(singles) & set(order[place:])


@given(CLASSES, st.integers(0, 7))
def test_without_partners_the_order_stays(classes: list[int], page_size: int) -> None:
    assert shown(classes, {}, page_size) == classes
    assert shown(classes, {c: [99] for c in classes}, page_size) == classes
