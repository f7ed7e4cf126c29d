"""Two simulated annotators who may judge alike, two simulated refiners, an audit: the estimates and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from pipeline.consensus import reach_consensus
from pipeline.consensus.audit import RefinedItems, judge_audit
from pipeline.consensus.refined import counts_within, settle_items
from pipeline.consensus.remaining_errors import RemainingErrors, estimate_remaining_errors, unseen_by_all
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
    """The estimates with and without the audit; the wrong labels left; those of refined images, before and after."""

    remaining: RemainingErrors
    unaudited: RemainingErrors
    n_wrong_left: int
    n_wrong_before: int
    n_wrong_after: int


def run(seed: int, alike: float, n_refiners: int = 2, n_images: int = 600, audit_share: float = 0.1) -> Outcome:
    """Simulate a project whose annotators judge a share of the images alike, and estimate how much stays wrong."""
    rng, chance = np.random.default_rng(seed), Random(seed)
    truths, offers, said = [], [], []
    for _ in range(n_images):
        truth = frozenset(rng.choice(N_CLASSES, rng.integers(1, 7), replace=False).tolist())
        offered = [c for c in truth if rng.random() < 0.97]
        offered += [c for c in rng.permutation(N_CLASSES).tolist() if c not in truth][: N_OFFERED - len(offered)]
        words = [judge(ANNOTATORS[0], offered, truth, CONFUSABLE, chance)]
        words.append(words[0] if rng.random() < alike else judge(ANNOTATORS[1], offered, truth, CONFUSABLE, chance))
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
        i: {r: judge(REFINERS[r], offers[i], truths[i], CONFUSABLE, chance) for r in people}
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
    settled, _ = settle_items(every.item_counts(), reach_consensus(every), by_refiners)
    before, after = _sets(first, label), _sets(every, settled)
    left = np.setdiff1d(np.flatnonzero(~disputed), audited)
    wrong = [len(before[i] ^ truths[i]) for i in range(n_images)]
    doubt, unseen = _doubt(first, label, consensus.posterior, offers)
    findings = _findings(every, first, later, before, audited, who)
    return Outcome(
        remaining=estimate_remaining_errors(doubt[left] + unseen, doubt[audited] + unseen, findings),
        unaudited=estimate_remaining_errors(doubt[left] + unseen, np.empty(0), None),
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
    unseen = unseen_by_all(int((finders == 1).sum()), int((finders > 1).sum()), 2) / votes.n_images
    of_item = chance_of_error(label, posterior)
    return np.bincount(votes.item_image, weights=of_item, minlength=votes.n_images), unseen


def _findings(every, first, later, before, audited, who):
    position = {int(image): number for number, image in enumerate(audited)}
    of_annotators, of_refiners = counts_within(every, first), counts_within(every, later)
    items, added = [], np.zeros((len(audited), 2), dtype=int)
    for number, (i, c) in enumerate(zip(every.item_image.tolist(), every.item_class.tolist(), strict=True)):
        if i not in who:
            continue
        theirs, n_yes, n_no = of_annotators[number], of_refiners[number, YES], of_refiners[number, NO]
        place = position.get(i, -1)
        if theirs.sum() == 0:
            if place >= 0:
                added[place, int(n_yes > 1)] += 1
            continue
        kind = 0 if theirs[NO] == theirs.sum() > 1 else 1 if theirs[YES] == theirs.sum() > 1 else 2
        items.append((kind + 3 * (place >= 0), n_yes, n_no, place, c in before[i]))
    kind, n_yes, n_no, place, was_label = (np.array(column) for column in zip(*items, strict=True))
    n_refiners = np.array([len(who[int(image)]) for image in audited])
    return judge_audit(RefinedItems(kind, n_yes, n_no, place, was_label.astype(bool)), added, n_refiners)
