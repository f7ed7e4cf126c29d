"""A project's work as the neutral records that writers of other tools' formats take, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow.parquet as pq

from pipeline.annotation.disputes import agreed_labels, votes_of_refiner
from pipeline.annotation.folding import ImageState
from pipeline.errors import DatasetError, ProjectError
from pipeline.formats.exchange.content import (
    SIMULATED,
    ImageContent,
    Label,
    Outgoing,
    Part,
    Proposal,
    Sitting,
    parts_of,
)
from pipeline.formats.exchange.registry import Format
from pipeline.images.locations import join_location
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns, image_table
from pipeline.project.wording import so_many
from pipeline.proposals.reader import ProposalReader, open_proposals
from pipeline.store import SqlStore, open_project_store
from pipeline.votes.words import Round, Source, Vote

T = TypeVar("T")
_IMAGES_AT_ONCE = 8192
#: Modules of formats whose columns or fields can be chosen.
_WITH_COLUMNS = frozenset({"tables", "json_lines", "croissant"})
_FEW = {
    Part.LABELS: ("refined label", "refined labels"),
    Part.POSTERIORS: ("posterior", "posteriors"),
    Part.SOURCES: ("source of a label", "sources of labels"),
    Part.VOTES: ("decision of an annotator on an image", "decisions of annotators on images"),
    Part.EXPOSURE: ("record of what somebody was shown", "records of what somebody was shown"),
    Part.NOT_ASKED: ("class that a refiner was shown unasked", "classes that refiners were shown unasked"),
    Part.UNSURE: ("unsure vote", "unsure votes"),
    Part.PROPOSALS: ("proposal", "proposals"),
    Part.COMMENTS: ("comment", "comments"),
}


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export wrote: to where, how much, what the format could not carry, and what should be known."""

    path: Path
    n_images: int
    carried: tuple[str, ...]
    not_carried: tuple[str, ...]
    notes: tuple[str, ...]
    simulated: tuple[str, ...]


def export_work(
    project: Project,
    kind: Format,
    out: Path,
    *,
    columns: Sequence[str] = (),
    table: str = "labels",
    by_name: bool = False,
    link_images: bool = True,
) -> ExportSummary:
    """Write a project's work in the format of another tool.

    Parameters
    ----------
    project
        An open project with images.
    kind
        The format.
    out
        The file, or the folder for formats of several files; what is there is replaced.
    columns, table, link_images
        As for :class:`pipeline.formats.exchange.content.Outgoing`.
    by_name
        Whether classes are called by their names, which must then be unique, or by their keys.

    Raises
    ------
    ProjectError
        If the project has nothing of what the format holds.
    DatasetError
        If two classes share a name and names are wanted, or a column is not known.
    """
    _refuse_options(kind, columns, table)
    space = project.label_space
    words = tuple(space.names) if by_name else space.keys
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise DatasetError(f"two classes are called {twice!r}: names cannot stand for them; export by key")
    with open_project_store(project) as store:
        source = _Source(project, store, words)
        found = parts_of(source.images())
        given = _wanted_parts(kind, table)
        if not any(found[part] for part in _needed(kind, table, given)):
            raise ProjectError(_nothing(project, kind, _needed(kind, table, given)))
        out.parent.mkdir(parents=True, exist_ok=True)
        outgoing = Outgoing(
            source.images, words, tuple(space.names), project.root.resolve().name, tuple(columns), table,
            source.locate, link_images,
        )  # fmt: skip
        notes = list(kind.write(outgoing, out))
    if source.left_out:
        notes.append(f"votes of {', '.join(source.left_out)} are left out, as mlf.toml says")
    if source.voiceless:
        words = "doubt about an image as a whole has", "doubts about images as a whole have"
        notes.append(f"{so_many(len(source.voiceless), *words)} no vote on a class, and no place here")
    carried, missing = ([p for p in Part if found[p] and (p in given) == is_given] for is_given in (True, False))
    return ExportSummary(
        out,
        len(source),
        tuple(so_many(found[part], *_FEW[part]) for part in carried),
        tuple(so_many(found[part], *_FEW[part]) for part in missing),
        tuple(notes),
        source.simulated,
    )


def _wanted_parts(kind: Format, table: str) -> set[Part]:
    """Return what goes into the file: of a format that holds one table, what that table has."""
    given = set(kind.given)
    if kind.module != "tables":
        return given
    of_votes = {Part.VOTES, Part.EXPOSURE, Part.UNSURE, Part.COMMENTS}
    if table == "votes":
        return given & of_votes
    return given - {Part.COMMENTS}


def _needed(kind: Format, table: str, given: set[Part]) -> set[Part]:
    """Return of which parts a project must have one, so that a file of them says something."""
    if kind.module == "tables":
        return {Part.LABELS} if table == "labels" else {Part.VOTES}
    return given - {Part.POSTERIORS, Part.SOURCES, Part.EXPOSURE}


def _refuse_options(kind: Format, columns: Sequence[str], table: str) -> None:
    if columns and kind.module not in _WITH_COLUMNS:
        raise DatasetError(f"--columns: {kind.title} has none to choose; csv, parquet, jsonl and croissant have")
    if table != "labels" and kind.module != "tables":
        raise DatasetError(f"--table {table}: {kind.title} is one file of everything; csv and parquet have two tables")


def _nothing(project: Project, kind: Format, needed: set[Part]) -> str:
    if Part.VOTES in needed:
        return f"{project.root}: nobody has decided an image yet, so there is nothing to export as {kind.title}"
    return (
        f"{project.root}: no labels are settled yet, and {kind.title} holds labels alone; run "
        f"`mlf settle {project.root}` first"
    )


