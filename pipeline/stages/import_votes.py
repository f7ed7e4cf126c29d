"""Votes and comments of other tools, as events of a project's store: each person's word on an image in one piece.

What somebody has decided here already is never replaced unasked. The same file given twice changes nothing, and an
import that was cut off goes on where it was: the log itself tells what is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast

from tqdm.auto import tqdm

from pipeline.annotation.disputes import agreed_labels, votes_of_refiner
from pipeline.annotation.events import CLEAR, MAX_COMMENT_CHARACTERS, Event, EventKind
from pipeline.annotation.folding import ImageState
from pipeline.errors import DatasetError, ProjectError
from pipeline.formats.exchange.content import SIMULATED, Sitting
from pipeline.project.folder import Project
from pipeline.project.names import check_person, first_few, settled
from pipeline.project.notices import tell
from pipeline.proposals.reader import open_proposals
from pipeline.stages.incoming import REFUSED, TAKEN, THERE, Incoming, Rows
from pipeline.store import Assignment, SqlStore, open_project_store
from pipeline.votes.words import MERGE_ORDER, Round, Vote

#: What people were shown, where a file does not tell: the classes that it names, the image's proposals, or all classes.
SHOWN: Final = ("named", "proposals", "all")
Shown = Literal["named", "proposals", "all"]
#: How events tell that no list of proposals was on screen here.
ORDER: Final = "imported"
_AT_ONCE = 500


def as_shown(value: str) -> Shown:
    """Return what people were shown, from what somebody typed; raise `DatasetError` if it is none of :data:`SHOWN`."""
    if value not in SHOWN:
        raise DatasetError(f"--shown {value!r}: people were shown one of {', '.join(SHOWN)}")
    return cast(Shown, value)


@dataclass(frozen=True, slots=True)
class _Given:
    """One person's word on one image, in indices of classes."""

    annotator: str
    round: Round
    image_index: int
    image: str
    votes: Mapping[int, Vote]
    shown: frozenset[int]
    none: bool
    comment: str
    at: str
    place: str


def import_votes(
    project: Project,
    incoming: Incoming,
    rows: Rows,
    *,
    shown: Shown = "named",
    is_simulated: bool = False,
    replaces: bool = False,
    is_dry: bool = False,
) -> None:
    """Append what people said to the project's store, and note in `rows` what became of each word.

    Parameters
    ----------
    rows
        Takes what became of each.
    shown
        What people were shown, where the file does not tell.
    is_simulated
        Whether the annotators are programs; those whose names say so are in any case.
    replaces
        Whether the file's word stands where somebody has decided otherwise here.
    is_dry
        Only say what would be done.

    Raises
    ------
    ProjectError
        If `shown` is `proposals` and the project has none.
    StoreError
        If the store cannot be written; what was taken until then stays, and the import can be given again.
    """
    if not any(record.sittings for record in incoming.records):
        return
    with open_project_store(project) as store:
        given, kinds = _given(project, incoming, rows, shown, store.annotator_kinds(), is_simulated)
        if not given:
            return
        if not is_dry:
            for kind in dict.fromkeys(kinds.values()):
                store.add_annotators([name for name, of in kinds.items() if of == kind], kind=kind)
        parts = [given[first : first + _AT_ONCE] for first in range(0, len(given), _AT_ONCE)]
        for part in parts if len(parts) < 4 else tqdm(parts, unit=" parts"):
            agreed = _agreed(store, part, project.settings.consensus.annotators_left_out)
            _append(store, part, agreed, rows, replaces=replaces, is_dry=is_dry)


