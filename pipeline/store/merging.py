"""Join two copies of a store that have diverged: the events of both, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.annotation.events import Event
from pipeline.errors import StoreError
from pipeline.store.deriving import Key, key_of
from pipeline.store.sql_store import SqlStore
from pipeline.store.task_lists import Assignment
from pipeline.votes.words import Round

_EVENTS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class MergeSummary:
    """What a merge did.

    Parameters
    ----------
    n_known
        Events of the other store that were already here.
    n_taken
        Events that were added, at the end of the log and with the time at which the other store took them.
    taken_from
        Annotator to number of events added.
    refused
        Event ids that were not taken, each with the reason.
    continued_on_both
        (round, annotator, image index) with events on both sides after the split. The other store's events now come
        last there. Have the annotator look at these images again.
    """

    n_known: int
    n_taken: int
    taken_from: dict[str, int]
    refused: tuple[tuple[str, str], ...]
    continued_on_both: tuple[Key, ...]


def merge_stores(store: SqlStore, other: SqlStore) -> MergeSummary:
    """Add to a store the annotators, tasks and events that another copy of it has and it lacks.

    Events are told apart by their ids, so merging twice changes nothing. Added events keep their order and their times,
    and go to the end of the log.

    Raise `StoreError` if both have events but none in common: they are not copies of one store.
    """
    ours = {event.event_id: key_of(event) for event in store.iter_events()}
    theirs = {event.event_id: key_of(event) for event in other.iter_events()}
    if ours and theirs and not set(ours) & set(theirs):
        raise StoreError("the two stores have no event in common; they are not copies of one project's store")
    _add_people_and_tasks(store, other)
    taken: Counter[str] = Counter()
    refused: list[tuple[str, str]] = []
    lacking = (event for event in other.iter_events() if event.event_id not in ours)
    for events in _batches(lacking):
        for event, result in zip(events, store.append(events), strict=True):
            if result.seq is None:
                refused.append((event.event_id, result.error))
            else:
                taken[event.annotator] += 1
    only_ours = {key for event_id, key in ours.items() if event_id not in theirs}
    only_theirs = {key for event_id, key in theirs.items() if event_id not in ours}
    return MergeSummary(
        n_known=len(set(ours) & set(theirs)),
        n_taken=sum(taken.values()),
        taken_from=dict(sorted(taken.items())),
        refused=tuple(refused),
        continued_on_both=tuple(sorted(only_ours & only_theirs)),
    )


def _add_people_and_tasks(store: SqlStore, other: SqlStore) -> None:
    kinds = other.annotator_kinds()
    for kind in sorted(set(kinds.values())):
        new = [name for name, theirs in kinds.items() if theirs == kind and name not in store.annotator_kinds()]
        store.add_annotators(new, kind=kind)
    for round_ in Round:
        known = {(task.annotator, task.image_index) for task in store.assignments(round_)}
        lacking: list[Assignment] = [
            task for task in other.assignments(round_) if (task.annotator, task.image_index) not in known
        ]
        if lacking:
            store.assign(round_, lacking)


def _batches(events: Iterator[Event]) -> Iterator[Sequence[Event]]:
    while batch := list(islice(events, _EVENTS_AT_ONCE)):
        yield batch
