"""Statistics of votes, compared with plain counting over small tables and with simulated truth."""

from __future__ import annotations

from collections import defaultdict
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vote_tables import WORDS, table_of

from pipeline.consensus import fit_dawid_skene, reach_consensus, weighted_majority
from pipeline.consensus.calibration import reliability
from pipeline.consensus.value_of_refining import RefinementCost, chance_of_error, rank_by_value
from pipeline.disagreement import analyze_disagreement
from pipeline.disagreement.profiles import profile_annotators
from pipeline.votes.agreement import AlphaEstimate, alpha_from_counts
from pipeline.votes.arrays import VoteArrays

VALUE = {"no": 0.0, "unsure": 0.5, "yes": 1.0}
cells = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4)), st.sampled_from(WORDS), min_size=1, max_size=40
)


def by_item(votes):
    said = defaultdict(dict)
    for (i, c, a), vote in votes.items():
        said[i, c][a] = vote
    return said


@settings(max_examples=80)
@given(cells)
def test_weights_are_the_log_odds_of_being_borne_out_by_the_others(votes):
    arrays = VoteArrays.from_table(table_of(votes))
    share, weights = weighted_majority(arrays)
    compared, agreed = defaultdict(int), defaultdict(int)
    for said in by_item(votes).values():
        for a, vote in said.items():
            others = [VALUE[word] for b, word in said.items() if b != a]
            if vote == "unsure" or not others or np.mean(others) == 0.5:
                continue
            compared[a] += 1
            agreed[a] += (vote == "yes") == (np.mean(others) > 0.5)
    known = {a: max(log((agreed[a] + 1) / (n - agreed[a] + 1)), 0.0) for a, n in compared.items()}
    average = np.mean(list(known.values())) if known else 1.0
    weight_of = {name: known.get(int(name[1:]), average) for name in arrays.annotators}
    assert weights == pytest.approx([weight_of[name] for name in arrays.annotators])
    for (i, c), said in by_item(votes).items():
        place = (
            (arrays.images[arrays.item_image] == f"i{i}") & (arrays.classes[arrays.item_class] == f"c{c}")
        ).argmax()
        pairs = [(weight_of[f"a{a}"], VALUE[vote]) for a, vote in said.items()]
        total = sum(weight for weight, _ in pairs)
        expected = sum(w * v for w, v in pairs) / total if total > 0 else np.mean([v for _, v in pairs])
        assert share[place] == pytest.approx(expected)


@settings(max_examples=80)
@given(cells)
def test_profiles_are_those_of_plain_counting_with_the_others_as_yardstick(votes):
    profiles = profile_annotators(VoteArrays.from_table(table_of(votes))).profiles.set_index("annotator")
    for name in profiles.index:
        a = int(name[1:])
        own = {key: vote for key, vote in votes.items() if key[2] == a}
        row = profiles.loc[name]
        assert row["n_votes"] == len(own)
        assert row["n_images"] == len({i for i, _, _ in own})
        assert row["labels_per_image"] == pytest.approx(
            sum(vote == "yes" for vote in own.values()) / len({i for i, _, _ in own})
        )
        same, applies, absent = [], [], []
        for (i, c, _), vote in own.items():
            others = [word for b, word in by_item(votes)[i, c].items() if b != a]
            if not others:
                continue
            same.append(np.mean([word == vote for word in others]))
            lean = np.mean([VALUE[word] for word in others])
            if lean != 0.5:
                (applies if lean > 0.5 else absent).append(vote)
        assert row["n_compared"] == len(same)
        assert row["agreement"] == pytest.approx(np.mean(same) if same else np.nan, nan_ok=True)
        assert (row["n_applies"], row["n_absent"]) == (len(applies), len(absent))
        if applies:
            assert row["sensitivity"] == pytest.approx(np.mean([vote == "yes" for vote in applies]))
        if absent:
            assert row["specificity"] == pytest.approx(np.mean([vote == "no" for vote in absent]))


