"""Which labels are disputed, against the rule written out over label sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotation.disputes import disputed_classes
from pipeline.annotation.events import ImageState
from pipeline.sessions.evidence import anonymous_evidence

VOTES = st.dictionaries(st.integers(0, 5), st.sampled_from(["yes", "no", "unsure"]), max_size=5)
STATES = st.lists(
    st.builds(ImageState, votes=VOTES, unsure=st.booleans(), shown=st.sampled_from([(), (0, 1, 2, 3, 4, 5)])),
    max_size=4,
)


def test_a_label_that_one_ticked_and_the_other_did_not_is_disputed() -> None:
    one, other = ImageState(votes={3: "yes", 7: "yes"}, shown=(3, 7)), ImageState(votes={7: "yes"}, shown=(3, 7))
    assert disputed_classes([one, other]) == (3,)


def test_a_label_that_one_added_and_the_other_was_never_shown_is_disputed() -> None:
    assert disputed_classes([ImageState(votes={9: "yes"}), ImageState(none=True, shown=(1, 2))]) == (9,)


def test_a_label_that_somebody_doubts_is_disputed_though_nobody_ticked_it() -> None:
    assert disputed_classes([ImageState(votes={4: "unsure"}), ImageState(votes={4: "no"})]) == (4,)


def test_an_image_flagged_unsure_disputes_what_others_ticked_and_nothing_else() -> None:
    flagged = ImageState(unsure=True, shown=(1, 2, 3))
    assert disputed_classes([flagged, ImageState(votes={2: "yes"}, shown=(1, 2, 3))]) == (2,)


def test_the_undecided_have_no_say() -> None:
    assert disputed_classes([ImageState(votes={1: "yes"}), ImageState(shown=(1, 2), comment="hm")]) == ()


def test_a_label_that_two_ticked_stands_though_a_third_was_never_shown_it() -> None:
    both = [ImageState(votes={2: "yes"}, shown=(1, 2)), ImageState(votes={2: "yes"}, shown=(2,))]
    assert disputed_classes([*both, ImageState(votes={7: "no"}, shown=(7,))]) == ()


@given(STATES)
def test_a_class_is_disputed_where_words_on_it_differ_or_it_has_no_second_voice(states: list[ImageState]) -> None:
    decided = [state for state in states if state.is_decided]
    expected = set()
    for class_index in range(6):
        words = [votes[class_index] for votes in (state.exposed_votes() for state in decided) if class_index in votes]
        is_split = "yes" in words and (set(words) != {"yes"} or (len(words) == 1 and len(decided) > 1))
        is_doubted = any(state.votes.get(class_index) == "unsure" for state in decided)
        if is_split or is_doubted:
            expected.add(class_index)
    assert set(disputed_classes(states)) == expected


@given(st.lists(st.builds(ImageState, votes=VOTES, shown=st.just((0, 1, 2, 3, 4, 5))), min_size=2, max_size=4))
def test_where_everyone_was_shown_everything_what_differs_between_label_sets_is_disputed(
    states: list[ImageState],
) -> None:
    sets = [set(state.label_set) for state in states if state.is_decided]
    if sets:
        assert set.union(*sets) - set.intersection(*sets) <= set(disputed_classes(states))


@given(STATES)
def test_evidence_names_a_voice_for_everyone_who_decided_and_nobody_else(states: list[ImageState]) -> None:
    names = {f"person {i}": state for i, state in enumerate(states)}
    evidence = anonymous_evidence(5, names)
    assert len(evidence.voices) == sum(state.is_decided for state in states)
    assert set(evidence.comments) | set(evidence.regions) <= set(evidence.voices)
    assert "person" not in repr(evidence)


def test_voices_of_programs_are_told_from_those_of_people() -> None:
    states = {name: ImageState(votes={1: "yes"}) for name in ("ada", "robot")}
    evidence = anonymous_evidence(9, states, {"robot"})
    assert len(evidence.simulated) == 1
    assert set(evidence.simulated) < set(evidence.voices)
    assert anonymous_evidence(9, states).simulated == ()
