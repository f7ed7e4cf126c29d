"""Two simulated annotators who may judge alike, two simulated refiners, an audit: the estimates and the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from pipeline.consensus import reach_consensus
from pipeline.consensus.audit import RefinedItems, judge_audit
from pipeline.consensus.refined import counts_within, settle_items
from pipeline.consensus.remaining_errors import RemainingErrors, errors_of_one, estimate_remaining_errors
from pipeline.consensus.unproposed import Searches, missing_labels, unseen_by_all
from pipeline.consensus.value_of_refining import chance_of_error
from pipeline.demo.behaviour import Behaviour, judge
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import NO, YES, Vote

N_CLASSES, N_OFFERED = 56, 20
ANNOTATORS = (
    Behaviour(miss=0.16, false_alarm=0.006, confusion=20),
    Behaviour(miss=0.07, false_alarm=0.016, confusion=12),
)
REFINERS = (
    Behaviour(miss=0.03, false_alarm=0.004, confusion=10, unsure=0.0),
    Behaviour(miss=0.04, false_alarm=0.003, confusion=10, unsure=0.0),
)
CONFUSABLE = {c: frozenset([c ^ 1]) for c in range(20)}


@dataclass(frozen=True)
class Outcome:
    """The estimates with and without the audit, and the truth.

    That is the labels not proposed that are missing, all wrong labels left, and those of refined images, before and
    after.
    """

    remaining: RemainingErrors
    unaudited: RemainingErrors
    n_missing: int
    n_wrong_left: int
    n_wrong_before: int
    n_wrong_after: int


def run(
    seed: int,
    alike: float,
    n_refiners: int = 2,
    n_images: int = 600,
    audit_share: float = 0.1,
    probe_share: float = 0.0,
    adds: float | None = None,
) -> Outcome:
    """Simulate a project whose annotators judge a share of the images alike, and estimate how much stays wrong.

    On a share of the images they are asked to search all classes. `adds` is how often people add what nobody proposed
    without being asked; left out, it is as the behaviours say.
    """
    rng, chance = np.random.default_rng(seed), Random(seed)
    annotators, refiners = (
        [person if adds is None else replace(person, adds=adds) for person in people]
        for people in (ANNOTATORS, REFINERS)
    )
    is_probe = np.zeros(n_images, dtype=bool)
    is_probe[: round(probe_share * n_images)] = True
    truths, offers, said = [], [], []
    for i in range(n_images):
        one, other = [person.searching() for person in annotators] if is_probe[i] else annotators
        truth = frozenset(rng.choice(N_CLASSES, rng.integers(1, 7), replace=False).tolist())
        offered = [c for c in truth if rng.random() < 0.97]
        offered += [c for c in rng.permutation(N_CLASSES).tolist() if c not in truth][: N_OFFERED - len(offered)]
        words = [judge(one, offered, truth, CONFUSABLE, chance)]
        words.append(words[0] if rng.random() < alike else judge(other, offered, truth, CONFUSABLE, chance))
        truths.append(truth)
        offers.append(offered)
        said.append(words)
    first = _votes(offers, said, n_images, first_person=0)
    consensus = reach_consensus(first)
    label, _ = settle_items(first.item_counts(), consensus)
    sets = [[{c for c, word in words.items() if word == "yes"} for words in both] for both in said]
    disputed = np.array([one != other for one, other in sets])
    audited = np.flatnonzero(~disputed & (rng.random(n_images) < audit_share))
    refined = np.concatenate([np.flatnonzero(disputed), audited])
    who = {i: list(range(n_refiners)) if not disputed[i] else [int(rng.integers(n_refiners))] for i in refined.tolist()}
    words = {
        i: {r: judge(refiners[r], offers[i], truths[i], CONFUSABLE, chance) for r in people}
        for i, people in who.items()
    }
    later = _votes(
        offers,
        [list(words.get(i, {}).values()) for i in range(n_images)],
        n_images,
        first_person=2,
        people=[list(words.get(i, {})) for i in range(n_images)],
    )
    every = _votes(
        offers,
        [[*said[i], *words.get(i, {}).values()] for i in range(n_images)],
        n_images,
        first_person=0,
        people=[[0, 1, *(2 + r for r in words.get(i, {}))] for i in range(n_images)],
    )
    by_refiners = counts_within(every, later)
    of_all = reach_consensus(every)
    settled, _ = settle_items(every.item_counts(), of_all, by_refiners)
    before, after = _sets(first, label), _sets(every, settled)
    left = np.setdiff1d(np.flatnonzero(~disputed), audited)
    wrong = [len(before[i] ^ truths[i]) for i in range(n_images)]
    doubt, unseen, found = _doubt(first, label, consensus.posterior, offers)
    probed = None
    if probe_share:
        searches = _searches(first, offers, is_probe, _chance(first, every, of_all.posterior), unseen)
        n_left = int(is_probe[left].sum())
        probed, unseen = missing_labels(searches, len(left) - n_left, np.full(n_left, 2)), 0.0
    findings = _findings(every, first, later, before, audited, who, found, counts_added=probed is None)
    alone = errors_of_one(first.item_counts(), 2 * n_images)
    return Outcome(
        remaining=estimate_remaining_errors(
            doubt[left] + unseen, doubt[audited] + unseen, findings, alone, probed=probed
        ),
        unaudited=estimate_remaining_errors(doubt[left] + unseen, np.empty(0), None, alone, probed=probed),
        n_missing=sum(len(truths[i] - set(offers[i]) - before[i]) for i in left),
        n_wrong_left=sum(wrong[i] for i in left),
        n_wrong_before=sum(wrong[i] for i in refined),
        n_wrong_after=sum(len(after[i] ^ truths[i]) for i in refined),
    )


def _votes(offers, said, n_images, first_person, people=None):
    image, classes, person, vote = [], [], [], []
    for i, words in enumerate(said):
        for number, word_of in enumerate(words):
            shown = {*offers[i], *word_of}
            image += [i] * len(shown)
            classes += shown
            person += [(people[i][number] if people else number) + first_person] * len(shown)
            vote += [Vote(word_of.get(c, "no")).code for c in shown]
    return VoteArrays.from_codes(
        image, classes, person, vote, images=np.arange(n_images), classes=np.arange(N_CLASSES), annotators=np.arange(4)
    )


def _sets(votes, label):
    found = [set() for _ in range(votes.n_images)]
    for i, c in zip(votes.item_image[label].tolist(), votes.item_class[label].tolist(), strict=True):
        found[i].add(c)
    return found


def _doubt(votes, label, posterior, offers):
    n_yes = votes.item_counts()[:, YES]
    is_offered = np.array([c in offers[i] for i, c in zip(votes.item_image, votes.item_class, strict=True)])
    finders = n_yes[~is_offered]
    found = int((finders == 1).sum()), int((finders > 1).sum())
    unseen = unseen_by_all(*found, 2) / votes.n_images
    of_item = chance_of_error(label, posterior)
    return np.bincount(votes.item_image, weights=of_item, minlength=votes.n_images), unseen, found


def _chance(first, every, posterior):
    return posterior[np.searchsorted(every.item_keys(), first.item_keys())]


def _searches(votes, offers, is_probe, chance, bound):
    n_yes = votes.item_counts()[:, YES]
    is_offered = np.array([c in offers[i] for i, c in zip(votes.item_image, votes.item_class, strict=True)])
    applies = np.where(~is_offered & (n_yes > 0), chance, 0.0)
    per_image = np.bincount(votes.item_image, weights=applies, minlength=votes.n_images)
    finders = n_yes[~is_offered & is_probe[votes.item_image]]
    return Searches(
        found=per_image[is_probe],
        n_searchers=np.full(is_probe.sum(), 2),
        n_by_one=int((finders == 1).sum()),
        n_by_more=int((finders > 1).sum()),
        added=float(per_image[~is_probe].mean()),
        bound=bound,
    )


def _findings(every, first, later, before, audited, who, found, *, counts_added):
    position = {int(image): number for number, image in enumerate(audited)}
    of_annotators, of_refiners = counts_within(every, first), counts_within(every, later)
    items, added = [], np.zeros((len(audited), 2), dtype=int)
    for number, (i, c) in enumerate(zip(every.item_image.tolist(), every.item_class.tolist(), strict=True)):
        if i not in who:
            continue
        theirs, n_yes, n_no = of_annotators[number], of_refiners[number, YES], of_refiners[number, NO]
        place = position.get(i, -1)
        if theirs.sum() == 0:
            if place >= 0 and counts_added:
                added[place, int(n_yes > 1)] += 1
            continue
        kind = 0 if theirs[NO] == theirs.sum() > 1 else 1 if theirs[YES] == theirs.sum() > 1 else 2
        items.append((kind + 3 * (place >= 0), n_yes, n_no, place, c in before[i]))
    kind, n_yes, n_no, place, was_label = (np.array(column) for column in zip(*items, strict=True))
    n_refiners = np.array([len(who[int(image)]) for image in audited])
    return judge_audit(RefinedItems(kind, n_yes, n_no, place, was_label.astype(bool)), added, n_refiners, found)
