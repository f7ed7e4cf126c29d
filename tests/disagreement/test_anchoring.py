"""The experiment's effects: intervals that hold a planted effect as often as they say, and plain counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from pipeline.disagreement.anchoring import TrialVotes, anchoring_effects

N_IMAGES, N_RANKS, N_PEOPLE = 200, 6, 2
#: How often a class applies by its rank, and how often people tick what does not apply.
APPLIES = np.array([0.75, 0.35, 0.2, 0.1, 0.05, 0.02])
ALARM, MISS = 0.03, 0.12


def simulated_trial(generator: np.random.Generator, lift: float, share: float = 0.3) -> tuple[TrialVotes, np.ndarray]:
    """Return votes of a simulated experiment, and the effect to expect at each rank.

    The usual way lifts what is ticked at rank 1 by `lift`, in probability, where the class does not apply; the
    condition takes that away. Annotators look at the same images, which differ in how hard they are.
    """
    applies = generator.random((N_IMAGES, N_RANKS)) < APPLIES
    hard = generator.normal(0, 1, (N_IMAGES, N_RANKS))  # shared by the annotators of an image
    shuffled = generator.random((N_IMAGES, N_PEOPLE)) < share
    noise = generator.normal(0, 1, (N_PEOPLE, N_IMAGES, N_RANKS))
    draw = norm.cdf((hard + noise) / np.sqrt(2))  # uniform for each vote, and correlated within an image
    lifted = np.zeros(N_RANKS)
    lifted[0] = lift
    votes = []
    for person in range(N_PEOPLE):
        usual = ~shuffled[:, person, None]
        chance = np.where(applies, 1 - MISS, ALARM + usual * lifted)
        votes.append(draw[person] < chance)
    image = np.repeat(np.arange(N_IMAGES), N_RANKS)
    trial = TrialVotes(
        image=np.tile(image, N_PEOPLE),
        rank=np.tile(np.arange(1, N_RANKS + 1), N_PEOPLE * N_IMAGES),
        is_yes=np.concatenate([vote.ravel() for vote in votes]),
        condition=np.concatenate(
            [
                np.repeat(np.where(shuffled[:, p], "shuffled", "control").astype(object), N_RANKS)
                for p in range(N_PEOPLE)
            ]
        ),
        control="control",
    )
    return trial, -lifted * (1 - APPLIES)


@pytest.mark.parametrize("lift", [0.0, 0.3])
def test_intervals_hold_the_effect_as_often_as_they_say_with_a_planted_one_and_with_none(lift: float) -> None:
    n_runs = 150
    hits = []
    for run in range(n_runs):
        trial, effect = simulated_trial(np.random.default_rng(run), lift)
        found = anchoring_effects(trial)
        single = found[found["first_rank"] == found["last_rank"]].set_index("first_rank")
        hits.append([single.loc[rank, "low"] <= effect[rank - 1] <= single.loc[rank, "high"] for rank in (1, 2, 3)])
        everything = found[(found["first_rank"] == 1) & found["last_rank"].isna()].iloc[0]
        hits[-1].append(everything["low"] <= effect.mean() <= everything["high"])
    coverage = np.mean(hits, axis=0)
    assert (coverage >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_runs)).all(), coverage


def test_a_planted_effect_is_found_at_its_rank_and_none_where_there_is_none() -> None:
    n_runs, n_found, n_false = 40, 0, 0
    for run in range(n_runs):
        found = anchoring_effects(simulated_trial(np.random.default_rng(1_000 + run), 0.5)[0]).set_index("first_rank")
        n_found += found["high"].iloc[0] < 0
        n_false += found.loc[2, "low"] > 0 or found.loc[2, "high"] < 0
    assert n_found >= 0.6 * n_runs, n_found
    assert n_false <= 0.15 * n_runs, n_false


def test_counts_are_those_of_a_plain_count_and_open_groups_have_all_that_follow() -> None:
    trial, _ = simulated_trial(np.random.default_rng(3), 0.2)
    frame = pd.DataFrame({"rank": trial.rank, "yes": trial.is_yes, "condition": trial.condition, "image": trial.image})
    for row in anchoring_effects(trial).itertuples():
        last = np.inf if np.isnan(row.last_rank) else row.last_rank
        here = frame[(frame["rank"] >= row.first_rank) & (frame["rank"] <= last)]
        tried, usual = here[here["condition"] == "shuffled"], here[here["condition"] == "control"]
        assert (row.n_votes, row.n_yes) == (len(tried), tried["yes"].sum())
        assert (row.n_usual, row.n_yes_usual) == (len(usual), usual["yes"].sum())
        assert row.effect == pytest.approx(tried["yes"].mean() - usual["yes"].mean())
        assert -1 <= row.low <= row.effect <= row.high <= 1


def test_a_rank_that_one_side_never_saw_is_left_out_and_one_without_any_tick_has_a_wide_interval() -> None:
    image = np.arange(40)
    votes = TrialVotes(
        image=image,
        rank=np.where(image < 30, 1, 2),
        is_yes=np.zeros(40, dtype=bool),
        condition=np.where((image % 2 == 0) & (image < 30), "shuffled", "control").astype(object),
        control="control",
    )
    found = anchoring_effects(votes)
    assert found["first_rank"].tolist() == [1, 1]  # rank 1, and all ranks
    assert (found["effect"] == 0).all()
    assert (found["low"] < -0.1).all()
    assert (found["high"] > 0.1).all()
