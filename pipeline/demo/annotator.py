"""A program that annotates as a person does: through a session, image by image, page by page, event by event."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.session import AnnotationSession, Task, TaskFilter
from pipeline.demo.behaviour import Behaviour, Confusable, judge
from pipeline.errors import StoreError
from pipeline.votes.words import Vote

_SPREAD = 0.45


class SimulatedAnnotator:
    """Works through the tasks of one session.

    Parameters
    ----------
    session
        The session of an annotator whom the store knows as simulated.
    behaviour
        How the annotator errs, and the time they take.
    truth
        From image index to the classes that apply.
    confusable
        Which classes are easily taken for which.
    seed
        The same seed gives the same votes and events for every image, in whatever order: working through an image again
        changes nothing.

    Raises
    ------
    StoreError
        If the annotator is a person: programs do not vote under a person's name.
    """

    def __init__(
        self,
        session: AnnotationSession,
        behaviour: Behaviour,
        truth: Mapping[int, frozenset[int]],
        confusable: Confusable,
        *,
        seed: int = 0,
    ) -> None:
        info = session.open()
        if not info.is_simulated:
            raise StoreError(
                f"{session.annotator!r} is not registered as simulated; assign their tasks with `--simulated`"
            )
        self._session = session
        self._behaviour = behaviour
        self._truth = truth
        self._confusable = confusable
        self._seed = seed
        self._page_size = info.annotation.page_size

    @property
    def name(self) -> str:
        """The annotator's name."""
        return self._session.annotator

    def work(
        self, n_images: int | None = None, *, images_at_once: int = 1, on_image: Callable[[], object] = lambda: None
    ) -> int:
        """Decide the next images that are not done, and return how many were decided.

        Parameters
        ----------
        n_images
            How many to decide at most; None for all that are left.
        images_at_once
            How many images' events are saved together: people save each image, programs in a hurry need not.
        on_image
            Called after each image.

        Raises
        ------
        StoreError
            If the store refuses an event.
        """
        n_done = 0
        position = 0
        while n_images is None or n_done < n_images:
            n_due = images_at_once if n_images is None else min(images_at_once, n_images - n_done)
            positions = self._not_done(position, n_due)
            if not positions:
                break
            self._save([event for task in self._session.tasks(positions) for event in self.events(task)])
            for _ in positions:
                on_image()
            n_done += len(positions)
            position = positions[-1] + 1
        return n_done

    def events(self, task: Task) -> list[Event]:
        """Return the events of one image: ticks page by page, then the other proposals as seen."""
        rng = Random(f"{self._seed}/{self.name}/{self._session.round.value}/{task.image_index}")
        maker = _EventMaker(self, task, rng)
        # A refiner is first asked about the open labels, whether proposed or added by an annotator.
        offered = list(dict.fromkeys([*task.open_labels, *(proposal.class_index for proposal in task.proposals)]))
        behaviour = self._behaviour.searching() if task.is_probe else self._behaviour
        said = judge(behaviour, offered, self._truth.get(task.image_index, frozenset()), self._confusable, rng)
        said |= {class_index: Vote.NO for class_index in task.open_labels if class_index not in said}
        page_size = self._page_size or max(1, len(offered))
        for start in range(0, len(offered), page_size):
            page = offered[start : start + page_size]
            maker.shown += page
            if start == 0 and rng.random() < self._behaviour.slip:
                maker.slip(rng.choice(page))
            for class_index in page:
                if class_index in said:
                    maker.vote(class_index, said[class_index])
        maker.search({class_index: vote for class_index, vote in said.items() if class_index not in offered}, task)
        if not said:
            maker.add(EventKind.NONE, {"value": True})
        elif len(maker.events[-1].shown) < len(maker.shown):
            maker.add(EventKind.VIEW, {})
        return maker.events

    def _not_done(self, start: int, count: int) -> list[int]:
        found: list[int] = []
        position = self._session.find(TaskFilter.NOT_DONE, start, 1)
        while position is not None and len(found) < count:
            found.append(position)
            position = self._session.find(TaskFilter.NOT_DONE, position + 1, 1)
        return found

    def _save(self, events: list[Event]) -> None:
        for result in self._session.save(events):
            if result.seq is None:
                raise StoreError(f"simulated annotator {self.name!r}: {result.error}")


class _EventMaker:
    """Makes one image's events, each with the classes shown so far and the time since the previous event."""

    def __init__(self, annotator: SimulatedAnnotator, task: Task, rng: Random) -> None:
        self.events: list[Event] = []
        self.shown: list[int] = []
        self._annotator = annotator
        self._task = task
        self._rng = rng

    def vote(self, class_index: int, vote: Vote) -> None:
        self.add(EventKind.VOTE, {"class_index": class_index, "vote": vote})

    def slip(self, class_index: int) -> None:
        self.vote(class_index, Vote.YES)
        self.add(EventKind.UNDO, {"target": self.events[-1].event_id})

    def search(self, found: Mapping[int, Vote], task: Task) -> None:
        """Add what was found by search, which counts as shown; on a probe, say that the search is done."""
        for class_index, vote in found.items():
            self.shown.append(class_index)
            self.vote(class_index, vote)
        if task.is_probe:
            self.add(EventKind.SEARCHED, {"value": True})

    def add(self, kind: EventKind, payload: dict[str, object]) -> None:
        behaviour, session = self._annotator._behaviour, self._annotator._session  # noqa: SLF001 - one of its parts
        median_s = behaviour.seconds_per_tick if self.events else behaviour.seconds_per_image
        self.events.append(
            Event(
                event_id=f"sim-{self._rng.getrandbits(96):024x}",
                round=session.round,
                annotator=session.annotator,
                image_index=self._task.image_index,
                kind=kind,
                payload=payload,
                shown=tuple(self.shown),
                active_ms=round(1000 * median_s * math.exp(self._rng.gauss(0, _SPREAD))),
                order=self._task.order,
                client_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
        )
