"""Where a posterior is cut: against all possible cuts, by the theorem it rests on, and on labels drawn from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.consensus import Aim, AimKind, choose_cut, reach_consensus
from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays

posteriors = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=12).map(np.array)


def every_selection(posterior):
    """Yield what each possible cut would keep: all labels, all but the least sure ones, …, none."""
    for level in (-1.0, *np.unique(posterior)):
        yield posterior > level


def expected_f1(posterior, kept):
    if not kept.any():  # right where nothing applies, else worth nothing
        return np.prod(1 - posterior)
    return 2 * posterior[kept].sum() / (kept.sum() + posterior.sum())


@given(posteriors)
def test_for_f1_no_other_cut_has_a_greater_expected_f1(posterior):
    cut = choose_cut(posterior, Aim())
    best = max(expected_f1(posterior, kept) for kept in every_selection(posterior))
    assert expected_f1(posterior, posterior > cut.value) == pytest.approx(best)
    if posterior.any():
        assert cut.expected_f1 == pytest.approx(best)
    if (posterior > cut.value).any():
        assert cut.value == pytest.approx(best / 2)


@pytest.mark.parametrize("n_people", [1, 2, 5])
def test_where_everybody_says_no_to_everything_nothing_is_a_label(n_people):
    image, class_, person = (part.ravel() for part in np.indices((60, 5, n_people)))
    votes = VoteArrays.from_codes(image, class_, person, np.zeros(len(image), dtype=int))
    assert not reach_consensus(votes).label.any()
    assert not reach_consensus(VoteArrays.from_codes([0], [0], [0], [0])).label.any()


@given(posteriors, st.floats(0, 1))
def test_for_precision_as_many_labels_are_kept_as_the_level_allows(posterior, level):
    kept = posterior > choose_cut(posterior, Aim(AimKind.PRECISION, level)).value
    fitting = [
        chosen.sum() for chosen in every_selection(posterior) if chosen.any() and posterior[chosen].mean() >= level
    ]
    assert kept.sum() == max(fitting, default=0)


def test_labels_drawn_from_the_posterior_reach_the_f1_that_was_expected():
    generator = np.random.default_rng(4)
    posterior = generator.beta(0.3, 1.5, 200_000)
    truth = generator.random(len(posterior)) < posterior
    cut = choose_cut(posterior, Aim())

    def reached(value):
        kept = posterior > value
        return 2 * (kept & truth).sum() / (kept.sum() + truth.sum())

    assert reached(cut.value) == pytest.approx(cut.expected_f1, abs=0.01)
    assert all(reached(cut.value) > reached(value) - 0.005 for value in np.linspace(0.02, 0.98, 49))


def test_fixed_aims_cut_where_they_say():
    posterior = np.array([0.1, 0.75, 0.81])
    assert choose_cut(posterior, Aim(AimKind.POSTERIOR, 0.7)).value == 0.7
    published = choose_cut(posterior, Aim(AimKind.BEYER2020))
    assert published.value == 0.8
    assert (published.expected_precision, published.expected_recall) == pytest.approx((0.81, 0.81 / 1.66))


def test_nothing_to_cut_is_no_trouble_and_undefined():
    cut = choose_cut(np.zeros(0), Aim())
    assert (cut.expected_f1, cut.expected_precision, cut.expected_recall) == (None, None, None)


@pytest.mark.parametrize(
    ("words", "aim"),
    [
        ("f1", Aim()),
        (" F1 ", Aim()),
        ("beyer2020", Aim(AimKind.BEYER2020)),
        ("precision 0.9", Aim(AimKind.PRECISION, 0.9)),
        ("precision >= 0.9", Aim(AimKind.PRECISION, 0.9)),
        ("posterior=0.5", Aim(AimKind.POSTERIOR, 0.5)),
    ],
)
def test_an_aim_is_read_as_people_write_it(words, aim):
    assert Aim.parse(words) == aim
    assert Aim.parse(str(aim)) == aim


@pytest.mark.parametrize(
    "words", ["", "recall", "precision", "precision high", "posterior 1.2", "f1 0.5", "posterior nan"]
)
def test_an_aim_that_says_nothing_is_refused_with_those_there_are(words):
    with pytest.raises(DatasetError, match="aim"):
        Aim.parse(words)
