"""What the annotation round said about an image, shown to refiners without names.

An annotator's letter is fixed for one image but says nothing across images: a keyed hash of image and annotator deals
the letters. So a refiner can neither follow one colleague through the data set nor work out who gets which letter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.annotation.disputes import open_labels
from pipeline.annotation.folding import ImageState
from pipeline.annotation.session import Evidence
from pipeline.project.secret import ProjectSecret
from pipeline.store import SqlStore
from pipeline.votes.words import Round, Vote


@dataclass(frozen=True, slots=True)
class Questions:
    """The open labels of one image, and what was said about the image."""

    open_labels: tuple[int, ...]
    evidence: Evidence


class EvidenceReader:
    """Reads the annotation round's decided states for a refiner, whose own earlier votes are evidence like any other.

    Parameters
    ----------
    store
        The project's store.
    secret
        The project's secret.
    """

    def __init__(self, store: SqlStore, secret: ProjectSecret) -> None:
        self._store = store
        self._secret = secret

    def read(self, image_indices: Sequence[int]) -> dict[int, Questions]:
        """Return what is left to settle on each of these images."""
        found = self._store.states_of_images(Round.ANNOTATION, image_indices)
        programs = {name for name, kind in self._store.annotator_kinds().items() if kind == "simulated"}
        return {
            image_index: Questions(
                open_labels(states.values()), anonymous_evidence(image_index, states, self._secret, programs)
            )
            for image_index, states in found.items()
        }


def anonymous_evidence(
    image_index: int, states: Mapping[str, ImageState], secret: ProjectSecret, programs: Collection[str] = ()
) -> Evidence:
    """Return the evidence on one image: names go in, letters come out.

    Parameters
    ----------
    image_index
        The image, which fixes who gets which letter.
    states
        Annotator to state; undecided states are left out.
    secret
        The project's.
    programs
        Which of the annotators are programs.
    """
    decided = {name: state for name, state in states.items() if state.is_decided}
    dealt = sorted(decided, key=lambda name: secret.digest("letters", image_index, name))
    voices = {name: _letter(i) for i, name in enumerate(dealt)}
    votes: dict[int, dict[str, Vote]] = {}
    for name in dealt:
        for class_index, vote in sorted(decided[name].exposed_votes().items()):
            votes.setdefault(class_index, {})[voices[name]] = vote
    return Evidence(
        votes=votes,
        comments={voices[name]: decided[name].comment for name in dealt if decided[name].comment.strip()},
        regions={voices[name]: dict(decided[name].regions) for name in dealt if decided[name].regions},
        voices=tuple(voices.values()),
        simulated=tuple(voice for name, voice in voices.items() if name in programs),
    )


def _letter(number: int) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return letters[number] if number < len(letters) else f"A{number}"
