"""Image disagreement and open labels, against the rules written out over label sets, and over arrays of votes."""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotation.disputes import has_image_disagreement, open_labels
from pipeline.annotation.folding import ImageState
from pipeline.disagreement import analyze_disagreement
from pipeline.project.secret import ProjectSecret
from pipeline.sessions.evidence import anonymous_evidence
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.disputes import is_agreed, is_open, is_settled
from pipeline.votes.words import NO, VOTE_ORDER, YES, Vote

VOTES = st.dictionaries(st.integers(0, 5), st.sampled_from(Vote), max_size=5)
VOTES_IN_ORDER = [vote.value for vote in VOTE_ORDER]
CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "disputes.json").read_text(encoding="utf-8"))
SECRET = ProjectSecret(bytes(32))
STATES = st.lists(
    st.builds(ImageState, votes=VOTES, unsure=st.booleans(), shown=st.sampled_from([(), (0, 1, 2, 3, 4, 5)])),
    max_size=4,
)


def votes_of(states: list[ImageState]) -> VoteArrays:
    """Return the votes of one image's annotators as arrays."""
    rows = [
        (class_index, annotator, vote.code)
        for annotator, state in enumerate(states)
        for class_index, vote in state.exposed_votes().items()
    ]
    class_, annotator, vote = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    names = {"images": [0], "classes": range(10), "annotators": range(len(states))}
    return VoteArrays.from_codes(np.zeros_like(class_), class_, annotator, vote, **names)


def test_a_label_that_one_ticked_and_the_other_did_not_is_open() -> None:
    one, other = ImageState(votes={3: "yes", 7: "yes"}, shown=(3, 7)), ImageState(votes={7: "yes"}, shown=(3, 7))
    assert open_labels([one, other]) == (3,)


def test_a_label_that_one_added_and_the_other_was_never_shown_is_open() -> None:
    assert open_labels([ImageState(votes={9: "yes"}), ImageState(none=True, shown=(1, 2))]) == (9,)


def test_a_label_that_somebody_doubts_is_open_though_nobody_ticked_it() -> None:
    assert open_labels([ImageState(votes={4: "unsure"}), ImageState(votes={4: "no"})]) == (4,)


def test_an_image_flagged_unsure_opens_what_others_ticked_and_nothing_else() -> None:
    flagged = ImageState(unsure=True, shown=(1, 2, 3))
    assert open_labels([flagged, ImageState(votes={2: "yes"}, shown=(1, 2, 3))]) == (2,)


def test_the_undecided_have_no_say() -> None:
    assert open_labels([ImageState(votes={1: "yes"}), ImageState(shown=(1, 2), comment="hm")]) == ()


def test_a_label_that_two_ticked_stands_though_a_third_was_never_shown_it() -> None:
    both = [ImageState(votes={2: "yes"}, shown=(1, 2)), ImageState(votes={2: "yes"}, shown=(2,))]
    assert open_labels([*both, ImageState(votes={7: "no"}, shown=(7,))]) == ()


@given(STATES)
def test_a_label_is_open_where_words_on_it_differ_or_it_has_no_second_voice(states: list[ImageState]) -> None:
    decided = [state for state in states if state.is_decided]
    expected = set()
    for class_index in range(6):
        words = [votes[class_index] for votes in (state.exposed_votes() for state in decided) if class_index in votes]
        is_split = "yes" in words and (set(words) != {"yes"} or (len(words) == 1 and len(decided) > 1))
        is_doubted = any(state.votes.get(class_index) == "unsure" for state in decided)
        if is_split or is_doubted:
            expected.add(class_index)
    assert set(open_labels(states)) == expected


@given(st.lists(st.builds(ImageState, votes=VOTES, shown=st.just((0, 1, 2, 3, 4, 5))), min_size=2, max_size=4))
def test_where_everyone_was_shown_everything_what_differs_between_label_sets_is_open(
    states: list[ImageState],
) -> None:
    sets = [set(state.label_set) for state in states if state.is_decided]
    if sets:
        assert set.union(*sets) - set.intersection(*sets) <= set(open_labels(states))


@given(STATES)
def test_an_image_has_disagreement_where_two_label_sets_differ_and_the_analysis_of_all_votes_finds_the_same(
    states: list[ImageState],
) -> None:
    sets = [set(state.label_set) for state in states if state.is_decided]
    expected = any(one != other for one, other in combinations(sets, 2))
    assert has_image_disagreement(states) == expected
    votes = votes_of(states)
    # An annotator who decided without being shown anything leaves no vote, and the analysis knows only votes.
    if all(state.exposed_votes() for state in states if state.is_decided):
        assert analyze_disagreement(votes, n_resamples=0).per_image["set_disagreement"].tolist() == [expected]


