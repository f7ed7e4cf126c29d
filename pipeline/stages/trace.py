"""Where one image's labels come from: original label, proposals, every vote with its event, and the outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.annotation.disputes import agreed_labels, votes_of_refiner
from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import undone_ids
from pipeline.errors import DatasetError
from pipeline.project.folder import Project
from pipeline.project.history import is_of_classes, read_history
from pipeline.project.image_table import image_columns
from pipeline.project.names import settled
from pipeline.project.wording import so_many
from pipeline.proposals.reader import open_proposals
from pipeline.stages.status import time_of
from pipeline.store import SqlStore
from pipeline.votes.words import Round


@dataclass(frozen=True, slots=True)
class TracedVote:
    """One person's current vote on one class.

    Parameters
    ----------
    annotator, round
        Who voted, and in which round.
    vote
        ``yes``, ``no`` or ``unsure``.
    is_given
        Whether the person voted on this class itself. If not, the vote follows from the class having been shown.
    event
        The last event that the vote follows from.
    """

    annotator: str
    round: Round
    vote: str
    is_given: bool
    event: Event


@dataclass(frozen=True, slots=True)
class TracedClass:
    """One class of the image.

    Parameters
    ----------
    class_index
        Which class.
    rank, score, model
        Its proposal; the best has rank 1. None and empty where it was not proposed.
    votes
        Everybody's votes, in order of round and name.
    source
        Where the refined label comes from; empty where the class is not a refined label or nothing is settled.
    posterior
        Probability that the class applies, where it was estimated.
    """

    class_index: int
    rank: int | None
    score: float | None
    model: str
    votes: tuple[TracedVote, ...]
    source: str
    posterior: float | None


@dataclass(frozen=True, slots=True)
class ImageTrace:
    """All that counts for or against the labels of an image.

    Parameters
    ----------
    image_index, image_id, original_label
        Which image, and the class index of its original label, None where it has none.
    is_settled
        Whether the project has refined labels.
    newer
        What has happened since they were settled, in words: changes of the classes, events of this image.
    empty_source
        The source of the decision that the image has no refined label; empty where it has some or nothing is settled.
    classes
        Classes with a refined label, a vote or a proposal, in this order.
    events
        All events of the image, in the order of the log.
    undone
        Ids of the events that were undone.
    """

    image_index: int
    image_id: str
    original_label: int | None
    is_settled: bool
    newer: tuple[str, ...]
    empty_source: str
    classes: tuple[TracedClass, ...]
    events: tuple[Event, ...]
    undone: frozenset[str]


def trace_image(project: Project, store: SqlStore, image: str) -> ImageTrace:
    """Return where an image's labels come from.

    Parameters
    ----------
    image
        The image's id, or its index where no image has such an id.

    Raises
    ------
    DatasetError
        If there is no such image.
    """
    image_index, image_id = _find(project, image)
    row = image_columns(project, ["original_label"]).column(0)[image_index].as_py()
    events = tuple(store.events_of_image(image_index))
    votes = _votes(store, image_index, events, project.settings.consensus.annotators_left_out)
    proposed = _proposals(project, image_index)
    labels, empty_source = _labels(project, image_index)
    chosen = [*labels, *sorted(set(votes) - set(labels))]
    chosen += [class_index for class_index in proposed if class_index not in chosen]
    classes = []
    for class_index in chosen:
        rank, score, model = proposed.get(class_index, (None, None, ""))
        source, posterior = labels.get(class_index, ("", None))
        own = tuple(votes.get(class_index, ()))
        classes.append(TracedClass(class_index, rank, score, model, own, source, posterior))
    by_person = defaultdict(list)
    for event in events:
        by_person[event.round, event.annotator].append(event)
    undone = frozenset(event_id for theirs in by_person.values() for event_id in undone_ids(theirs))
    settled_at = time_of(project.refined_labels_path)
    newer = _newer(project, events, settled_at) if settled_at else ()
    return ImageTrace(image_index, image_id, row, bool(settled_at), newer, empty_source, tuple(classes), events, undone)


def _newer(project: Project, events: tuple[Event, ...], settled_at: str) -> tuple[str, ...]:
    changes = [change.text for change in read_history(project.root) if is_of_classes(change) and change.at > settled_at]
    n_events = sum(event.kind is not EventKind.CLASSES and event.server_time > settled_at for event in events)
    return (*changes, *([f"{so_many(n_events, 'event')} of this image"] if n_events else []))


def _find(project: Project, image: str) -> tuple[int, str]:
    ids = image_columns(project, ["image_id"]).column(0)
    wanted = settled(image)
    position = pc.index(ids, wanted).as_py()
    if position < 0 and wanted.isdecimal() and int(wanted) < len(ids):
        position = int(wanted)
    if position < 0:
        raise DatasetError(
            f"no image is called {image!r}, and it is no index from 0 to {len(ids) - 1}; "
            f"ids look like {ids[0].as_py()!r}"
        )
    return int(position), str(ids[position].as_py())


def _votes(
    store: SqlStore, image_index: int, events: tuple[Event, ...], left_out: Collection[str]
) -> dict[int, list[TracedVote]]:
    found: dict[int, list[TracedVote]] = {}
    annotators, refiners = (store.states_of_images(round_, [image_index])[image_index] for round_ in Round)
    is_probe = image_index in store.probe_images(Round.ANNOTATION)
    counted = [state for name, state in annotators.items() if name not in left_out and not is_probe]
    agreed = agreed_labels(counted)
    for round_, states in zip(Round, (annotators, refiners), strict=True):
        for annotator, state in sorted(states.items()):
            own = [event for event in events if event.annotator == annotator and event.round is round_]
            undone = undone_ids(own)
            votes = state.exposed_votes() if round_ is Round.ANNOTATION else votes_of_refiner(state, agreed)
            for class_index, vote in sorted(votes.items()):
                given = [
                    event
                    for event in own
                    if event.kind is EventKind.VOTE
                    and event.event_id not in undone
                    and event.payload["class_index"] == class_index
                ]
                is_given = class_index in state.votes and bool(given)
                last = given[-1] if is_given else _source_of(own, class_index, str(vote))
                found.setdefault(class_index, []).append(TracedVote(annotator, round_, str(vote), is_given, last))
    return found


def _source_of(own: list[Event], class_index: int, vote: str) -> Event:
    """Return the event behind a vote that nobody gave as such: what showed the class last, or changed the classes."""
    changes = [event for event in own if event.kind is EventKind.CLASSES]
    shown = [event for event in own if event.kind is not EventKind.CLASSES and class_index in event.shown]
    return (shown or changes or own)[-1] if vote == "no" else (changes or own)[-1]


def _proposals(project: Project, image_index: int) -> dict[int, tuple[int, float | None, str]]:
    if not project.proposals_path.exists():
        return {}
    row = open_proposals(project).rows([image_index])[image_index]
    ranked = zip(row.class_index, row.score, row.model, strict=True)
    return {class_index: (rank, score, model) for rank, (class_index, score, model) in enumerate(ranked, start=1)}


def _labels(project: Project, image_index: int) -> tuple[dict[int, tuple[str, float | None]], str]:
    """Return source and posterior of the image's refined labels by class index, and the source of an empty set."""
    if not project.refined_labels_path.exists():
        return {}, ""
    only = [("image_index", "=", image_index)]
    rows = pq.read_table(
        project.refined_labels_path, columns=["class_index", "source", "posterior"], filters=only
    ).to_pylist()
    labels = {
        row["class_index"]: (row["source"], _defined(row["posterior"]))
        for row in rows
        if row["class_index"] is not None
    }
    return labels, "" if labels else next((row["source"] for row in rows), "")


