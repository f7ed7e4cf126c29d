"""What open pages ask every few seconds: what is new in somebody's work, and what they can undo.

So these statements are written once, and read no column that the answer does not need: a person's last 500 actions
come with every answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.annotation.events import UNDOABLE, EventKind
from pipeline.store.tables import events, states, tasks
from pipeline.store.task_lists import bound_to
from pipeline.votes.words import Round

#: How many of the latest actions can be undone.
UNDO_DEPTH = 500


class Action(NamedTuple):
    """What somebody decided, undid or redid, without what it says.

    `payload` is that of an undo or a redo, and empty otherwise. `position` is None where the image is no longer theirs.
    """

    event_id: str
    seq: int
    kind: EventKind
    image_index: int
    position: int | None
    payload: Mapping[str, Any]


def newer_states(
    connection: sa.Connection, round_: Round, annotator: str, since_seq: int
) -> Iterator[tuple[int, int | None, str | None]]:
    """Yield `seq`, position and state, as text, of each image with events of an annotator after `since_seq`."""
    named = {"round": round_.value, "annotator": annotator, "since_seq": since_seq}
    for row in connection.execute(_NEWER, named):
        yield row.seq, row.position, row.state


def latest_actions(connection: sa.Connection, round_: Round, annotator: str) -> Iterator[Action]:
    """Yield the last `UNDO_DEPTH` actions, undos and redos of an annotator, the latest first."""
    rows = connection.execute(_LATEST_ACTIONS, {"round": round_.value, "annotator": annotator}).all()
    for event_id, seq, kind, image_index, position, payload in rows:
        yield Action(event_id, seq, EventKind(kind), image_index, position, json.loads(payload) if payload else {})


def _kinds(*kinds: EventKind) -> sa.ColumnElement[bool]:
    # Written out: a list of parameters would be put into the statement anew each time.
    return events.c.kind.in_([sa.literal_column(f"'{kind.value}'") for kind in kinds])


_NEW = (
    sa.select(events.c.image_index, sa.func.max(events.c.seq).label("seq"))
    .where(bound_to(events), events.c.seq > sa.bindparam("since_seq"))
    .group_by(events.c.image_index)
    .subquery()
)
_NEWER = (
    sa.select(_NEW.c.seq, tasks.c.position, states.c.state)
    .select_from(_NEW)
    .outerjoin(states, sa.and_(bound_to(states), states.c.image_index == _NEW.c.image_index))
    .outerjoin(tasks, sa.and_(bound_to(tasks), tasks.c.image_index == _NEW.c.image_index))
)
_LATEST_ACTIONS = (
    sa.select(
        *(events.c.event_id, events.c.seq, events.c.kind, events.c.image_index, tasks.c.position),
        sa.case((_kinds(EventKind.UNDO, EventKind.REDO), events.c.payload)).label("payload"),
    )
    .select_from(events)
    .outerjoin(tasks, sa.and_(bound_to(tasks), tasks.c.image_index == events.c.image_index))
    .where(bound_to(events), _kinds(*sorted(UNDOABLE), EventKind.UNDO, EventKind.REDO))
    .order_by(events.c.seq.desc())
    .limit(UNDO_DEPTH)
)
