"""The explorer on this machine: it reads the project folder and the store, and changes neither."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

from pipeline.annotation.disputes import agreed_labels, has_image_disagreement, open_labels, votes_of_refiner
from pipeline.annotation.explorer import (
    MAX_EXPLORED_AT_ONCE,
    Disagreement,
    ExplorerFilter,
    ExplorerImage,
    ExplorerInfo,
    ExplorerPage,
    Person,
    PersonsWord,
)
from pipeline.annotation.folding import ImageState
from pipeline.annotation.session import MAX_IMAGES_AT_ONCE, Picture, TaskFilter, Unreadable
from pipeline.errors import DatasetError, StoreError
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.label_space import LabelSpace
from pipeline.sessions.project_tables import ProjectTables, small_picture
from pipeline.store import SqlStore, open_project_store
from pipeline.votes.words import Round, Vote


class LocalExplorer:
    """All images of a project, and what everybody said about them.

    Parameters
    ----------
    project
        An open project.
    tables, store
        Shared ones, inside a service; if left out, made from the project.
    """

    def __init__(self, project: Project, *, tables: ProjectTables | None = None, store: SqlStore | None = None) -> None:
        self._project = project
        self._tables = tables or ProjectTables(project)
        self._store = store or open_project_store(project)
        self._summaries: dict[Round, _Summary] = {}
        self._lock = Lock()

    def open(self) -> ExplorerInfo:
        """Return what the explorer needs only once."""
        kinds = self._store.annotator_kinds()
        names = sorted({name for round_ in Round for name in self._store.annotators_of(round_)})
        return ExplorerInfo(
            project_name=self._project.settings.project.name,
            language=self._project.settings.annotation.language,
            n_images=self._tables.n_images,
            n_classes=len(self._tables.label_space),
            people=tuple(Person(name, kinds.get(name, "human")) for name in names),
        )

    def label_space(self) -> LabelSpace:
        """Return all classes."""
        return self._tables.label_space

    def page(self, which: ExplorerFilter, start: int, count: int) -> ExplorerPage:
        """Return the images that pass the filter, in their order.

        Raises
        ------
        DatasetError
            If there is no such class.
        StoreError
            If more than `MAX_EXPLORED_AT_ONCE` images are asked for, or the store cannot be read.
        """
        if not 0 <= count <= MAX_EXPLORED_AT_ONCE or start < 0:
            raise StoreError(f"{count} images from {start} on asked for; at most {MAX_EXPLORED_AT_ONCE} are given")
        found = self._passing(which)
        chosen = found[start : start + count]
        states = self._store.states_of_images(which.round, chosen)
        # Disputed and open labels come from the annotation round, whichever round's votes are shown.
        annotated = states if which.round is Round.ANNOTATION else self._annotated(chosen)
        images = [self._image(i, states[i], annotated[i].values(), which) for i in chosen]
        return ExplorerPage(len(found), tuple(images))

    def images(self, image_indices: Sequence[int], max_side_px: int) -> list[Picture | Unreadable]:
        """Return several images, scaled down."""
        if len(image_indices) > MAX_IMAGES_AT_ONCE:
            raise StoreError(f"{len(image_indices)} images asked for at once; at most {MAX_IMAGES_AT_ONCE} are given")
        return [small_picture(self._tables, image_index, max_side_px) for image_index in image_indices]

    def _annotated(self, image_indices: Sequence[int]) -> dict[int, dict[str, ImageState]]:
        return self._store.states_of_images(Round.ANNOTATION, image_indices)

    def _image(
        self, image_index: int, states: dict[str, ImageState], annotated: Collection[ImageState], which: ExplorerFilter
    ) -> ExplorerImage:
        image_id, path = self._tables.image(image_index)
        original = self._original_labels[image_index]
        agreed = agreed_labels(annotated) if which.round is Round.REFINEMENT else ()
        words = [
            PersonsWord(
                annotator=name,
                labels=state.label_set,
                vote="" if which.class_index is None else votes_of_refiner(state, agreed).get(which.class_index, ""),
                none=state.none,
                unsure=state.unsure,
                comment=state.comment,
                unsure_labels=tuple(sorted(c for c, vote in state.votes.items() if vote == Vote.UNSURE)),
            )
            for name, state in sorted(states.items())
        ]
        return ExplorerImage(
            image_index=image_index,
            image_id=image_id,
            has_image=path is not None,
            original_label=original,
            is_disputed=has_image_disagreement(annotated),
            open_labels=open_labels(annotated),
            words=tuple(words),
        )

    def _passing(self, which: ExplorerFilter) -> Sequence[int]:
        """Return the images that pass, ascending; a range where all do."""
        parts: list[Iterable[int]] = []
        if which.annotator or which.which is not TaskFilter.ALL:
            parts.append(self._store.images_passing(which.round, which.which, which.annotator))
        if which.class_index is not None:
            parts.append(self._of_class(which.round, which.class_index))
        if which.disagreement is not Disagreement.ANY:
            parts.append(self._summary(Round.ANNOTATION).by_disagreement[which.disagreement])
        if not parts:
            return range(self._tables.n_images)
        found = set(parts[0])
        for part in parts[1:]:
            found &= set(part)
        return sorted(found)

    def _of_class(self, round_: Round, class_index: int) -> set[int]:
        n_classes = len(self._tables.label_space)
        if not 0 <= class_index < n_classes:
            raise DatasetError(f"no class {class_index}; the label space has indices 0 to {n_classes - 1}")
        found = {i for i, label in enumerate(self._original_labels) if label == class_index}
        found |= self._summary(round_).ticked.get(class_index, set())
        if self._project.proposals_path.exists():
            n_proposals = self._project.settings.proposals.n_proposals
            found |= set(self._tables.proposals.images_proposing(class_index, n_proposals))
        return found

    @cached_property
    def _original_labels(self) -> list[int | None]:
        labels: list[int | None] = image_columns(self._project, ["original_label"]).column(0).to_pylist()
        return [None if label is None or label < 0 else label for label in labels]

    def _summary(self, round_: Round) -> _Summary:
        """Return a summary of all states of a round; it is read again only if the store has taken something since."""
        stand = self._store.activity(round_)
        with self._lock:
            known = self._summaries.get(round_)
            if known is None or known.stand != stand:
                known = _summarise(self._store, round_, stand)
                self._summaries[round_] = known
            return known


@dataclass(frozen=True, eq=False)
class _Summary:
    """All states of a round in short: how the store `stand`s, images by agreement, and which of them have a class."""

    stand: Any
    by_disagreement: dict[Disagreement, set[int]]
    ticked: dict[int, set[int]]


def _summarise(store: SqlStore, round_: Round, stand: Any) -> _Summary:
    summary = _Summary(stand, {which: set() for which in Disagreement}, {})
    image_index, states = -1, list[ImageState]()

    def close() -> None:
        decided = [state for state in states if state.is_decided]
        if has_image_disagreement(decided):
            summary.by_disagreement[Disagreement.DISPUTED].add(image_index)
        elif len(decided) > 1:
            summary.by_disagreement[Disagreement.AGREED].add(image_index)
        if open_labels(decided):
            summary.by_disagreement[Disagreement.OPEN].add(image_index)
        for state in decided:
            for class_index in state.label_set:
                summary.ticked.setdefault(class_index, set()).add(image_index)

    for row in store.iter_states(round_):  # all states of an image come together
        if row.image_index != image_index:
            close()
            image_index, states = row.image_index, []
        states.append(row.state)
    close()
    return summary
