"""Verify a store: the chain through each annotator's events, and the states that should follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from pipeline.annotation.folding import fold
from pipeline.store.chain import Break, Head, breaks_of
from pipeline.store.deriving import Key
from pipeline.store.records import event_from_row, state_from_text
from pipeline.store.tables import chains, events, states

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Parameters
    ----------
    n_events
        Number of events read.
    breaks
        Where chains do not hold; none in a log that nobody has tampered with.
    heads
        Where the chain of each (round, annotator) ends. Kept elsewhere, they show later whether the log was rewritten.
    stale_states
        (round, annotator, image index) whose state is not what the events imply. `mlf store rebuild` repairs these.
    """

    n_events: int
    breaks: tuple[Break, ...]
    heads: dict[tuple[str, str], Head]
    stale_states: tuple[Key, ...]

    @property
    def is_sound(self) -> bool:
        """Return whether nothing was found."""
        return not self.breaks and not self.stale_states


def verify_log(connection: sa.Connection, progress: Callable[[int], None] = lambda _n: None) -> Verification:
    """Read all events twice, once for their chains and once for their states.

    Parameters
    ----------
    connection
        To the store, within one read transaction.
    progress
        Called with the number of events read since the last call.
    """
    heads = {
        (row.round, row.annotator): Head(row.n_events, row.digest) for row in connection.execute(sa.select(chains))
    }
    breaks: list[Break] = []
    found: set[tuple[str, str]] = set()
    n_events = 0
    streamed = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    in_chains = streamed.execute(
        sa.select(events).order_by(events.c.round, events.c.annotator, events.c.seq)
    ).mappings()
    for (round_, annotator), rows in groupby(in_chains, key=lambda row: (row["round"], row["annotator"])):
        own = [dict(row) for row in rows]
        found.add((round_, annotator))
        breaks += breaks_of(round_, annotator, own, heads.get((round_, annotator), Head()))
        n_events += len(own)
        progress(len(own))
    for round_, annotator in sorted(set(heads) - found):
        breaks += breaks_of(round_, annotator, [], heads[round_, annotator])
    return Verification(n_events, tuple(breaks), heads, _stale_states(connection))


def lost_heads(connection: sa.Connection, kept: dict[tuple[str, str], Head]) -> list[str]:
    """Return, in words, each chain that no longer contains a head kept elsewhere; chains may have grown since."""
    lost = []
    for (round_, annotator), head in sorted(kept.items()):
        query = sa.select(events.c.digest).where(
            events.c.round == round_, events.c.annotator == annotator, events.c.chain_position == head.n_events
        )
        if head.n_events and connection.scalar(query) != head.digest:
            lost.append(f"{annotator}, {round_}: event {head.n_events:,} of the chain is not the one that was kept")
    return lost


def _stale_states(connection: sa.Connection) -> tuple[Key, ...]:
    kept = {
        (row.round, row.annotator, row.image_index): row.state
        for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(sa.select(states))
    }
    stale = []
    order = (events.c.round, events.c.annotator, events.c.image_index, events.c.seq)
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(sa.select(events).order_by(*order))
    for key, own in groupby(rows, key=lambda row: (row.round, row.annotator, row.image_index)):
        text = kept.pop(key, None)
        if text is None or state_from_text(text) != fold(event_from_row(row) for row in own):
            stale.append(key)
    return tuple(sorted([*stale, *kept]))
