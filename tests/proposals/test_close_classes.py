"""Close classes are those that are met together, against counting by hand."""

from __future__ import annotations

from collections import Counter
from math import sqrt

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.project.class_pairs import MOST_PARTNERS, ClassPair, partners_in, strongest
from pipeline.proposals.close_classes import close_classes

MET = st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6)), max_size=60)


def test_two_rare_classes_that_share_their_images_are_close_and_two_common_ones_are_not() -> None:
    sunglasses = [(1, 2), (2, 1)]  # one photograph of each: both are the first two of both
    dogs_and_cats = [(3, 4)] * 5 + [(3, 5)] * 20 + [(4, 6)] * 20
    one, other = np.array(sunglasses + dogs_and_cats).T
    assert close_classes(one, other, 2, 0.4) == [(1, 2), (3, 5), (4, 6)]
    assert close_classes(one, other, 3, 0.95) == []


@given(MET, st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.7]))
def test_closeness_is_the_cosine_of_the_images_they_are_met_on(
    met: list[tuple[int, int]], least: int, bound: float
) -> None:
    real = [tuple(sorted(pair)) for pair in met if min(pair) >= 0 and pair[0] != pair[1]]
    n_met = Counter(each for pair in real for each in pair)
    cosine = {pair: n / sqrt(n_met[pair[0]] * n_met[pair[1]]) for pair, n in Counter(real).items()}
    one, other = np.array(met, dtype=int).reshape(-1, 2).T
    found = close_classes(one, other, least, bound)
    assert set(found) == {pair for pair, n in Counter(real).items() if n >= least and cosine[pair] >= bound}
    assert [round(cosine[pair], 9) for pair in found] == sorted((round(cosine[p], 9) for p in found), reverse=True)


@given(MET)
def test_a_class_has_few_partners_and_the_strongest_pairs_stay(pairs: list[tuple[int, int]]) -> None:
    given_ = [ClassPair(one, other, "votes") for one, other in pairs]
    kept = strongest(given_)
    partners = partners_in(kept)
    assert max(map(len, partners.values()), default=0) <= MOST_PARTNERS
    assert all(one in partners[other] for one, others in partners.items() for other in others)
    left_out = {tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]} - {(p.one, p.other) for p in kept}
    for one, other in left_out:
        assert MOST_PARTNERS in (len(partners.get(one, ())), len(partners.get(other, ())))
