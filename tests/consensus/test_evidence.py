"""Evidence besides votes: what is counted, what is learnt from it, what it is worth; on votes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_votes import N_CLASSES, draw_votes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from pipeline.consensus import fit_dawid_skene, model_evidence, reach_consensus
from pipeline.consensus.evidence import Evidence, ModelRanking, ModelSupport, original_evidence, ranked_but_not_asked
from pipeline.consensus.known import keep_where_unsure
from pipeline.consensus.pooling import VARIANCE, add_pooled_effects
from pipeline.consensus.prior import explain
from pipeline.consensus.suggestions import suggest_labels
from pipeline.consensus.tempering import learn_tempering, vote_log_odds
from pipeline.errors import DatasetError
from pipeline.evaluation.label_scores import score_labels
from pipeline.project.aim import Aim, AimKind
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import Method


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 2**16))
def test_support_is_counted_as_loops_would_count_it(n_models, k, seed):
    rng = np.random.default_rng(seed)
    orders = [np.argsort(rng.random((6, 9)), axis=1)[:, :k] for _ in range(n_models)]
    image, classes = rng.integers(-1, 6, 20), rng.integers(-1, 9, 20)
    support = ModelSupport(image, classes)
    for number, order in enumerate(orders):
        support.add(ModelRanking(str(number), order))
    for pair, (row, class_index) in enumerate(zip(image, classes, strict=True)):
        ranks = [
            order[row].tolist().index(class_index) + 1
            for order in orders
            if row >= 0 and class_index >= 0 and class_index in order[row]
        ]
        assert support.n_first[pair] == ranks.count(1)
        assert support.n_within[pair] == sum(rank <= 5 for rank in ranks)
        assert support.reciprocal_rank[pair] == pytest.approx(sum(1 / rank for rank in ranks), abs=1e-5)


def test_scores_count_where_a_model_has_them_and_a_class_it_does_not_name_scores_least():
    support = ModelSupport(np.array([0, 0]), np.array([3, 4]))
    support.add(ModelRanking("a", np.array([[3, 1]]), np.array([[0.8, 0.1]])))
    support.add(ModelRanking("b", np.array([[3, 1]])))
    evidence = support.evidence(["score"])
    assert evidence.columns == ("score",)
    assert evidence.values[0, 0] == pytest.approx(np.log(4), abs=1e-5)
    assert evidence.values[1, 0] == pytest.approx(np.log(1e-4 / (1 - 1e-4)), abs=1e-4)


def test_a_model_that_ranks_none_of_some_images_scores_least_there():
    support = ModelSupport(np.array([0, 1]), np.array([3, 4]))
    support.add(ModelRanking("a", np.zeros((2, 0), dtype=int), np.zeros((2, 0)), has_scores=True))
    least = pytest.approx(np.log(1e-4 / (1 - 1e-4)), abs=1e-4)
    assert support.evidence(["score"]).values[:, 0].tolist() == [least, least]


def test_evidence_never_lowers_a_prior_and_what_speaks_against_counts_for_nothing():
    votes, truth, rankings, _ = draw_votes()
    good = model_evidence(votes, rankings)
    against = Evidence(("misleading",), -truth.astype(np.float32)[:, None])
    prior = explain(votes, truth.astype(float), good.joined(against))
    assert prior.weights["misleading"] == 0
    assert all(prior.weights[name] >= 0 for name in good.columns)
    assert max(prior.weights[name] for name in good.columns) > 0


@settings(max_examples=15)
@given(st.integers(0, 2**16))
def test_the_effect_on_an_item_is_that_of_the_others_of_its_group(seed):
    rng = np.random.default_rng(seed)
    log_odds, target, key = rng.normal(size=200), rng.random(200), rng.integers(0, 12, 200) * int(rng.choice([7, 1000]))
    raised = log_odds.copy()
    effects = add_pooled_effects(raised, target, key)
    of_item = raised - log_odds

    def refitted(members):
        def surprise(effect):
            chance = 1 / (1 + np.exp(-(log_odds[members] + effect)))
            loss = target[members] * np.log(chance) + (1 - target[members]) * np.log(1 - chance)
            return effect**2 / (2 * VARIANCE) - loss.sum()

        return minimize_scalar(surprise, bounds=(-5, 5), method="bounded").x

    item = int(rng.integers(200))
    group = key == key[item]
    assert of_item[item] == pytest.approx(refitted(group & (np.arange(200) != item)), abs=0.05)
    assert effects.of(key[[item]])[0] == pytest.approx(refitted(group), abs=0.01)
    assert effects.of(np.array([5, 100_000])).tolist() == [0, 0]


def test_what_a_class_is_worth_beside_another_is_learnt_from_the_votes():
    """Class 1 applies where class 0 does and class 2 does not, and one annotator in three says the opposite."""
    rng = np.random.default_rng(0)
    n_images, n_people = 800, 2
    first = rng.random(n_images) < 0.5
    truth = np.stack([first, ~first, first ^ (rng.random(n_images) < 0.05)], axis=1)
    error = np.array([0.02, 0.02, 0.35])
    image, class_, person = (a.ravel() for a in np.indices((n_images, 3, n_people)))
    said = truth[image, class_] ^ (rng.random(len(image)) < error[class_])
    votes = VoteArrays.from_codes(image, class_, person, np.where(said, 2, 0))
    doubtful = votes.item_class == 2
    right = truth[votes.item_image, votes.item_class]
    label = reach_consensus(votes).label
    plain = fit_dawid_skene(votes).posterior > 0.5
    assert (label == right)[doubtful].mean() > (plain == right)[doubtful].mean() + 0.1


def test_votes_that_are_independent_are_believed_and_votes_that_err_alike_are_not():
    weights = {}
    for alike in (0.0, 0.8):
        votes, _, _, _ = draw_votes(n_annotators=4, alike=alike, n_images=1000, seed=2)
        model = fit_dawid_skene(votes)
        prior = explain(votes, model.posterior)
        weights[alike] = learn_tempering(votes, model, prior.log_odds, vote_log_odds(model)).vote_weight
    assert weights[0.0] > 0.9
    assert weights[0.8] < 0.6


def surprise_at(truth, posterior):
    """Return the mean log loss, which is high for a posterior that is too sure."""
    return -np.log(np.where(truth, posterior, 1 - posterior).clip(1e-6)).mean()


def test_where_many_annotators_err_alike_the_truth_surprises_less_than_under_plain_dawid_skene():
    for alike, share in ((0.0, 1.02), (0.5, 0.8)):
        votes, truth, _, _ = draw_votes(n_annotators=5, alike=alike, n_images=1000, seed=5)
        ours = surprise_at(truth, reach_consensus(votes).posterior)
        assert ours < share * surprise_at(truth, fit_dawid_skene(votes).posterior)


@pytest.mark.parametrize("n_models", [1, 12])
def test_models_make_the_labels_better_one_alone_or_many(n_models):
    votes, truth, rankings, _ = draw_votes(n_models=n_models, seed=3)
    alone = reach_consensus(votes)
    informed = reach_consensus(votes, evidence=model_evidence(votes, rankings))
    assert score_labels(informed.label, truth).f1 > score_labels(alone.label, truth).f1 + 0.01
    assert informed.evidence_models == tuple(rankings)
    assert alone.evidence_models == ()


def test_the_original_label_is_evidence_for_its_class_and_against_the_others():
    evidence = original_evidence(np.array([1, 0, -1], dtype=np.int8))
    assert evidence.values.ravel().tolist() == [1, -1, 0]
    votes, truth, _, _ = draw_votes(seed=6)
    original = np.where(np.random.default_rng(0).random(len(truth)) < 0.9, truth, ~truth).astype(np.int8)
    informed = reach_consensus(votes, original=original)
    assert informed.uses_original
    assert score_labels(informed.label, truth).f1 > score_labels(reach_consensus(votes).label, truth).f1


@settings(max_examples=40)
@given(st.integers(0, 2**16))
def test_what_was_not_asked_is_what_models_rank_less_what_was_asked(seed):
    rng = np.random.default_rng(seed)
    orders = [np.argsort(rng.random((7, 8)), axis=1)[:, :6] for _ in range(3)]
    orders[0][2, 3:] = -1
    image, classes = rng.integers(0, 7, 15), rng.integers(-1, 8, 15)
    found = ranked_but_not_asked(orders, 8, image, classes)
    ranked = {(i, int(c)) for order in orders for i, row in enumerate(order) for c in row[:5] if c >= 0}
    asked = set(zip(image.tolist(), classes.tolist(), strict=True))
    assert list(zip(*(part.tolist() for part in found), strict=True)) == sorted(ranked - asked)


def test_suggestions_are_likelier_true_than_what_else_was_not_asked():
    votes, _, rankings, truth = draw_votes(n_asked=4, n_images=800, seed=8)
    consensus = reach_consensus(votes, evidence=model_evidence(votes, rankings))
    image, classes = ranked_but_not_asked(rankings.values(), N_CLASSES, votes.item_image, votes.item_class)
    support = ModelSupport(image, classes)
    for name, order in rankings.items():
        support.add(ModelRanking(name, order))
    found = suggest_labels(consensus, votes, image, classes, support.evidence())
    assert len(found) > 20
    assert found["probability"].is_monotonic_decreasing
    assert truth[found["image"], found["class"]].mean() > 1.4 * truth[image, classes].mean()


def test_images_that_nobody_voted_on_get_suggestions_too():
    votes, _, rankings, _ = draw_votes(n_asked=10, n_images=300, seed=9)
    some = votes.part(votes.item_image[votes.item] < 200)
    consensus = reach_consensus(some, evidence=model_evidence(some, rankings))
    image, classes = ranked_but_not_asked(rankings.values(), N_CLASSES, some.item_image, some.item_class)
    support = ModelSupport(image, classes)
    for name, order in rankings.items():
        support.add(ModelRanking(name, order))
    found = suggest_labels(consensus, some, image, classes, support.evidence())
    assert (found["image"] >= 200).any()


def test_the_published_rule_stays_what_it_was():
    votes, truth, rankings, _ = draw_votes()
    published = reach_consensus(votes, aim=Aim(AimKind.BEYER2020), original=truth.astype(np.int8))
    fitted = fit_dawid_skene(votes, original=keep_where_unsure(votes, truth.astype(np.int8)))
    assert (published.posterior == fitted.posterior).all()
    assert (published.label == (fitted.posterior > 0.8)).all()
    with pytest.raises(DatasetError, match="beyer2020"):
        reach_consensus(votes, aim=Aim(AimKind.BEYER2020), evidence=model_evidence(votes, rankings))


def test_majorities_take_no_evidence_and_no_aim_that_needs_probabilities():
    votes, truth, rankings, _ = draw_votes(n_images=20)
    with pytest.raises(DatasetError, match="models"):
        reach_consensus(votes, Method.MAJORITY, evidence=model_evidence(votes, rankings))
    with pytest.raises(DatasetError, match="original"):
        reach_consensus(votes, Method.MAJORITY, original=truth.astype(np.int8))
    with pytest.raises(DatasetError, match="dawid-skene"):
        reach_consensus(votes, Method.MAJORITY, aim=Aim())
    with pytest.raises(DatasetError, match="give one"):
        reach_consensus(votes, aim=Aim(), threshold=0.5)


def test_without_some_annotators_the_votes_are_those_of_the_others():
    votes, _, _, _ = draw_votes(n_images=10, n_annotators=3)
    named = VoteArrays.from_codes(
        votes.item_image[votes.item],
        votes.item_class[votes.item],
        votes.annotator,
        votes.vote,
        annotators=np.array(["ada", "ben", "cleo"]),
    )
    fewer = named.without_annotators(["ben"])
    kept = named.annotator != 1
    for of_all, of_fewer in ((named.item_image, fewer.item_image), (named.item_class, fewer.item_class)):
        assert (of_all[named.item[kept]] == of_fewer[fewer.item]).all()
    assert (named.vote[kept] == fewer.vote).all()
    assert (named.annotator[kept] == fewer.annotator).all()
    assert fewer.annotators.tolist() == ["ada", "ben", "cleo"]
    assert named.without_annotators([]) is named
    with pytest.raises(DatasetError, match=r"'bob'.*ben"):
        named.without_annotators(["bob"])
