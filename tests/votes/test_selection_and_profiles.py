"""Selecting for refinement, and what annotators are like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.consensus import reach_consensus
from pipeline.consensus.value_of_refining import (
    RefinementCost,
    chance_of_error,
    draw_audit,
    rank_by_value,
    select_disputed,
    select_within_budget,
)
from pipeline.disagreement import analyze_disagreement
from pipeline.disagreement.profiles import profile_annotators
from pipeline.errors import DatasetError, ProjectError
from pipeline.votes.arrays import VoteArrays


def simulate(n_images=400, skill=(0.95, 0.85, 0.7), seed=0):
    generator = np.random.default_rng(seed)
    image, class_, rater = np.unravel_index(np.arange(n_images * 4 * len(skill)), (n_images, 4, len(skill)))
    truth = generator.random((n_images, 4)) < 0.3
    is_right = generator.random(len(image)) < np.asarray(skill)[rater]
    votes = VoteArrays.from_codes(image, class_, rater, 2 * (truth[image, class_] == is_right))
    return votes, truth.ravel()


def test_the_published_rule_selects_exactly_the_images_whose_label_sets_differ():
    votes, _ = simulate()
    per_image = analyze_disagreement(votes, n_resamples=0).per_image
    selected = select_disputed(per_image)
    assert set(selected["image"]) == set(per_image.loc[per_image["set_disagreement"], "image"])
    assert selected["mean_jaccard_distance"].is_monotonic_decreasing


def test_the_ranking_spends_minutes_where_they_fix_most():
    votes, truth = simulate()
    consensus = reach_consensus(votes, threshold=0.5)
    ranking = rank_by_value(votes, chance_of_error(consensus.label, consensus.posterior), RefinementCost(accuracy=1.0))
    assert ranking["fixed_per_minute"].is_monotonic_decreasing
    wrong = np.bincount(votes.item_image, weights=consensus.label != truth)
    first, last = ranking["image"].head(100), ranking["image"].tail(100)
    assert wrong[first].sum() > 3 * wrong[last].sum()
    expected = np.where(consensus.label, 1 - consensus.posterior, consensus.posterior).sum()
    assert ranking["expected_errors"].sum() == pytest.approx(expected)


def test_a_budget_is_kept_and_ends_where_refining_would_do_harm():
    votes, _ = simulate()
    consensus = reach_consensus(votes, threshold=0.5)
    ranking = rank_by_value(votes, chance_of_error(consensus.label, consensus.posterior))
    chosen = select_within_budget(ranking, 10)
    assert 0 < chosen["minutes"].sum() <= 10
    everything = select_within_budget(ranking, 1e9)
    assert (everything["expected_fixed"] > 0).all()
    with pytest.raises(ProjectError, match="budget is -1"):
        select_within_budget(ranking, -1)


def test_an_audit_is_a_repeatable_random_slice_without_repeats():
    images = np.arange(0, 20_000, 2)
    one = draw_audit(images, 0.1, seed=4)
    assert one.tolist() == draw_audit(images[::-1], 0.1, seed=4).tolist()
    assert one.tolist() != draw_audit(images, 0.1, seed=5).tolist()
    assert np.isin(one, images).all()
    assert len(np.unique(one)) == len(one)
    assert len(one) == pytest.approx(1000, abs=120)
    assert np.mean(one < 10_000) == pytest.approx(0.5, abs=0.06)
    assert draw_audit(images, 1.0).tolist() == images.tolist()
    assert draw_audit(images, 0.0).tolist() == []
    assert len(draw_audit(images[:3], 1e-9)) == 1
    with pytest.raises(ProjectError, match=r"audit share of 1\.5"):
        draw_audit(images, 1.5)


def test_an_audit_grows_with_its_candidates_and_its_share():
    images = np.arange(5000)
    some = draw_audit(images[images % 3 > 0], 0.1)
    assert set(some) == {image for image in draw_audit(images, 0.1) if image % 3 > 0}
    assert set(some) < set(draw_audit(images, 0.2))


def test_profiles_count_sensitivity_and_specificity_against_the_reference():
    votes, truth = simulate(2000)
    profiles = profile_annotators(votes, truth).profiles
    for row, skill in zip(profiles.itertuples(), (0.95, 0.85, 0.7), strict=True):
        own = votes.annotator == row.annotator
        said_yes, applies = votes.vote[own] == 2, truth[votes.item[own]]
        assert row.sensitivity == pytest.approx(said_yes[applies].mean())
        assert row.specificity == pytest.approx((~said_yes[~applies]).mean())
        assert row.sensitivity_low < row.sensitivity < row.sensitivity_high
        assert row.specificity == pytest.approx(skill, abs=0.02)
    assert profiles["n_images"].tolist() == [2000] * 3
    assert profiles["agreement"].is_monotonic_decreasing


def test_without_a_reference_nobody_is_their_own_yardstick():
    votes = VoteArrays.from_codes([0, 0, 0], [0, 0, 0], [0, 1, 2], [2, 0, 0])
    profiles = profile_annotators(votes).profiles
    assert profiles["n_absent"].tolist() == [1, 0, 0]
    assert profiles["specificity"].tolist()[0] == 0


def test_an_annotator_without_votes_has_no_figures():
    votes = VoteArrays.from_codes([0], [0], [0], [2], annotators=["a", "b"])
    row = profile_annotators(votes).profiles.iloc[1]
    assert row["n_votes"] == 0
    assert np.isnan(row["agreement"])
    assert np.isnan(row["sensitivity_low"])


def test_drift_shows_who_tires():
    generator = np.random.default_rng(0)
    n_images = 400
    image, class_ = np.unravel_index(np.arange(n_images * 4), (n_images, 4))
    truth = generator.random(n_images * 4) < 0.4
    is_right = generator.random(n_images * 4) < np.where(image < 200, 0.95, 0.7)
    votes = VoteArrays.from_codes(image, class_, np.zeros_like(image), 2 * (truth == is_right))
    sittings = pd.DataFrame(
        {"image": np.arange(n_images), "annotator": 0, "active_ms": 1000, "decided_at": np.arange(n_images)}
    )
    drift = profile_annotators(votes, truth, sittings).drift
    assert drift["n_images"].tolist() == [100] * 4
    assert drift["low"].iloc[0] > drift["high"].iloc[3]
    with pytest.raises(DatasetError, match="lack the columns"):
        profile_annotators(votes, truth, sittings.drop(columns="active_ms"))