def _given(
    project: Project, incoming: Incoming, rows: Rows, shown: Shown, known: Mapping[str, str], is_simulated: bool
) -> tuple[list[_Given], dict[str, str]]:
    """Return every word on an image once, and the kind of each person."""
    proposals = open_proposals(project) if shown == "proposals" else None
    everything = frozenset(range(len(project.label_space))) - frozenset(project.label_space.gone)
    found: dict[tuple[str, Round, int], _Given] = {}
    kinds: dict[str, str] = {}
    for record, index in zip(incoming.records, incoming.image_index, strict=True):
        for sitting in record.sittings:
            place = sitting.place or record.place
            name, kind = _person(sitting.annotator, is_simulated)
            reason = _why_not(name, kind, known, sitting)
            if reason:
                rows.add(place, record.image, "votes", REFUSED, reason, name)
                continue
            votes: dict[int, Vote] = {}
            for each, vote in sitting.votes.items():  # several names may be one class now, after a merge
                on_class = incoming.class_of[each]
                votes[on_class] = min(vote, votes.get(on_class, vote), key=MERGE_ORDER.index)
            on_screen = frozenset(incoming.class_of[each] for each in sitting.shown or ()) | frozenset(votes)
            if sitting.shown is None and sitting.is_decided and shown != "named":
                seen = everything if proposals is None else proposals.rows([index])[index].class_index
                on_screen |= frozenset(seen)
            one = _Given(
                name,
                sitting.round,
                index,
                record.image,
                votes,
                on_screen,
                sitting.none,
                sitting.comment,
                sitting.at,
                place,
            )
            key = (name, sitting.round, index)
            before = found.get(key)
            if before is not None and not _is_same(before, one):
                rows.add(
                    place,
                    record.image,
                    "votes",
                    REFUSED,
                    f"{before.place} says otherwise of the same image; keep one",
                    name,
                )
                continue
            kinds[name] = kind
            found.setdefault(key, one)
    _tell_of_people_alike(kinds, {*kinds, *known})
    # Person by person: to give somebody tasks, the store reads all that they have.
    return sorted(found.values(), key=lambda one: (one.annotator, one.round)), kinds


def _tell_of_people_alike(given: Collection[str], everybody: Iterable[str]) -> None:
    """Tell which annotators differ in capitals alone: they are several people here, and may be one in the files."""
    alike: dict[str, list[str]] = {}
    for name in sorted(everybody):
        alike.setdefault(name.casefold(), []).append(name)
    several = [names for names in alike.values() if len(names) > 1 and not set(names).isdisjoint(given)]
    if several:
        told = first_few(" and ".join(map(repr, names)) for names in several)
        tell(f"{told}: different people here; if they are one, give them one name in the files")


def _person(name: str, is_simulated: bool) -> tuple[str, str]:
    """Return a person's name and kind; programs bear :data:`SIMULATED` behind their names when they leave a project."""
    name = settled(name)
    if name.endswith(SIMULATED):
        return name.removesuffix(SIMULATED), "simulated"
    return name, "simulated" if is_simulated else "human"


def _why_not(name: str, kind: str, known: Mapping[str, str], sitting: Sitting) -> str:
    try:
        check_person(name)
    except ProjectError as error:
        return str(error)
    if known.get(name, kind) != kind:
        return (
            f"{name} is a person in this project, and these votes are a program's" if kind == "simulated"
            else f"{name} is a program in this project (simulated), and these votes do not say that they are one's; "
            "--simulated says so"
        )  # fmt: skip
    if len(sitting.comment) > MAX_COMMENT_CHARACTERS or "\x00" in sitting.comment:
        return f"a comment takes at most {MAX_COMMENT_CHARACTERS:,} characters, without NUL"
    if not sitting.is_decided and not sitting.comment:
        return "nothing was said about the image"
    return ""


def _is_same(one: _Given, other: _Given) -> bool:
    return replace(one, place="", at="") == replace(other, place="", at="")


def _agreed(store: SqlStore, part: Sequence[_Given], left_out: Sequence[str]) -> dict[int, frozenset[int]]:
    """Return the classes that stand agreed on each image of which a refiner's word is given."""
    images = sorted({one.image_index for one in part if one.round is Round.REFINEMENT})
    # Votes on hidden gold are kept apart, so that nothing is agreed there (as in `votes_of_project`).
    probes = store.probe_images(Round.ANNOTATION) if images else ()
    found = store.states_of_images(Round.ANNOTATION, images)
    return {
        image: agreed_labels(state for name, state in states.items() if name not in left_out)
        for image, states in found.items()
        if image not in probes
    }


def _append(
    store: SqlStore,
    part: Sequence[_Given],
    agreed: Mapping[int, frozenset[int]],
    rows: Rows,
    *,
    replaces: bool,
    is_dry: bool,
) -> None:
    """Append one part in one transaction: every word on an image is taken whole or not at all."""
    before = _states(store, part)
    new: list[tuple[_Given, list[Event]]] = []
    for one in part:
        state = before[one.annotator, one.round, one.image_index]
        is_there = _votes_are_there(one, state, agreed.get(one.image_index, frozenset()))
        events = _events(one, state, is_there=is_there)
        if not events:
            rows.add(one.place, one.image, "votes", THERE, "", one.annotator)
        elif _contradicts(one, state, is_there=is_there) and not replaces:
            reason = f"{one.annotator} has decided it otherwise here; --replace takes the file's word"
            rows.add(one.place, one.image, "votes", REFUSED, reason, one.annotator)
        else:
            new.append((one, events))
    if is_dry or not new:
        for one, _ in new:
            rows.add(one.place, one.image, "votes", TAKEN, "", one.annotator)
        return
    for round_ in Round:
        store.assign(round_, [Assignment(one.annotator, one.image_index) for one, _ in new if one.round is round_])
    results = iter(store.append([event for _, events in new for event in events]))
    for one, events in new:
        errors = [result.error for _, result in zip(events, results, strict=False) if result.seq is None]
        rows.add(one.place, one.image, "votes", REFUSED if errors else TAKEN, "; ".join(errors), one.annotator)