class _Source:
    """Reads a project's images with everything about each, in order, without holding more than a part of them."""

    def __init__(self, project: Project, store: SqlStore, words: Sequence[str]) -> None:
        self._project, self._store, self._words = project, store, words
        kinds = store.annotator_kinds()
        self._probes = store.probe_images(Round.ANNOTATION)
        self.left_out = tuple(project.settings.consensus.annotators_left_out)
        self.simulated = tuple(name for name, kind in kinds.items() if kind == "simulated")
        self._person = {name: f"{name}{SIMULATED}" if kind == "simulated" else name for name, kind in kinds.items()}
        #: Who is unsure of an image as a whole and has a vote on no class of it: a word that no format has.
        self.voiceless: set[tuple[str, Round, int]] = set()
        self._proposals: ProposalReader | None = None
        if project.proposals_path.exists():
            self._proposals = open_proposals(project)

    def __len__(self) -> int:
        return int(pq.read_metadata(image_table(self._project)).num_rows)

    def locate(self, record: ImageContent) -> str | None:
        """Return where an image's file lies; None where the project has no file for it."""
        if record.path is None:
            return None
        return join_location(self._project.images_root, record.path, self._project.image_folders)

    def images(self) -> Iterator[ImageContent]:
        """Yield every image, in the project's order."""
        table = image_columns(self._project, ["image_id", "path", "original_label"])
        annotators, refiners = (_Grouped(self._states(round_)) for round_ in (Round.ANNOTATION, Round.REFINEMENT))
        labels = _Grouped(self._labels())
        for first in range(0, len(table), _IMAGES_AT_ONCE):
            part = table.slice(first, _IMAGES_AT_ONCE).to_pydict()
            for offset, (image_id, path, original) in enumerate(zip(*part.values(), strict=True)):
                index = first + offset
                said = tuple(self._sittings(index, annotators.of(index), refiners.of(index)))
                label_rows = labels.of(index)
                yield ImageContent(
                    image_id,
                    "",
                    path,
                    None if original is None else self._words[original],
                    None if not label_rows else tuple(label for label, _ in label_rows if label is not None),
                    next((source for label, source in label_rows if label is None), ""),
                    sittings=said,
                    proposals=self._offered(index),
                )

    def _states(self, round_: Round) -> Iterator[tuple[int, tuple[str, ImageState]]]:
        for row in self._store.iter_states(round_):
            if row.annotator not in self.left_out and (row.state.is_decided or row.state.comment.strip()):
                yield row.image_index, (row.annotator, row.state)

    def _sittings(
        self,
        index: int,
        annotators: Sequence[tuple[str, ImageState]],
        refiners: Sequence[tuple[str, ImageState]],
    ) -> Iterator[Sitting]:
        """Yield everyone's word on an image; their votes are those that `mlf settle` counts."""
        said = [(name, Round.ANNOTATION, state, state.exposed_votes()) for name, state in annotators]
        # Votes on hidden gold are kept apart, so that nothing is agreed there (as in `votes_of_project`).
        is_asked = bool(refiners) and index not in self._probes
        agreed = agreed_labels(state for _, state in annotators) if is_asked else ()
        said += [(name, Round.REFINEMENT, state, votes_of_refiner(state, agreed)) for name, state in refiners]
        for name, round_, state, votes in said:
            sitting = self._sitting(name, round_, state, votes)
            if sitting.is_decided or sitting.comment:
                yield sitting
            if state.unsure and not sitting.is_decided:
                self.voiceless.add((name, round_, index))

    def _sitting(self, person: str, round_: Round, state: ImageState, votes: Mapping[int, Vote]) -> Sitting:
        shown = sorted(state.exposed_votes())
        said = {self._words[c]: votes[c] for c in shown if c in votes}
        on_screen = tuple(self._words[c] for c in shown)
        return Sitting(self._person[person], said, on_screen, state.none, state.comment.strip(), round_)

    def _labels(self) -> Iterator[tuple[int, tuple[Label | None, str]]]:
        path = self._project.refined_labels_path
        if not path.exists():
            return
        now = self._project.current_classes
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches():
            for row in batch.to_pylist():
                if row["source"] == Source.UNLABELLED:
                    continue
                index = row["class_index"]
                if index is None:
                    yield row["image_index"], (None, row["source"])
                for target in () if index is None else now.of(index):
                    yield row["image_index"], (self._label(target, row), row["source"])

    def _label(self, index: int, row: Mapping[str, Any]) -> Label:
        counts = (row["n_yes"], row["n_no"], row["n_unsure"])
        return Label(self._words[index], row["source"], row["posterior"], *counts)

    def _offered(self, index: int) -> tuple[Proposal, ...]:
        if self._proposals is None or index >= self._proposals.n_images:
            return ()
        row = self._proposals.rows([index])[index]
        return tuple(
            Proposal(self._words[class_index], score, model)
            for class_index, score, model in zip(row.class_index, row.score, row.model, strict=True)
        )


class _Grouped(Generic[T]):
    """Gives the values of each image, asked for in ascending order, from pairs (image, value) in that order."""

    def __init__(self, pairs: Iterator[tuple[int, T]]) -> None:
        self._groups = groupby(pairs, key=lambda pair: pair[0])
        self._next: tuple[int, list[T]] | None = None
        self._advance()

    def of(self, index: int) -> list[T]:
        while self._next is not None and self._next[0] < index:
            self._advance()
        if self._next is None or self._next[0] > index:
            return []
        values = self._next[1]
        self._advance()
        return values

    def _advance(self) -> None:
        found = next(self._groups, None)
        self._next = None if found is None else (found[0], [value for _, value in found[1]])