@given(STATES)
def test_on_arrays_of_votes_the_rules_say_what_they_say_of_states(states: list[ImageState]) -> None:
    votes, n_annotators = votes_of(states), sum(state.is_decided for state in states)
    counts = votes.item_counts()
    n_doubts = np.array([sum(s.votes.get(c) == Vote.UNSURE for s in states) for c in votes.item_class], dtype=np.int64)
    n_yes, n_no, n_votes = counts[:, YES], counts[:, NO], counts.sum(axis=1)
    opened = np.asarray(is_open(n_yes, n_votes, n_doubts, n_annotators))
    assert votes.item_class[opened].tolist() == list(open_labels(states))
    agreed = np.asarray(is_agreed(n_yes, n_votes, n_annotators))
    assert not (agreed & opened).any()
    assert ((n_yes > 0) <= (agreed | opened)).all(), "what somebody ticked is either agreed or open"
    assert not (np.asarray(is_settled(n_yes, n_no, n_votes)) & opened).any(), "what votes settle is never asked"


@pytest.mark.parametrize("case", CONTRACT, ids=lambda case: case["name"])
def test_the_rules_say_what_the_contract_with_the_browser_says(case: dict[str, Any]) -> None:
    states = [
        ImageState(
            votes={int(c): Vote(vote) for c, vote in state.get("votes", {}).items()},
            none=state.get("none", False),
            unsure=state.get("unsure", False),
            shown=tuple(state.get("shown", ())),
        )
        for state in case["states"]
    ]
    votes = votes_of(states)
    said = {
        str(class_index): [VOTES_IN_ORDER[code] for code in votes.vote[votes.item == item]]
        for item, class_index in enumerate(votes.item_class)
    }
    n_annotators = sum(state.is_decided for state in states)
    assert (said, n_annotators) == (case["said"], case["annotators"])
    assert has_image_disagreement(states) == case["disagreement"]
    assert list(open_labels(states)) == case["open"]
    counts = votes.item_counts()
    agreed = is_agreed(counts[:, YES], counts.sum(axis=1), n_annotators)
    assert votes.item_class[agreed].tolist() == case["agreed"]


@given(STATES)
def test_evidence_names_a_voice_for_everyone_who_decided_and_nobody_else(states: list[ImageState]) -> None:
    names = {f"person {i}": state for i, state in enumerate(states)}
    evidence = anonymous_evidence(5, names, SECRET)
    assert len(evidence.voices) == sum(state.is_decided for state in states)
    assert set(evidence.comments) | set(evidence.regions) <= set(evidence.voices)
    assert "person" not in repr(evidence)


def test_voices_of_programs_are_told_from_those_of_people() -> None:
    states = {name: ImageState(votes={1: "yes"}) for name in ("ada", "robot")}
    evidence = anonymous_evidence(9, states, SECRET, {"robot"})
    assert len(evidence.simulated) == 1
    assert set(evidence.simulated) < set(evidence.voices)
    assert anonymous_evidence(9, states, SECRET).simulated == ()


def test_letters_cannot_be_told_from_names_and_images_without_the_secret() -> None:
    """Anyone who knows the team and the program could work out the letters, if they did not depend on the secret."""
    names = ("ada", "ben", "cleo", "dora")
    states = {name: ImageState(votes={1: "yes"}, comment=name) for name in names}

    def dealt(image: int, secret: ProjectSecret) -> list[str]:
        return list(anonymous_evidence(image, states, secret).comments.values())

    images = range(240)
    guessed = [sorted(names, key=lambda n: hashlib.sha256(f"{image}\0{n}".encode()).digest()) for image in images]
    mine = [dealt(image, ProjectSecret(b"m" * 32)) for image in images]
    assert mine == [dealt(image, ProjectSecret(b"m" * 32)) for image in images]
    for foreseen in (guessed, [dealt(image, ProjectSecret(b"o" * 32)) for image in images]):
        assert sum(one == other for one, other in zip(mine, foreseen, strict=True)) < 30  # 10 by chance, of 24 orders
    assert all(20 < sum(order[0] == name for order in mine) < 120 for name in names)
