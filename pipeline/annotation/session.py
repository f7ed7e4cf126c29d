"""What a widget may ask for: one annotator's view of one round of one project.

The widget knows nothing else. Alone on one machine the answers come from the project folder
(`pipeline.sessions.local`); in a hub they come through the Hub's service (`pipeline.service.client`), where the kernel
sees neither folder nor store. Every implementation gives the same answers and raises the same errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipeline.annotation.events import Event
from pipeline.annotation.folding import ImageState
from pipeline.annotation.guidelines import ClassLine
from pipeline.project.label_space import LabelSpace
from pipeline.project.settings import AnnotationSection, RefinementSection
from pipeline.votes.words import Round, Vote

#: Most pictures in one answer.
MAX_IMAGES_AT_ONCE = 100


class TaskFilter(StrEnum):
    """Which tasks a person wants to walk through."""

    ALL = "all"
    NOT_DONE = "not_done"
    DONE = "done"
    UNSURE = "unsure"
    COMMENTED = "commented"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one annotator is in one round; all counts are of tasks."""

    n_tasks: int
    n_done: int
    n_unsure: int
    n_commented: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """One class offered for an image; `score` is None where the project hides it or nobody scored it.

    `view` is the part of the image in which models saw the class best: left, top, width and height as shares of the
    image's. It is None where they looked at whole images alone, or where it would give the original label away.
    """

    class_index: int
    rank: int
    score: float | None = None
    model: str = ""
    view: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the annotation round said about an image, without names: shown only in refinement.

    Parameters
    ----------
    votes
        Class index to one vote per voice, as ``{370: {"A": "yes", "B": "no"}}``; a voice that was not shown the class
        has no entry.
    comments
        Voice to comment.
    regions
        Voice to class index to regions.
    voices
        Everyone who decided the image, in the order of their letters.
    simulated
        Those of the voices that are programs; wherever such a voice is shown, that is said.
    """

    votes: Mapping[int, Mapping[str, Vote]] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, Mapping[int, list[dict[str, object]]]] = field(default_factory=dict)
    voices: tuple[str, ...] = ()
    simulated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One image offered to one annotator: the proposals in the order shown, and what they have said so far.

    `position` counts from 0 within the annotator's tasks. `image_id` is opaque: it tells images apart, and nothing
    about them; `image_index` is for programs, and goes to no browser. `example_group` says which examples may come with
    it: the session gives none of this group, so that no image is its own example; it is empty where no example is an
    image of the project. `order` says how the task is shown
    (:class:`pipeline.project.presentation.Presentation`), and is logged with every event on it. On a probe the
    annotator is asked to search all classes. `has_image` is False where the project has no file for it. In refinement
    `open_labels` holds the classes that annotators' votes do not settle; `evidence` is withheld until the refiner's
    decision on every label asked about where the project has them decide blind first.
    """

    position: int
    image_index: int
    image_id: str
    has_image: bool
    proposals: tuple[Proposal, ...]
    state: ImageState
    evidence: Evidence | None = None
    open_labels: tuple[int, ...] = ()
    order: str = "score"
    is_probe: bool = False
    example_group: str = ""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a session needs once, when it opens.

    Parameters
    ----------
    start_position
        Where to resume: the first task that is not done; in refinement, and once all are done, that of the last event.
    image_key
        Turns image indices into numbers that may be shown (:class:`pipeline.project.opaque_ids.ImageNumbers`); it goes
        to no browser.
    last_seq
        The last event of this annotator in this round.
    undo, redo
        What can be undone and redone, the next one last: pairs of (event_id, position).
    is_simulated
        The annotator is a program; widgets and reports say so.
    class_lines
        What the guidelines say of single classes and of pairs.
    """

    project_id: str
    project_name: str
    annotator: str
    round: Round
    n_classes: int
    progress: Progress
    start_position: int
    image_key: str
    last_seq: int
    undo: tuple[tuple[str, int], ...]
    redo: tuple[tuple[str, int], ...]
    annotation: AnnotationSection
    refinement: RefinementSection
    is_simulated: bool = False
    class_lines: tuple[ClassLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Encoded image bytes, and the size of the image they show, in pixels.

    A task's image may be encoded smaller than it is: the size is then that of the original, upright.
    """

    data: bytes
    media_type: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why one picture of several cannot be shown."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sprite:
    """The examples of a class in one picture: tiles of `tile_px` squared, row by row, `n_columns` a row."""

    data: bytes
    media_type: str
    n_examples: int
    n_columns: int
    tile_px: int