def _defined(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def lines_of(trace: ImageTrace, names: list[str], *, is_full: bool) -> Iterator[str]:
    """Yield a trace as lines for people.

    Parameters
    ----------
    names
        The name of each class, in index order.
    is_full
        Whether to include proposals without a vote and the log's events.
    """
    yield f"{trace.image_id} (image {trace.image_index})"
    original = "none" if trace.original_label is None else names[trace.original_label]
    yield f"Original label: {original}"
    labels = [names[c.class_index] for c in trace.classes if c.source]
    if not trace.is_settled:
        yield "Refined labels: not settled yet (mlf settle)"
    else:
        yield f"Refined labels: {', '.join(labels) or 'none'}{f' ({trace.empty_source})' if trace.empty_source else ''}"
        if trace.newer:
            yield f"They do not hold what is newer: {'; '.join(trace.newer)} (settle again: mlf settle)"
    for traced in trace.classes:
        if traced.source or traced.votes or is_full:
            yield ""
            yield f"{names[traced.class_index]}: {_verdict(traced)}{_proposal(traced)}"
            for vote in traced.votes:
                event = vote.event
                is_carried = event.kind is EventKind.CLASSES
                how = "" if vote.is_given else " (change of classes)" if is_carried else " (shown, not ticked)"
                yield (
                    f"  {vote.vote + how:<26} {vote.annotator}, {vote.round}; event {event.event_id} "
                    f"of {event.server_time}"
                )
    for event in trace.events:
        if event.kind is EventKind.COMMENT and event.event_id not in trace.undone and event.payload["text"].strip():
            yield ""
            yield f"{event.annotator}, {event.round}, says: {event.payload['text'].strip()!r}"
    if is_full:
        yield ""
        for event in trace.events:
            undone = " (undone)" if event.event_id in trace.undone else ""
            yield (
                f"  {event.seq:>8} {event.server_time} {event.annotator} {event.round} {event.kind} "
                f"{dict(event.payload)} {event.event_id}{undone}"
            )


def _verdict(traced: TracedClass) -> str:
    sure = "" if traced.posterior is None else f", {traced.posterior:.1%} sure"
    return f"a refined label ({traced.source}{sure})" if traced.source else "no refined label"


def _proposal(traced: TracedClass) -> str:
    if traced.rank is None:
        return "; not proposed"
    score = "" if traced.score is None else f", score {traced.score:.3f}"
    return f"; proposal {traced.rank} of {traced.model}{score}"
