"""What a change of the project still has to tell the store, told when the store is next opened.

A change of the classes, or new images, first changes the project's files, in one step
(:mod:`pipeline.project.changing`). What follows from it for votes and tasks is named in `pending.json`, one of these
files, and carried out here. That can be cut off and begun again: what has been done is seen in the store itself, and
not done twice.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState
from pipeline.errors import StoreError
from pipeline.project.changing import PENDING_FILE
from pipeline.project.folder import Project
from pipeline.store.sql_store import SqlStore, open_store
from pipeline.store.task_lists import Assignment
from pipeline.votes.words import MERGE_ORDER, Round, Vote

_EVENTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Replacement:
    """What the votes on some classes say about those that replace them.

    Parameters
    ----------
    sources, targets
        Class indices: a merge has one target, a split one source, and an offer no source.
    images
        Images that are offered the targets; None for all.
    """

    sources: tuple[int, ...]
    targets: tuple[int, ...]
    images: frozenset[int] | None = None

    def votes(self, state: ImageState) -> dict[int, Vote]:
        """Return the votes on the targets that follow from a state.

        Merged: `yes` if either is, else `unsure` if either is; `no` only if all of them are, since a class that was not
        shown has no vote. Split: a `no` holds for every part; a `yes` holds for none in particular.
        """
        given = state.exposed_votes()
        votes = [given.get(source) for source in self.sources]
        if len(self.targets) == 1:
            for vote in MERGE_ORDER[:-1]:
                if vote in votes:
                    return {self.targets[0]: vote}
        is_no = bool(votes) and all(vote == Vote.NO for vote in votes)
        return dict.fromkeys(self.targets, Vote.NO) if is_no else {}

    def offers(self, state: ImageState) -> tuple[int, ...]:
        """Return the targets that a state leaves to be decided again."""
        votes = [state.exposed_votes().get(source) for source in self.sources]
        is_asked = not self.sources or (len(self.targets) > 1 and votes[0] in (Vote.YES, Vote.UNSURE))
        return self.targets if is_asked else ()


def open_project_store(project: Project) -> SqlStore:
    """Open the store that a project's settings name: ``with open_project_store(project) as store: …``.

    What the newest change of the project still has to tell it is told first.
    """
    space = project.label_space
    store = open_store(project.store_url, len(space), space.gone, space.ancestors_of)
    if (project.root / PENDING_FILE).exists():
        try:
            tell_pending(project, store)
        except BaseException:
            store.close()
            raise
    return store


def tell_pending(project: Project, store: SqlStore) -> None:
    """Carry out what is pending, and remove the note of it.

    Raise `StoreError` if the note cannot be read, or the store cannot take it; the note then stays.
    """
    path = project.root / PENDING_FILE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return  # another process was first
    except ValueError as error:
        raise StoreError(f"{path}: cannot be read ({error}); restore it from a backup") from error
    if note["kind"] == "tasks":
        store.add_annotators({name for name, _, _ in note["tasks"]})
        store.assign(Round.ANNOTATION, [Assignment(*task) for task in note["tasks"]])
    else:
        images = None if note["images"] is None else frozenset(note["images"])
        replacement = Replacement(tuple(note["sources"]), tuple(note["targets"]), images)
        replace_votes(store, replacement, note["change"])
    path.unlink(missing_ok=True)


def replace_votes(store: SqlStore, replacement: Replacement, change: int) -> int:
    """Append, to every annotator's work on every image, what a change of the classes makes of it; return how much.

    What is already in the store is left, so doing this twice does it once.
    """
    n_appended = 0
    refused: set[tuple[Round, str, int]] = set()
    while True:  # until votes that arrive meanwhile are taken in, too
        found = list(_events(store, replacement, change, refused))
        for first in range(0, len(found), _EVENTS_AT_ONCE):
            batch = found[first : first + _EVENTS_AT_ONCE]
            for event, result in zip(batch, store.append(batch), strict=True):
                n_appended += result.seq is not None
                if result.seq is None:  # the task is no longer theirs, or is full: nothing more can be said about it
                    refused.add((event.round, event.annotator, event.image_index))
        if not found:
            return n_appended


def _events(
    store: SqlStore, replacement: Replacement, change: int, refused: set[tuple[Round, str, int]]
) -> Iterator[Event]:
    for round_, name, image, state in _states(store, replacement):
        if (round_, name, image) in refused:
            continue
        votes = {c: vote for c, vote in replacement.votes(state).items() if c not in {*state.votes, *state.shown}}
        seen = {*state.offered, *state.shown}
        offered = [c for c in replacement.offers(state) if c not in seen]
        if votes or offered:
            payload: Mapping[str, Any] = {
                "change": change,
                "votes": {str(c): vote.value for c, vote in votes.items()},
                "offered": offered,
            }
            order = f"change:{change}"
            yield Event(uuid.uuid4().hex, round_, name, image, EventKind.CLASSES, payload, order=order)


def _states(store: SqlStore, replacement: Replacement) -> Iterator[tuple[Round, str, int, ImageState]]:
    """Yield the states that a replacement may touch; an offer is made on tasks that nobody has begun, too."""
    if replacement.sources:
        for round_ in Round:
            for row in store.iter_kept_states(round_):
                yield round_, row.annotator, row.image_index, row.state
        return
    known = {(row.annotator, row.image_index): row.state for row in store.iter_kept_states(Round.ANNOTATION)}
    tasks: Sequence[Assignment] = store.assignments(Round.ANNOTATION)
    for task in tasks:
        if replacement.images is None or task.image_index in replacement.images:
            state = known.get((task.annotator, task.image_index), ImageState())
            yield Round.ANNOTATION, task.annotator, task.image_index, state
