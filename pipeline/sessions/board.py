"""How far everyone is: done and left, pace, agreement with peers, gold, idle accounts.

Counts come from the store's own tally and cost the same for a project of any size. What needs the votes themselves
(pace, agreement, gold) is computed on at most `MAX_IMAGES` randomly drawn images. Every share is shown with its
denominator.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from pydantic import TypeAdapter

from pipeline.annotation.folding import ImageState
from pipeline.assignment.gold import GoldScore, project_gold, score_gold
from pipeline.project.folder import open_project
from pipeline.store import SqlStore, open_project_store
from pipeline.votes.words import Round

#: Most images on which pace and agreement are computed.
MAX_IMAGES = 5_000
#: An account with work left and no event for this long is called idle.
IDLE_AFTER_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One annotator in one round.

    Attributes
    ----------
    n_done, n_left
        Tasks decided, and still to decide.
    seconds_per_image
        Median active seconds on a decided image, over `n_timed` of them; None if none is decided.
    n_peer_same, n_peer_votes
        Votes that a peer gave the same way, and all compared votes: those on classes that both were shown.
    gold
        How they did on hidden gold images.
    last_seen
        When their last event reached the store (ISO 8601, UTC); empty if never.
    hours_idle
        Hours since then; None if never.
    is_idle
        Whether work is left and nothing has come for `IDLE_AFTER_HOURS`, or ever.
    """

    annotator: str
    is_simulated: bool
    n_done: int
    n_left: int
    n_unsure: int
    n_commented: int
    seconds_per_image: float | None
    n_timed: int
    n_peer_same: int
    n_peer_votes: int
    gold: GoldScore
    last_seen: str
    hours_idle: float | None
    is_idle: bool

    @property
    def agreement(self) -> float | None:
        """Return the share of votes that peers gave the same way, or None if nothing can be compared."""
        return self.n_peer_same / self.n_peer_votes if self.n_peer_votes else None

    @property
    def hours_left(self) -> float | None:
        """Return the active hours that the remaining work would take at the pace so far."""
        return None if self.seconds_per_image is None else self.n_left * self.seconds_per_image / 3600


@dataclass(frozen=True, slots=True)
class Board:
    """All annotators of a round, by name, at one moment (ISO 8601, UTC)."""

    round: Round
    time: str
    rows: tuple[BoardRow, ...]

    @property
    def n_done(self) -> int:
        """Return how many tasks are decided, summed over everyone."""
        return sum(row.n_done for row in self.rows)

    @property
    def n_tasks(self) -> int:
        """Return how many tasks there are, summed over everyone."""
        return sum(row.n_done + row.n_left for row in self.rows)


#: How a board is sent as JSON.
BOARD: Final = TypeAdapter(Board)


class BoardReader:
    """Reads the board repeatedly; only what changed since the last time is read from the log.

    Parameters
    ----------
    store
        The project's store.
    round_
        Which round.
    answers
        For each gold image, its index and its classes; empty if there are none.
    """

    def __init__(
        self,
        store: SqlStore,
        round_: Round | str = Round.ANNOTATION,
        answers: Mapping[int, frozenset[int]] | None = None,
    ) -> None:
        self._store = store
        self._round = Round(round_)
        self._answers = dict(answers or {})
        self._n_tasks = -1
        self._sample: set[int] = set()
        self._gold_of: dict[str, set[int]] = {}
        self._states: dict[int, dict[str, ImageState]] = {}
        self._seqs: dict[str, int] = {}

    def read(self, now: datetime | None = None) -> Board:
        """Return the current board.

        Parameters
        ----------
        now
            The time from which idleness is measured; if left out, the current time.
        """
        moment = now or datetime.now(UTC)
        progress = self._store.annotators_of(self._round)
        kinds = self._store.annotator_kinds()
        seen = self._store.last_times(self._round)
        self._refresh(sum(p.n_tasks for p in progress.values()), tuple(progress))
        rows = []
        for name, counts in progress.items():
            states = {image: who[name] for image, who in self._states.items() if name in who}
            times = [s.active_ms / 1000 for s in states.values() if s.is_decided and s.active_ms > 0]
            n_same, n_votes = peer_agreement(name, self._states)
            last = seen.get(name, "")
            hours = (moment - datetime.fromisoformat(last)).total_seconds() / 3600 if last else None
            n_left = counts.n_tasks - counts.n_done
            gold = ((image, s) for image, s in states.items() if image in self._gold_of.get(name, ()))
            rows.append(
                BoardRow(
                    annotator=name,
                    is_simulated=kinds.get(name) == "simulated",
                    n_done=counts.n_done,
                    n_left=n_left,
                    n_unsure=counts.n_unsure,
                    n_commented=counts.n_commented,
                    seconds_per_image=median(times) if times else None,
                    n_timed=len(times),
                    n_peer_same=n_same,
                    n_peer_votes=n_votes,
                    gold=score_gold(self._answers, gold),
                    last_seen=last,
                    hours_idle=hours,
                    is_idle=n_left > 0 and (hours is None or hours >= IDLE_AFTER_HOURS),
                )
            )
        return Board(self._round, moment.isoformat(timespec="seconds"), tuple(rows))

    def _refresh(self, n_tasks: int, names: tuple[str, ...]) -> None:
        if n_tasks != self._n_tasks:
            self._choose_sample()
            self._n_tasks = n_tasks
            self._seqs = {name: self._store.last_seq(self._round, name) for name in names}
            self._states = self._store.states_of_images(self._round, sorted(self._sample))
            return
        changed: set[int] = set()
        for name in names:
            self._seqs[name], images = self._store.changed_images(self._round, name, self._seqs.get(name, 0))
            changed |= images & self._sample
        if changed:
            self._states |= self._store.states_of_images(self._round, sorted(changed))

    def _choose_sample(self) -> None:
        assignments = self._store.assignments(self._round)
        gold = {a.image_index for a in assignments if a.is_gold}
        ordinary = sorted({a.image_index for a in assignments} - gold)
        if len(ordinary) > MAX_IMAGES:
            ordinary = random.Random(0).sample(ordinary, MAX_IMAGES)
        self._sample = set(ordinary) | gold
        self._gold_of = {}
        for a in assignments:
            if a.is_gold:
                self._gold_of.setdefault(a.annotator, set()).add(a.image_index)


def board_of_project(folder: str | Path, round_: Round | str) -> BoardReader:
    """Return a reader of the board of a project on this machine.

    Raise `ProjectError` if the folder is not a project.
    """
    project = open_project(folder)
    return BoardReader(open_project_store(project), round_, project_gold(project))


def peer_agreement(annotator: str, states: Mapping[int, Mapping[str, ImageState]]) -> tuple[int, int]:
    """Count an annotator's votes that peers gave the same way.

    Parameters
    ----------
    annotator
        Whose votes.
    states
        Image index to annotator to state. Only classes that both were shown count, and only decided images.

    Returns
    -------
    tuple of int
        Votes given the same way, and votes compared; a vote is compared once with each peer.
    """
    n_same = n_compared = 0
    for who in states.values():
        own = who[annotator].exposed_votes() if annotator in who else {}
        if not own:
            continue
        for peer, state in who.items():
            if peer == annotator:
                continue
            other = state.exposed_votes()
            common = own.keys() & other.keys()
            n_compared += len(common)
            n_same += sum(own[c] == other[c] for c in common)
    return n_same, n_compared