@dataclass(frozen=True, slots=True)
class SaveResult:
    """The store's word on one event: its `seq` when it is in the log, or why it never will be.

    `is_final` tells a refusal (True: do not send it again) from a store that is away or full (False: send it again).
    """

    event_id: str
    seq: int | None
    error: str = ""
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to this annotator's tasks since some `seq`, here or in another tab."""

    last_seq: int
    states: Mapping[int, ImageState]  # by position
    progress: Progress
    undo: tuple[tuple[str, int], ...]
    redo: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class GridPage:
    """Some of the annotator's tasks, for a grid: positions, and how many there are in all.

    `class_index` is the class that all of them were offered, or None where they are tasks of any class.
    """

    class_index: int | None
    positions: tuple[int, ...]
    n_total: int


@dataclass(frozen=True, slots=True)
class HourOfWork:
    """What one annotator did in one hour: images worked on last then, and the active time on them.

    `hour` is its beginning, ISO 8601 in UTC.
    """

    hour: str
    n_images: int
    active_ms: int


@dataclass(frozen=True, slots=True)
class OwnProgress:
    """How one annotator is getting on, for their own eyes.

    Parameters
    ----------
    progress
        How far they are.
    hours
        Their latest hours of work, in order.
    median_ms
        Median active time on the images of those hours that are decided, `n_timed` of them; 0 where there is none.
    n_gold, n_gold_votes, n_gold_same
        Hidden gold images that were decided, the votes on them, and those that say what is known; all 0 where the
        project does not tell, or there are too few to tell without telling which images they are.
    """

    progress: Progress
    hours: tuple[HourOfWork, ...] = ()
    median_ms: int = 0
    n_timed: int = 0
    n_gold: int = 0
    n_gold_votes: int = 0
    n_gold_same: int = 0


class AnnotationSession(Protocol):
    """One annotator's view of one round of one project.

    Every method raises `StoreError` or `ServiceError` when the store or the service cannot answer now, and
    `DatasetError` when the thing asked for cannot be read.
    """

    @property
    def annotator(self) -> str:
        """Whose session it is."""

    @property
    def round(self) -> Round:
        """Which round it works in."""

    def open(self) -> SessionInfo:
        """Return what the session needs once; costs the same for 1,000 images and for 1,281,167."""

    def label_space(self) -> LabelSpace:
        """Return all classes, for names, definitions and search."""

    def tasks(self, positions: Sequence[int]) -> list[Task]:
        """Return the tasks at these positions, in this order; positions past the end are left out."""

    def find(self, which: TaskFilter, start: int, step: int) -> int | None:
        """Return the nearest position that passes the filter: at or after `start` (`step` 1), or at or before (-1)."""

    def image(self, position: int, max_side_px: int | None) -> Picture:
        """Return a task's image, scaled down to `max_side_px`; None asks for the full resolution."""

    def images(self, positions: Sequence[int], max_side_px: int) -> list[Picture | Unreadable]:
        """Return several tasks' images, scaled down, in this order; one that cannot be read holds up no other.

        At most `MAX_IMAGES_AT_ONCE` are given.
        """

    def sprite(self, class_index: int, group: str = "") -> Sprite:
        """Return the packed examples of a class for tasks of an `example_group`; `n_examples` may be 0.

        Without a group, there is no image of the project among them.
        """

    def example(self, class_index: int, number: int, group: str = "") -> Picture:
        """Return one example image of the same ones, enlarged; they are numbered from 0."""

    def guideline_picture(self, number: int) -> Picture:
        """Return the n-th picture of the guidelines, from 0."""

    def own_progress(self) -> OwnProgress:
        """Return how the annotator is getting on; `DatasetError` where the project does not show it."""

    def grid(self, class_index: int | None, start: int, count: int, which: TaskFilter = TaskFilter.ALL) -> GridPage:
        """Return tasks of this annotator that pass the filter, `count` of them from the `start`-th on.

        With a class, only those for which it is proposed.
        """

    def save(self, events: Sequence[Event]) -> list[SaveResult]:
        """Append events to the log, each exactly once; one result per event, in the same order."""

    def changes(self, since_seq: int) -> Changes:
        """Return what happened after `since_seq`."""