def _states(store: SqlStore, part: Iterable[_Given]) -> dict[tuple[str, Round, int], ImageState]:
    wanted: dict[tuple[str, Round], list[int]] = {}
    for one in part:
        wanted.setdefault((one.annotator, one.round), []).append(one.image_index)
    return {
        (annotator, round_, index): state
        for (annotator, round_), indices in wanted.items()
        for index, state in store.states(round_, annotator, indices).items()
    }


def _contradicts(one: _Given, state: ImageState, *, is_there: bool) -> bool:
    """Tell whether somebody decided otherwise here, or wrote another comment."""
    says_votes = bool(one.votes) or one.none
    if says_votes and state.is_decided and not is_there:
        return True
    return bool(one.comment and state.comment and one.comment != state.comment)


def _votes_are_there(one: _Given, state: ImageState, agreed: Collection[int]) -> bool:
    """Tell whether this was said already; a class shown here alone, that the file does not name, has a `no` there.

    A refiner has a word on what was agreed only if it was said: leaving that alone is no vote, here or in the file.
    """
    said, is_refined = _said(one), one.round is Round.REFINEMENT
    here = votes_of_refiner(state, agreed) if is_refined else state.exposed_votes()
    given = {c: said[c] for c in said if not is_refined or c in one.votes or one.none or c not in agreed}
    shown = here.keys() & {*state.shown}
    return (
        state.is_decided and here == dict.fromkeys(shown, Vote.NO) | given and here.keys() & said.keys() == given.keys()
    )


def _said(one: _Given) -> dict[int, Vote]:
    return dict.fromkeys(one.shown, Vote.NO) | dict(one.votes)


def _events(one: _Given, state: ImageState, *, is_there: bool) -> list[Event]:
    """Return the events that lead from a state to what was said; none where it is there already.

    A class that was shown and has no vote of its own counts as `no`, so that one event per tick will do. A refiner's
    `no` is said of each class: leaving alone what annotators agreed on is no vote there.
    """
    actions: list[tuple[EventKind, dict[str, Any]]] = []
    if (one.votes or one.none) and not is_there:
        said = _said(one)
        is_each_said = one.round is Round.REFINEMENT and not one.none
        cleared = [c for c in sorted(state.votes) if c not in (one.votes if is_each_said else said)]
        actions += [(EventKind.VOTE, {"class_index": c, "vote": CLEAR}) for c in cleared]
        named = {c: vote for c, vote in one.votes.items() if vote is not Vote.NO or is_each_said}
        if not named and one.votes and not one.none:  # nothing but `no`: one is said, the others follow from exposure
            named = dict(sorted(one.votes.items())[:1])
        if state.unsure:
            actions.append((EventKind.UNSURE, {"value": False}))
        if state.votes and not named:
            actions += [(EventKind.VOTE, {"class_index": c, "vote": CLEAR}) for c in sorted(state.votes) if c in said]
        elif state.votes:
            named |= {c: said[c] for c in state.votes if c in said and c not in named and c not in cleared}
        if named and one.none != state.none:
            actions.append((EventKind.NONE, {"value": one.none}))
        actions += [(EventKind.VOTE, {"class_index": c, "vote": vote.value}) for c, vote in sorted(named.items())]
        if not named:
            actions.append((EventKind.NONE, {"value": True}))
    if one.comment and one.comment != state.comment:
        actions.append((EventKind.COMMENT, {"text": one.comment}))
    return [
        Event(
            _event_id(one, state.last_seq, number, kind, payload),
            one.round,
            one.annotator,
            one.image_index,
            kind,
            payload,
            tuple(sorted(one.shown)) if number == 0 else (),
            order=ORDER,
            client_time=one.at[:96],
        )
        for number, (kind, payload) in enumerate(actions)
    ]


def _event_id(one: _Given, last_seq: int, number: int, kind: EventKind, payload: Mapping[str, Any]) -> str:
    """Return an id that is the same whenever the same is said on top of the same state."""
    said = [one.round, one.annotator, one.image_index, last_seq, number, kind, dict(payload), sorted(one.shown)]
    return f"imported-{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:40]}"
