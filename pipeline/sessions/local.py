"""A session on this machine: it reads the project folder and talks to the store directly.

Opening a session reads no table: proposals, examples and the manifest are read by row group when an image is asked for.
Nothing here imports torch or pandas, so a session's kernel stays small.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.annotation.events import Event, why_refused
from pipeline.annotation.folding import ImageState
from pipeline.annotation.session import (
    MAX_IMAGES_AT_ONCE,
    Changes,
    GridPage,
    OwnProgress,
    Picture,
    Progress,
    Proposal,
    SaveResult,
    SessionInfo,
    Sprite,
    Task,
    TaskFilter,
    Unreadable,
)
from pipeline.errors import DatasetError, StoreError
from pipeline.images.locations import join_location
from pipeline.images.within import file_of, place_within
from pipeline.project.folder import Project
from pipeline.project.label_space import LabelSpace
from pipeline.project.opaque_ids import example_group
from pipeline.sessions.evidence import EvidenceReader
from pipeline.sessions.guidelines import guideline_picture, guidelines_text, lines_for_classes
from pipeline.sessions.presenting import Presenter
from pipeline.sessions.project_tables import ProjectTables, display_picture, small_picture
from pipeline.store import SqlStore, open_project_store
from pipeline.store.news import Action
from pipeline.votes.words import Round

_MAX_TASKS_AT_ONCE = 500


class LocalSession:
    """One annotator's view of one round, read from the project folder and the store.

    Parameters
    ----------
    project
        An open project that has proposals.
    annotator
        Who is working; without tasks in the round, the session is empty.
    round_
        Which round.
    tables, store
        Shared ones, if one process serves many sessions; if left out, made from the project.
    """

    def __init__(
        self,
        project: Project,
        annotator: str,
        round_: Round | str = Round.ANNOTATION,
        *,
        tables: ProjectTables | None = None,
        store: SqlStore | None = None,
    ) -> None:
        self._project = project
        self._annotator = annotator
        self._round = Round(round_)
        self._tables = tables or ProjectTables(project)
        self._store = store or open_project_store(project)
        self._presenter = Presenter(self._tables, self._store, annotator, self._round)
        self._evidence = EvidenceReader(self._store, self._project.secret) if self._round is Round.REFINEMENT else None

    @property
    def annotator(self) -> str:
        """Whose session it is."""
        return self._annotator

    @property
    def round(self) -> Round:
        """Which round it works in."""
        return self._round

    def open(self) -> SessionInfo:
        """Return what the session needs only once."""
        settings = self._project.settings
        # Read first: whatever another tab saves while the rest is read then counts as a change, and is not missed.
        last_seq = self._store.last_seq(self._round, self._annotator)
        undo, redo = self._undo_stacks()
        return SessionInfo(
            project_id=settings.project.id,
            project_name=settings.project.name,
            annotator=self._annotator,
            round=self._round,
            n_classes=len(self._tables.label_space),
            progress=self._store.progress(self._round, self._annotator),
            start_position=self._start_position(),
            image_key=self._tables.image_numbers.key.hex(),
            last_seq=last_seq,
            undo=undo,
            redo=redo,
            annotation=replace(settings.annotation, guidelines=guidelines_text(self._project)),
            refinement=settings.refinement,
            is_simulated=self._store.annotator_kinds().get(self._annotator) == "simulated",
            class_lines=lines_for_classes(self._project),
        )

    def label_space(self) -> LabelSpace:
        """Return all classes."""
        return self._tables.label_space

    def tasks(self, positions: Sequence[int]) -> list[Task]:
        """Return the tasks at these positions, in this order."""
        if len(positions) > _MAX_TASKS_AT_ONCE:
            raise StoreError(f"{len(positions)} tasks asked for at once; at most {_MAX_TASKS_AT_ONCE} are given")
        rows = self._store.tasks(self._round, self._annotator, positions)
        indices = [row.image_index for row in rows]
        states = self._store.states(self._round, self._annotator, indices)
        proposed = self._tables.proposals.rows(indices)
        asked = self._evidence.read(indices) if self._evidence else {}
        presentations = self._presenter.presentations(states)
        found = []
        for row in rows:
            _, path = self._tables.image(row.image_index)
            shown = presentations[row.image_index]
            proposals = self._presenter.proposals(row.image_index, proposed[row.image_index], shown)
            questions, state = asked.get(row.image_index), states[row.image_index]
            proposals = _with_offers(proposals, state)
            open_labels = questions.open_labels if questions else ()
            if self._evidence and (suggested := self._tables.suggested.of_image(row.image_index)):
                proposals, open_labels = _with_suggested(proposals, open_labels, suggested)
            to_decide = open_labels or tuple(p.class_index for p in proposals)
            found.append(
                Task(
                    position=row.position,
                    image_index=row.image_index,
                    image_id=self._tables.image_numbers.image_id(row.image_index),
                    has_image=path is not None,
                    proposals=proposals,
                    state=state,
                    evidence=questions.evidence if questions and self._is_revealed(state, to_decide) else None,
                    open_labels=open_labels,
                    order=str(shown),
                    is_probe=shown.is_probe,
                    example_group=example_group(row.image_index) if self._tables.shows_own_images else "",
                )
            )
        return found

    def find(self, which: TaskFilter, start: int, step: int) -> int | None:
        """Return the nearest position from `start` on that passes the filter."""
        return self._store.find(self._round, self._annotator, TaskFilter(which), start, step)

    def image(self, position: int, max_side_px: int | None) -> Picture:
        """Return a task's image."""
        rows = self._store.tasks(self._round, self._annotator, [position])
        if not rows:
            raise DatasetError(f"{self._annotator!r} has no task {position} in the {self._round.value} round")
        index = rows[0].image_index
        try:
            return display_picture(self._tables, index, max_side_px)
        except DatasetError as error:
            reason = self._without_names(str(error), index)
        raise DatasetError(reason)  # outside the except: as its cause, the error would carry the names along

    def images(self, positions: Sequence[int], max_side_px: int) -> list[Picture | Unreadable]:
        """Return several tasks' images, scaled down."""
        if len(positions) > MAX_IMAGES_AT_ONCE:
            raise StoreError(f"{len(positions)} images asked for at once; at most {MAX_IMAGES_AT_ONCE} are given")
        rows = {row.position: row for row in self._store.tasks(self._round, self._annotator, positions)}
        return [
            self._small(rows[position].image_index, max_side_px)
            if position in rows
            else Unreadable(f"{self._annotator!r} has no task {position} in the {self._round.value} round")
            for position in positions
        ]

    def sprite(self, class_index: int, group: str = "") -> Sprite:
        """Return the packed examples of a class, for tasks of a group."""
        self._check_class(class_index)
        if self._tables.examples is None:
            return Sprite(b"", "image/jpeg", 0, 1, self._project.settings.proposals.thumbnail_px)
        return self._tables.examples.sprite(class_index, group)

    def example(self, class_index: int, number: int, group: str = "") -> Picture:
        """Return one example image of those for a group, enlarged."""
        self._check_class(class_index)
        if self._tables.examples is None:
            raise DatasetError("the project has no examples")
        return self._tables.examples.enlarged(class_index, number, group)

    def guideline_picture(self, number: int) -> Picture:
        """Return the n-th picture of the guidelines."""
        return guideline_picture(self._project, number)

    def own_progress(self) -> OwnProgress:
        """Return how the annotator is getting on, where the project shows it."""
        from pipeline.sessions.own_progress import own_progress

        shown = self._project.settings.annotation.own_progress
        if shown == "off":
            raise DatasetError("this project shows nobody their pace; `own_progress` in [annotation] of mlf.toml can")
        return own_progress(
            self._store, self._round, self._annotator, self._tables.gold if shown == "pace and gold" else None
        )

    def grid(self, class_index: int | None, start: int, count: int, which: TaskFilter = TaskFilter.ALL) -> GridPage:
        """Return those of this annotator's tasks that pass the filter and for which the class is proposed."""
        if class_index is None:
            found, n_total = self._store.passing(self._round, self._annotator, TaskFilter(which), start, count)
            return GridPage(None, tuple(found), n_total)
        self._check_class(class_index)
        positions = self._positions_proposing(class_index, TaskFilter(which))
        return GridPage(class_index, tuple(positions[start : start + count]), len(positions))

    def save(self, events: Sequence[Event]) -> list[SaveResult]:
        """Append events to the log; one of another annotator or round, or on a class that is gone, is refused."""
        foreign: dict[int, SaveResult] = {}
        for i, event in enumerate(events):
            if event.annotator != self._annotator or event.round is not self._round:
                refusal = f"this session is {self._annotator!r}'s {self._round.value} round"
            else:
                refusal = why_refused(event, self._tables.label_space.gone)
            if refusal:
                foreign[i] = SaveResult(event.event_id, None, refusal)
        own = iter(self._store.append([event for i, event in enumerate(events) if i not in foreign]))
        return [foreign[i] if i in foreign else next(own) for i in range(len(events))]

    def changes(self, since_seq: int) -> Changes:
        """Return what happened after `since_seq`."""
        last_seq, states = self._store.changes(self._round, self._annotator, since_seq)
        undo, redo = self._undo_stacks()
        return Changes(
            last_seq=last_seq,
            states=states,
            progress=self.progress(),
            undo=undo,
            redo=redo,
        )

    def progress(self) -> Progress:
        """Return how far the annotator is."""
        return self._store.progress(self._round, self._annotator)

    def _small(self, image_index: int, max_side_px: int) -> Picture | Unreadable:
        shown = small_picture(self._tables, image_index, max_side_px)
        return Unreadable(self._without_names(shown.reason, image_index)) if isinstance(shown, Unreadable) else shown

    def _without_names(self, reason: str, image_index: int) -> str:
        """Return a reason without the image's name and file, which may hold the original label."""
        image_id, path = self._tables.image(image_index)
        names = {image_id, posixpath.basename(image_id)}
        if path is not None:
            location = join_location(self._project.images_root, path, self._project.image_folders)
            names |= {path, posixpath.basename(path), location}
            names |= {file_of(location), posixpath.basename(file_of(location))}  # of the shard that it lies in
            place = place_within(location)
            names |= {place.name} if place else set()
        for name in sorted(names, key=len, reverse=True):
            reason = reason.replace(name, "the file")
        return reason

    def _start_position(self) -> int:
        first = self._store.find(self._round, self._annotator, TaskFilter.NOT_DONE, 0, 1)
        if first is not None and self._round is Round.ANNOTATION:
            return first
        latest = self._store.latest_image(self._round, self._annotator)
        position = None if latest is None else self._store.positions(self._round, self._annotator, [latest]).get(latest)
        return position if position is not None else first or 0

    def _undo_stacks(self) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
        undo, redo = self._store.undo_stacks(self._round, self._annotator)

        def pairs(actions: list[Action]) -> tuple[tuple[str, int], ...]:
            return tuple((action.event_id, action.position) for action in actions if action.position is not None)

        return pairs(undo), pairs(redo)

    def _is_revealed(self, state: ImageState, asked: Iterable[int]) -> bool:
        """Tell whether the evidence is shown: to a blind refiner, once they have voted on every label asked about.

        A single event could say *none of these* for all of them, or expose them all: neither reveals the evidence.
        """
        return not self._project.settings.refinement.blind_first or all(c in state.votes for c in asked)

    def _positions_proposing(self, class_index: int, which: TaskFilter) -> list[int]:
        n_proposals = self._project.settings.proposals.n_proposals
        proposing = set(self._tables.proposals.images_proposing(class_index, n_proposals))
        proposing |= self._store.images_offered(self._round, self._annotator, class_index)
        return sorted(self._store.positions(self._round, self._annotator, sorted(proposing), which).values())

    def _check_class(self, class_index: int) -> None:
        if not 0 <= class_index < len(self._tables.label_space):
            n_classes = len(self._tables.label_space)
            raise DatasetError(f"no class {class_index}; the label space has indices 0 to {n_classes - 1}")


def _with_offers(proposals: tuple[Proposal, ...], state: ImageState) -> tuple[Proposal, ...]:
    """Return the classes that changes of the list offer, then the proposals: nobody misses what is new."""
    proposed = {proposal.class_index for proposal in proposals}
    offered = (class_index for class_index in state.offered if class_index not in proposed)
    return (*(Proposal(class_index, rank=len(proposals)) for class_index in offered), *proposals)


def _with_suggested(
    proposals: tuple[Proposal, ...], open_labels: tuple[int, ...], suggested: tuple[int, ...]
) -> tuple[tuple[Proposal, ...], tuple[int, ...]]:
    """Return proposals and questions with what models suggest among them.

    On an image without an open label, as an audit has it, everything offered is asked about: so is what is suggested.
    """
    offered = [proposal.class_index for proposal in proposals]
    new = [class_index for class_index in suggested if class_index not in offered]
    proposals += tuple(Proposal(class_index, len(offered) + place) for place, class_index in enumerate(new))
    return proposals, tuple(sorted({*(open_labels or offered), *suggested}))
