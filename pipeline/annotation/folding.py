"""The state of an image that follows from its annotation events, and what can be undone.

Rules of the fold (:func:`fold`):

- events count in the order of their `seq`, never by a clock;
- an event whose latest `undo`/`redo` is an `undo` does not count, except that its exposure and time stay: they
  happened;
- `vote` sets or clears one class; a `yes` takes *none of these* back;
- `none` clears every vote and says that no class applies; `unsure` flags the whole image; `comment` replaces the text;
- `searched` says that the annotator has searched all classes for this image, where a probe asked them to;
- `frames` says that the annotator has had the parts of the image shown in which models saw the labels best; it stands;
- `classes` says what a change of the list of classes made of the image: votes on new classes that follow from votes on
  those they replace, and classes that are offered from now on; the image is *open again* until these were shown;
- an image is *decided* once it has a vote, *none of these*, or the image's *unsure*; a comment alone decides nothing;
- on a decided image, a class that was shown and has no vote of its own counts as `no` (as `unsure`, where the image is
  flagged unsure). A class that was not shown has no vote at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from pipeline.annotation.events import CLEAR, UNDOABLE, Event, EventKind
from pipeline.votes.words import Vote


@dataclass(frozen=True, slots=True)
class ImageState:
    """What one annotator has said about one image so far, as their events imply it.

    Parameters
    ----------
    votes
        The votes given one by one, by class index.
    none, unsure
        *None of these*; the image as a whole is unsure.
    comment
        Free text.
    regions
        Class index to the regions marked for it.
    shown
        Class indices that have been on screen, ascending.
    searched
        They have searched all classes.
    saw_frames
        They have had the parts of the image shown in which models saw the labels best.
    active_ms
        Active work on the image.
    last_seq
        The last event that this state includes.
    offered
        Classes that changes of the list offer beside the proposals, in the order in which they came.
    open_again
        Those of them that have not been shown since.
    """

    votes: Mapping[int, Vote] = field(default_factory=dict)
    none: bool = False
    unsure: bool = False
    comment: str = ""
    regions: Mapping[int, list[dict[str, Any]]] = field(default_factory=dict)
    shown: tuple[int, ...] = ()
    searched: bool = False
    active_ms: int = 0
    last_seq: int = 0
    offered: tuple[int, ...] = ()
    open_again: tuple[int, ...] = ()
    saw_frames: bool = False

    @property
    def is_done(self) -> bool:
        """Return whether the image is decided and nothing has been offered since that was not shown."""
        return self.is_decided and not self.open_again

    @property
    def is_decided(self) -> bool:
        """Return whether the annotator has decided anything about the labels."""
        return bool(self.votes) or self.none or self.unsure

    @property
    def has_unsure(self) -> bool:
        """Return whether the image or one of its labels is flagged unsure."""
        return self.unsure or Vote.UNSURE in self.votes.values()

    @property
    def label_set(self) -> tuple[int, ...]:
        """Return the classes voted `yes`, ascending."""
        return tuple(sorted(c for c, vote in self.votes.items() if vote == Vote.YES))

    def exposed_votes(self) -> dict[int, Vote]:
        """Return the vote on every exposed class, by class index; empty if undecided."""
        if not self.is_decided:
            return {}
        unticked = Vote.UNSURE if self.unsure else Vote.NO
        return dict.fromkeys(self.shown, unticked) | dict(self.votes)

    def without(self, gone: Collection[int]) -> ImageState:
        """Return the state as it reads without these classes, which the list of classes no longer has.

        Where nothing else was decided, what remains is *none of these*, unless the image is open again.
        """
        if not gone:
            return self
        votes = {c: vote for c, vote in self.votes.items() if c not in gone}
        open_again = tuple(c for c in self.open_again if c not in gone)
        is_emptied = self.is_decided and not (votes or self.none or self.unsure or open_again)
        return replace(
            self,
            votes=votes,
            none=self.none or is_emptied,
            regions={c: marked for c, marked in self.regions.items() if c not in gone},
            shown=tuple(c for c in self.shown if c not in gone),
            offered=tuple(c for c in self.offered if c not in gone),
            open_again=open_again,
        )


def counted_for_ancestors(state: ImageState, ancestors: Mapping[int, tuple[int, ...]]) -> ImageState:
    """Return the state in which each `yes` is one on the class's ancestors, too, whatever was said about these."""
    implied = {above for c, vote in state.votes.items() if vote == Vote.YES for above in ancestors.get(c, ())}
    return replace(state, votes={**state.votes, **dict.fromkeys(implied, Vote.YES)}) if implied else state


def fold(events: Iterable[Event]) -> ImageState:
    """Return the state of one image for one annotator that its events imply.

    Parameters
    ----------
    events
        All events of one (round, annotator, image), in any order; each has its `seq`.
    """
    ordered = sorted(events, key=lambda event: event.seq)
    undone = undone_ids(ordered)
    draft = _Draft()
    for event in ordered:
        draft.see(event)
        if event.event_id not in undone:
            draft.apply(event)
    return replace(
        draft.as_state(),
        shown=tuple(sorted({c for event in ordered for c in event.shown})),
        active_ms=sum(event.active_ms for event in ordered),
        last_seq=ordered[-1].seq if ordered else 0,
    )


