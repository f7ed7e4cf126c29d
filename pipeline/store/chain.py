"""The chain through each annotator's events. Changing, removing or inserting an event later breaks it.

Each event carries its place in its chain, and a digest of its own content and of the digest before it. There is one
chain per (round, annotator), so verifying one person's work reads only that person's events. Someone who can write to
the database can also recompute all later digests. They cannot change a head that was kept elsewhere (in a backup or a
printed report), so `mlf store verify --against` compares with that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError
from pipeline.project.writing import write_text

#: What the digest covers: everything that an event says, as stored in its row.
_COVERED = (
    "event_id",
    "round",
    "annotator",
    "image_index",
    "kind",
    "payload",
    "shown",
    "active_ms",
    "proposal_order",
    "client_time",
    "server_time",
)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many events it has, and the digest of the last one (empty for a new chain)."""

    n_events: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold.

    Parameters
    ----------
    round, annotator
        The round and the annotator of the chain.
    position
        The place in the chain, counted from 1.
    event_id
        The event found there; empty where events are missing at the end.
    what
        What is wrong, in words.
    """

    round: str
    annotator: str
    position: int
    event_id: str
    what: str

    def __str__(self) -> str:
        """Return it as one readable line."""
        return f"{self.annotator}, {self.round}, event {self.position:,} of the chain: {self.what}"


def digest_of(row: Mapping[str, Any], previous: str) -> str:
    """Return the SHA-256 digest (hexadecimal) of the previous digest followed by an event's row."""
    content = json.dumps([previous, *(row[name] for name in _COVERED)], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def linked(rows: Iterable[dict[str, Any]], heads: dict[tuple[str, str], Head]) -> Iterator[dict[str, Any]]:
    """Yield rows of new events with their place in their chain and their digest, and update `heads` accordingly."""
    for row in rows:
        key = (row["round"], row["annotator"])
        head = heads.get(key, Head())
        digest = digest_of(row, head.digest)
        heads[key] = Head(head.n_events + 1, digest)
        yield row | {"chain_position": head.n_events + 1, "digest": digest}


def breaks_of(round_: str, annotator: str, rows: Iterable[Mapping[str, Any]], head: Head) -> Iterator[Break]:
    """Yield every place where a chain does not hold.

    Parameters
    ----------
    round_, annotator
        The round and the annotator of the chain.
    rows
        Its events as the log has them, in order of their `seq`.
    head
        Where the chain ends, according to the store.
    """
    position, previous = 0, ""
    for row in rows:
        expected = position + 1
        found, event_id = int(row["chain_position"]), str(row["event_id"])
        if found > expected:
            n_missing = found - expected
            what = f"{n_missing} event{'s were' if n_missing > 1 else ' was'} removed before event {event_id!r}"
            yield Break(round_, annotator, expected, event_id, what)
        elif found < expected:
            yield Break(round_, annotator, expected, event_id, f"event {event_id!r} was inserted or moved")
        elif digest_of(row, previous) != row["digest"]:
            yield Break(round_, annotator, expected, event_id, f"event {event_id!r} was changed")
        position, previous = max(found, position), str(row["digest"])
    if position < head.n_events:
        n_missing = head.n_events - position
        what = f"the last {n_missing} event{'s were' if n_missing > 1 else ' was'} removed"
        yield Break(round_, annotator, position + 1, "", what)
    elif position > head.n_events:
        n_added = position - head.n_events
        what = f"{n_added} event{'s were' if n_added > 1 else ' was'} added by hand"
        yield Break(round_, annotator, head.n_events + 1, "", what)
    elif previous != head.digest:
        yield Break(round_, annotator, position, "", "the last event is not the one that was kept as the last")


def write_heads(path: Path, heads: dict[tuple[str, str], Head]) -> None:
    """Write the ends of the chains to a file, to be kept elsewhere; raise `OSError` if it cannot be written."""
    rows = [{"round": r, "annotator": a, "n_events": h.n_events, "digest": h.digest} for (r, a), h in heads.items()]
    write_text(path, json.dumps(rows, indent=1) + "\n")


def read_heads(path: Path) -> dict[tuple[str, str], Head]:
    """Read what :func:`write_heads` wrote; raise `StoreError` if the file is missing or not of this kind."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        heads = {(row["round"], row["annotator"]): Head(int(row["n_events"]), str(row["digest"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is no file that `mlf store verify --keep` wrote ({error}); name one") from error
    if not heads:
        raise StoreError(f"{path} holds no chain; name a file that `mlf store verify --keep` wrote")
    return heads
