"""What the explorer of the whole data set may ask for: every annotator's words on every image, read-only.

It is for researchers. On one machine it reads the project folder (`pipeline.sessions.local_explorer`); in a hub it goes
through the Hub's service (`pipeline.service.explorer_client`), which answers only researchers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.annotation.session import Picture, TaskFilter, Unreadable
from pipeline.project.label_space import LabelSpace
from pipeline.project.settings import Language
from pipeline.votes.words import Round

#: Most images on one page.
MAX_EXPLORED_AT_ONCE = 200


class Disagreement(StrEnum):
    """Whether the annotators of an image agree."""

    ANY = "any"
    DISPUTED = "disputed"  # image disagreement: label sets differ
    AGREED = "agreed"  # two or more decided it, and their label sets are equal
    OPEN = "open"  # some label of it is open, be it disputed or not


@dataclass(frozen=True, slots=True)
class ExplorerFilter:
    """Which images to show; an image must pass everything that is set.

    Parameters
    ----------
    round
        Whose words: those of the annotation or of the refinement round.
    class_index
        Images for which the class is proposed, on which somebody ticked it, or whose original label it is.
    annotator
        Images that are this annotator's tasks in the round; empty for everybody's, and for images that nobody has.
    which
        How far the annotator is with the image (anybody, where none is named).
    disagreement
        Whether the annotators agree on it.
    """

    round: Round = Round.ANNOTATION
    class_index: int | None = None
    annotator: str = ""
    which: TaskFilter = TaskFilter.ALL
    disagreement: Disagreement = Disagreement.ANY


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has tasks; `kind` is ``human`` or ``simulated``."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class ExplorerInfo:
    """What the explorer needs once."""

    project_name: str
    language: Language
    n_images: int
    n_classes: int
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class PersonsWord:
    """What one annotator has said of one image.

    `unsure` is about the image as a whole, `unsure_labels` are the classes of which they are unsure.
    `vote` is their vote on the class that is asked about, "" where they have none on it (not shown, or none asked for).
    """

    annotator: str
    labels: tuple[int, ...]
    vote: str = ""
    none: bool = False
    unsure: bool = False
    comment: str = ""
    unsure_labels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ExplorerImage:
    """One image with what is known of it.

    `original_label` is None where it came without. `is_disputed` and `open_labels` are what the annotation round left:
    image disagreement, and the classes that its votes do not settle.
    """

    image_index: int
    image_id: str
    has_image: bool
    original_label: int | None
    is_disputed: bool
    open_labels: tuple[int, ...]
    words: tuple[PersonsWord, ...]


@dataclass(frozen=True, slots=True)
class ExplorerPage:
    """Some of the images that pass a filter, and how many there are in all."""

    n_total: int
    images: tuple[ExplorerImage, ...]


class ExplorerSource(Protocol):
    """A read-only view of all images and of what everybody said of them.

    Every method raises `StoreError` or `ServiceError` when the store or the service cannot answer now, or will not.
    """

    def open(self) -> ExplorerInfo:
        """Return what the explorer needs once."""

    def label_space(self) -> LabelSpace:
        """Return all classes."""

    def page(self, which: ExplorerFilter, start: int, count: int) -> ExplorerPage:
        """Return the images that pass the filter, in their order, `count` of them from the `start`-th on."""

    def images(self, image_indices: Sequence[int], max_side_px: int) -> list[Picture | Unreadable]:
        """Return several images, scaled down, in this order."""