def fold_onto(state: ImageState, new: Iterable[Event]) -> ImageState:
    """Return the state after further events, from the state before them: the same as :func:`fold` over all of them.

    The work does not grow with what happened before, so that one image with a long history slows nobody.

    Parameters
    ----------
    state
        What the earlier events of one (round, annotator, image) imply.
    new
        Later events of the same, each with its `seq`; no undo and no redo among them, since these reach back into the
        history that a state does not hold.

    Raises
    ------
    ValueError
        If there is an undo or a redo.
    """
    ordered = sorted(new, key=lambda event: event.seq)
    draft = _Draft(
        dict(state.votes),
        dict(state.regions),
        state.none,
        state.unsure,
        state.comment,
        state.searched,
        list(state.offered),
        list(state.open_again),
        state.saw_frames,
    )
    for event in ordered:
        draft.see(event)
        if event.kind in {EventKind.UNDO, EventKind.REDO}:
            raise ValueError(f"event {event.event_id!r} is an {event.kind.value}; fold the whole history")
        draft.apply(event)
    return replace(
        draft.as_state(),
        shown=tuple(sorted({*state.shown, *(c for event in ordered for c in event.shown)})),
        active_ms=state.active_ms + sum(event.active_ms for event in ordered),
        last_seq=max((event.seq for event in ordered), default=state.last_seq),
    )


def undone_ids(ordered: Iterable[Event]) -> set[str]:
    """Return the ids of the actions that stand undone, from one (round, annotator, image)'s events in order."""
    latest = {
        event.payload["target"]: event.kind for event in ordered if event.kind in {EventKind.UNDO, EventKind.REDO}
    }
    return {target for target, kind in latest.items() if kind is EventKind.UNDO}


@dataclass
class _Draft:
    votes: dict[int, Vote] = field(default_factory=dict)
    regions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    none: bool = False
    unsure: bool = False
    comment: str = ""
    searched: bool = False
    offered: list[int] = field(default_factory=list)
    open_again: list[int] = field(default_factory=list)
    saw_frames: bool = False

    def see(self, event: Event) -> None:
        """Take what was on screen: a class that was offered again and has been shown is open no longer."""
        if self.open_again:
            self.open_again = [c for c in self.open_again if c not in event.shown]

    def apply(self, event: Event) -> None:
        match event.kind:
            case EventKind.VOTE:
                self._vote(event.payload["class_index"], event.payload["vote"])
            case EventKind.NONE:
                self.none = event.payload["value"]
                if self.none:
                    self.votes.clear()
            case EventKind.UNSURE:
                self.unsure = event.payload["value"]
            case EventKind.COMMENT:
                self.comment = event.payload["text"]
            case EventKind.SEARCHED:
                self.searched = event.payload["value"]
            case EventKind.FRAMES:
                self.saw_frames = True
            case EventKind.REGION:
                self.regions[event.payload["class_index"]] = list(event.payload["regions"])
            case EventKind.CLASSES:
                self.votes |= {int(c): Vote(vote) for c, vote in event.payload["votes"].items()}
                new = [c for c in event.payload["offered"] if c not in self.offered]
                self.offered += new
                self.open_again += new
            case _:
                pass

    def as_state(self) -> ImageState:
        """Return what was decided, without exposure and time."""
        regions = {c: marked for c, marked in self.regions.items() if marked}
        return ImageState(
            self.votes,
            self.none,
            self.unsure,
            self.comment,
            regions,
            searched=self.searched,
            offered=tuple(self.offered),
            open_again=tuple(self.open_again),
            saw_frames=self.saw_frames,
        )

    def _vote(self, class_index: int, vote: str) -> None:
        self.votes.pop(class_index, None)
        if vote != CLEAR:
            self.votes[class_index] = Vote(vote)
        self.none = self.none and vote != Vote.YES


class Acted(Protocol):
    """What undoing needs to know about an event; an :class:`Event` is one."""

    @property
    def event_id(self) -> str: ...  # noqa: D102

    @property
    def seq(self) -> int: ...  # noqa: D102

    @property
    def kind(self) -> EventKind: ...  # noqa: D102

    @property
    def payload(self) -> Mapping[str, Any]: ...  # noqa: D102


_Acted = TypeVar("_Acted", bound=Acted)


def undo_stacks(events: Iterable[_Acted]) -> tuple[list[_Acted], list[_Acted]]:
    """Return what can be undone and what can be redone, the next one last.

    A new action after an undo empties the redo stack, as in every editor.

    Parameters
    ----------
    events
        Events of one annotator in one round, over all images, in any order; each has its `seq`.
    """
    undo: list[_Acted] = []
    redo: list[_Acted] = []
    known: dict[str, _Acted] = {}
    for event in sorted(events, key=lambda event: event.seq):
        if event.kind in UNDOABLE:
            known[event.event_id] = event
            undo.append(event)
            redo.clear()
        elif event.kind in {EventKind.UNDO, EventKind.REDO}:
            target = known.get(event.payload["target"])
            source, sink = (undo, redo) if event.kind is EventKind.UNDO else (redo, undo)
            if target is not None and target in source:
                source.remove(target)
                sink.append(target)
    return undo, redo
