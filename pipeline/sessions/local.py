"""A session on this machine: it reads the project folder and talks to the store directly.

Opening a session reads no table: proposals, examples and the manifest are read by row group when an image is asked for.
Nothing here imports torch or pandas, so a session's kernel stays small.
"""

from __future__ import annotations

import posixpath
import random
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import pyarrow.parquet as pq

from pipeline.annotation.events import Event, ImageState
from pipeline.annotation.session import (
    MAX_IMAGES_AT_ONCE,
    Changes,
    GridPage,
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
from pipeline.examples.reader import ExampleReader
from pipeline.images import read_display
from pipeline.images.locations import join_location
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table
from pipeline.project.label_space import LabelSpace
from pipeline.project.opaque_ids import opaque_image_id
from pipeline.project.tables import IMAGES_ROW_GROUP
from pipeline.proposals.reader import ProposalReader
from pipeline.sessions.evidence import EvidenceReader
from pipeline.store import SqlStore, open_store
from pipeline.votes.words import Round

_MAX_TASKS_AT_ONCE = 500


class ProjectTables:
    """The bulk tables of a project, opened once and shared by all its sessions (a service serves many)."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.label_space: LabelSpace = project.label_space
        self._images = pq.ParquetFile(image_table(project))
        self.n_images: int = self._images.metadata.num_rows
        self._read_group = lru_cache(maxsize=8)(self._load_group)

    @cached_property
    def proposals(self) -> ProposalReader:
        """Return the reader of the proposals."""
        return ProposalReader(self.project.require(self.project.proposals_path, "mlf propose"))

    @cached_property
    def examples(self) -> ExampleReader | None:
        """Return the reader of the examples, or None if the project has none."""
        if not self.project.examples_path.exists():
            return None
        return ExampleReader(self.project.examples_path, self.project.examples_root)

    def image(self, image_index: int) -> tuple[str, str | None]:
        """Return an image's id and its path below `images_root` (None if there is no file)."""
        if not 0 <= image_index < self.n_images:
            raise DatasetError(f"no image {image_index}; the project has images 0 to {self.n_images - 1}")
        ids, paths = self._read_group(image_index // IMAGES_ROW_GROUP)
        offset = image_index % IMAGES_ROW_GROUP
        return ids[offset], paths[offset]

    def location(self, image_index: int) -> str:
        """Return where an image's file lies.

        Raises
        ------
        DatasetError
            If the project has no file for the image, or its path in the manifest leads out of the images' folder.
        """
        image_id, path = self.image(image_index)
        if path is None:
            raise DatasetError(f"image {image_id!r} has no file in this project")
        return join_location(self.project.images_root, path)

    def _load_group(self, group: int) -> tuple[list[str], list[str | None]]:
        table = self._images.read_row_group(group, columns=["image_id", "path"])
        return table.column("image_id").to_pylist(), table.column("path").to_pylist()


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
        self._store = store or open_store(project.store_url, len(self._tables.label_space))
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
            order=self._order,
            last_seq=last_seq,
            undo=undo,
            redo=redo,
            annotation=settings.annotation,
            refinement=settings.refinement,
            is_simulated=self._store.annotator_kinds().get(self._annotator) == "simulated",
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
        found = []
        for row in rows:
            _, path = self._tables.image(row.image_index)
            proposals = self._in_order(row.image_index, self._offered(proposed[row.image_index]))
            questions, state = asked.get(row.image_index), states[row.image_index]
            to_decide = (questions.open_labels if questions else ()) or tuple(p.class_index for p in proposals)
            found.append(
                Task(
                    position=row.position,
                    image_index=row.image_index,
                    image_id=opaque_image_id(self._project.settings.project.id, row.image_index),
                    has_image=path is not None,
                    proposals=proposals,
                    state=state,
                    evidence=questions.evidence if questions and self._is_revealed(state, to_decide) else None,
                    open_labels=questions.open_labels if questions else (),
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

    def sprite(self, class_index: int) -> Sprite:
        """Return the packed examples of a class."""
        self._check_class(class_index)
        if self._tables.examples is None:
            return Sprite(b"", "image/jpeg", 0, 1, self._project.settings.proposals.thumbnail_px)
        return self._tables.examples.sprite(class_index)

    def example(self, class_index: int, number: int) -> Picture:
        """Return one example image, enlarged."""
        self._check_class(class_index)
        if self._tables.examples is None:
            raise DatasetError("the project has no examples")
        return self._tables.examples.enlarged(class_index, number)

    def grid(self, class_index: int | None, start: int, count: int, which: TaskFilter = TaskFilter.ALL) -> GridPage:
        """Return those of this annotator's tasks that pass the filter and for which the class is proposed."""
        if class_index is None:
            found, n_total = self._store.passing(self._round, self._annotator, TaskFilter(which), start, count)
            return GridPage(None, tuple(found), n_total)
        self._check_class(class_index)
        positions = self._positions_proposing(class_index, TaskFilter(which))
        return GridPage(class_index, tuple(positions[start : start + count]), len(positions))

    def save(self, events: Sequence[Event]) -> list[SaveResult]:
        """Append events to the log; an event of another annotator or round is refused."""
        foreign = {
            i: SaveResult(event.event_id, None, f"this session is {self._annotator!r}'s {self._round.value} round")
            for i, event in enumerate(events)
            if event.annotator != self._annotator or event.round is not self._round
        }
        own = iter(self._store.append([event for i, event in enumerate(events) if i not in foreign]))
        return [foreign[i] if i in foreign else next(own) for i in range(len(events))]

    def changes(self, since_seq: int) -> Changes:
        """Return what happened after `since_seq`."""
        last_seq, images = self._store.changed_images(self._round, self._annotator, since_seq)
        positions = self._store.positions(self._round, self._annotator, sorted(images))
        states: Mapping[int, ImageState] = self._store.states(self._round, self._annotator, sorted(positions))
        undo, redo = self._undo_stacks()
        return Changes(
            last_seq=last_seq,
            states={position: states[image_index] for image_index, position in positions.items()},
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
            names |= {path, posixpath.basename(path), join_location(self._project.images_root, path)}
        for name in sorted(names, key=len, reverse=True):
            reason = reason.replace(name, "the file")
        return reason

    @property
    def _order(self) -> str:
        annotation = self._project.settings.annotation
        return f"shuffled:{annotation.order_seed}" if annotation.order == "shuffled" else "score"

    def _offered(self, row: Any) -> tuple[Proposal, ...]:
        annotation = self._project.settings.annotation
        n_proposals = self._project.settings.proposals.n_proposals
        return tuple(
            Proposal(
                class_index=class_index,
                rank=rank,
                score=row.score[rank] if annotation.show_scores else None,
                model=row.model[rank] if annotation.show_scores else "",
            )
            for rank, class_index in enumerate(row.class_index[:n_proposals])
        )

    def _in_order(self, image_index: int, proposals: tuple[Proposal, ...]) -> tuple[Proposal, ...]:
        annotation = self._project.settings.annotation
        if annotation.order != "shuffled":
            return proposals
        # A fixed permutation for each (seed, annotator, image): a reload must not move the cards. It is keyed:
        # otherwise whoever knows the seed could sort them back into the order of the scores.
        key = self._project.secret.digest("order", annotation.order_seed, self._annotator, image_index)
        generator = random.Random(key)
        shuffled = list(proposals)
        generator.shuffle(shuffled)
        return tuple(shuffled)

    def _start_position(self) -> int:
        latest = self._store.latest_image(self._round, self._annotator)
        if latest is not None:
            position = self._store.positions(self._round, self._annotator, [latest]).get(latest)
            if position is not None:
                return position
        return self._store.find(self._round, self._annotator, TaskFilter.NOT_DONE, 0, 1) or 0

    def _undo_stacks(self) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
        undo, redo = self._store.undo_stacks(self._round, self._annotator)
        images = sorted({event.image_index for event in (*undo, *redo)})
        positions = self._store.positions(self._round, self._annotator, images)

        def pairs(events: list[Event]) -> tuple[tuple[str, int], ...]:
            return tuple((e.event_id, positions[e.image_index]) for e in events if e.image_index in positions)

        return pairs(undo), pairs(redo)

    def _is_revealed(self, state: ImageState, asked: Iterable[int]) -> bool:
        """Tell whether the evidence is shown: to a blind refiner, once they have voted on every label asked about.

        A single event could say *none of these* for all of them, or expose them all: neither reveals the evidence.
        """
        return not self._project.settings.refinement.blind_first or all(c in state.votes for c in asked)

    def _positions_proposing(self, class_index: int, which: TaskFilter) -> list[int]:
        n_proposals = self._project.settings.proposals.n_proposals
        proposing = self._tables.proposals.images_proposing(class_index, n_proposals)
        return sorted(self._store.positions(self._round, self._annotator, proposing, which).values())

    def _check_class(self, class_index: int) -> None:
        if not 0 <= class_index < len(self._tables.label_space):
            n_classes = len(self._tables.label_space)
            raise DatasetError(f"no class {class_index}; the label space has indices 0 to {n_classes - 1}")


def display_picture(tables: ProjectTables, image_index: int, max_side_px: int | None) -> Picture:
    """Return an image, scaled down to `max_side_px` if that is given; raises `DatasetError` if it cannot be read."""
    shown = read_display(tables.location(image_index), max_side_px)
    return Picture(shown.data, _media_type(shown.data), shown.original_width_px, shown.original_height_px)


def small_picture(tables: ProjectTables, image_index: int, max_side_px: int) -> Picture | Unreadable:
    """Return an image scaled down, or why it cannot be read."""
    try:
        return display_picture(tables, image_index, max_side_px)
    except DatasetError as error:
        return Unreadable(str(error))


def _media_type(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
