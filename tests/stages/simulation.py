"""Programs that label through real sessions, at fixed rates of misses and false alarms."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from random import Random

import pyarrow.parquet as pq

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.session import Task
from pipeline.project.folder import Project
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round


def annotate(
    project: Project,
    annotator: str,
    truth: Mapping[str, frozenset[int]],
    *,
    miss: float = 0.15,
    false_alarm: float = 0.02,
    unsure: float = 0.0,
    comments: Mapping[int, str] | None = None,
    seed: int = 0,
    round_: Round = Round.ANNOTATION,
) -> None:
    """Decide every task of an annotator, ticking what is true except for misses and false alarms."""
    generator = Random(f"{seed}{annotator}")
    names = pq.read_table(project.images_path, columns=["image_id"]).column(0).to_pylist()

    def ticks(task: Task) -> dict[int, str]:
        said = {}
        for proposal in task.proposals:
            is_true = proposal.class_index in truth[names[task.image_index]]
            if generator.random() < unsure:
                said[proposal.class_index] = "unsure"
            elif generator.random() < (1 - miss if is_true else false_alarm):
                said[proposal.class_index] = "yes"
        return said

    decide(project, annotator, ticks, comments=comments, round_=round_)


def decide(
    project: Project,
    annotator: str,
    ticks: Callable[[Task], Mapping[int, str]],
    *,
    comments: Mapping[int, str] | None = None,
    round_: Round = Round.ANNOTATION,
    shown: Callable[[Task], tuple[int, ...]] | None = None,
) -> None:
    """Send the events of one annotator through a session, one image after another."""
    session = LocalSession(project, annotator, round_)
    n_tasks = session.open().progress.n_tasks
    for start in range(0, n_tasks, 100):
        for task in session.tasks(range(start, min(start + 100, n_tasks))):
            seen = shown(task) if shown else tuple(p.class_index for p in task.proposals)
            said = dict(ticks(task))
            events = [
                _event(annotator, round_, task, EventKind.VOTE, {"class_index": c, "vote": vote}, seen)
                for c, vote in said.items()
            ] or [_event(annotator, round_, task, EventKind.NONE, {"value": True}, seen)]
            text = (comments or {}).get(task.image_index)
            if text:
                events.append(_event(annotator, round_, task, EventKind.COMMENT, {"text": text}, seen))
            results = session.save(events)
            assert all(result.seq is not None for result in results), results


def _event(annotator: str, round_: Round, task: Task, kind: EventKind, payload: dict, shown: tuple[int, ...]) -> Event:
    return Event(
        event_id=uuid.uuid4().hex,
        round=round_,
        annotator=annotator,
        image_index=task.image_index,
        kind=kind,
        payload=payload,
        shown=shown,
        active_ms=1500,
        order="score",
    )