@settings(max_examples=60)
@given(cells)
def test_each_class_is_disputed_as_often_as_plain_counting_says(votes):
    table = analyze_disagreement(table_of(votes), n_resamples=0).per_class.set_index("class")
    for name in {f"c{c}" for _, c, _ in votes}:
        said = [set(words.values()) for (_, c), words in by_item(votes).items() if f"c{c}" == name]
        n_votes = [len(words) for (_, c), words in by_item(votes).items() if f"c{c}" == name]
        assert table.at[name, "n_images"] == len(said)
        assert table.at[name, "n_compared"] == sum(n > 1 for n in n_votes)
        assert table.at[name, "n_split"] == sum(len(words) > 1 for words in said)
    assert table["n_split"].is_monotonic_decreasing


def draw(n_images, n_classes, n_each, seed, accuracy=0.9):
    """Draw votes that obey the model: independent annotators, each right with the same probability."""
    generator = np.random.default_rng(seed)
    truth = generator.random((n_images, n_classes)) < 0.3
    image, class_, rater = np.unravel_index(np.arange(n_images * n_classes * n_each), (n_images, n_classes, n_each))
    is_right = generator.random(len(image)) < accuracy
    return VoteArrays.from_codes(image, class_, rater, 2 * (truth[image, class_] == is_right)), truth.ravel()


def alpha_of(votes: VoteArrays, n_resamples: int) -> AlphaEstimate:
    return alpha_from_counts(votes.item_counts(), votes.item_image, n_resamples)


def test_alphas_interval_is_that_of_a_plain_bootstrap_over_images_with_the_krippendorff_package():
    import krippendorff

    votes, _ = draw(60, 4, 3, seed=1)
    ours = alpha_of(votes, n_resamples=2000)
    grid = votes.vote.reshape(60, 4, 3)
    generator = np.random.default_rng(5)
    plain = []
    for _ in range(600):
        drawn = grid[generator.integers(0, 60, 60)].reshape(-1, 3).T.astype(float)
        plain.append(krippendorff.alpha(drawn, level_of_measurement="nominal", value_domain=[0, 1, 2]))
    assert [ours.low, ours.high] == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.02)


def test_alphas_interval_covers_the_alpha_of_all_images_about_as_often_as_it_says():
    population = alpha_of(draw(20_000, 4, 2, seed=0)[0], n_resamples=0).value
    hits = 0
    for seed in range(1, 201):
        alpha = alpha_of(draw(80, 4, 2, seed=seed)[0], n_resamples=300)
        hits += alpha.low <= population <= alpha.high
    assert 0.9 <= hits / 200 <= 0.99


def test_expected_errors_and_the_yield_curve_come_true_where_the_model_holds():
    votes, truth = draw(4000, 5, 3, seed=2)
    consensus = reach_consensus(votes, threshold=0.5)
    cost = RefinementCost(accuracy=1.0)
    ranking = rank_by_value(votes, chance_of_error(consensus.label, consensus.posterior), cost, doubtful_above=0.0)
    is_wrong = consensus.label != truth
    assert ranking["expected_errors"].sum() == pytest.approx(is_wrong.sum(), rel=0.1)
    wrong_by_image = np.bincount(votes.item_image, weights=is_wrong)
    for n_refined in (500, 1500, 3000):
        left = is_wrong.sum() - wrong_by_image[ranking["image"].head(n_refined)].sum()
        expected = ranking["remaining_errors"].iloc[n_refined - 1]
        assert expected == pytest.approx(left, abs=4 * np.sqrt(is_wrong.sum()))
    seconds = cost.seconds_per_image + cost.seconds_per_label * ranking["n_doubtful"]
    assert ranking["minutes"].to_numpy() == pytest.approx(seconds.to_numpy() / 60)


def test_reliability_is_that_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    votes, truth = draw(3000, 5, 2, seed=3, accuracy=0.8)
    posterior = fit_dawid_skene(votes).posterior
    table = reliability(posterior, truth)
    observed, claimed = calibration_curve(truth, posterior, n_bins=10)
    assert table["observed"].to_numpy() == pytest.approx(observed)
    assert table["claimed"].to_numpy() == pytest.approx(claimed)
