"""Proposals from a model whose outputs are the project's classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.filling import Filling, RunOptions
from pipeline.inference.predictions import ranking_tables
from pipeline.project.folder import Project
from pipeline.project.notices import tell
from pipeline.proposals.methods.seam import Candidates, read_candidates

if TYPE_CHECKING:
    from pipeline.inference.classifier import Classifier


class RankingMethod:
    """A network that gives the project's classes probabilities.

    Parameters
    ----------
    project
        The project whose images are used.
    classifier
        The network, with what its outputs stand for.
    n_views
        In how many views each image is looked at.
    top_k
        How many candidates an image gets.
    run
        How it is run.
    """

    has_scores = True

    def __init__(self, project: Project, classifier: Classifier, n_views: int, top_k: int, run: RunOptions) -> None:
        self.name = classifier.name
        for note in classifier.notes:
            tell(note)
        self._current = project.current_classes
        self._tables = ranking_tables(project, classifier, n_views, top_k, run)
        notes = []
        if classifier.class_order == "assumed":
            notes.append(f"nothing names the outputs of {self.name}: taken to lie in the project's order of classes")
        if classifier.n_missing:
            notes.append(f"{self.name} does not know {classifier.n_missing} classes; it never proposes them")
        self.notes = tuple(notes)

    @property
    def settings(self) -> dict[str, Any]:
        """Return everything that determines its candidates."""
        return self._tables[-1].settings

    def fillings(self) -> list[Filling]:
        """Return the table of its predictions and, if it looks at several views, that of its candidates."""
        return self._tables

    def candidates(self, options: RunOptions) -> Candidates:  # noqa: ARG002 - part of the seam; nothing is left to run
        """Return the classes that it ranks highest."""
        return read_candidates(self._tables[-1].path, self._current)


class ClassifierMethod(RankingMethod):
    """A `timm` classifier that ranks the classes it knows.

    Parameters
    ----------
    project, n_views, top_k, run
        As for :class:`RankingMethod`.
    source
        The model.
    allow_missing_classes
        Accept a model that does not know every class.

    Raises
    ------
    DatasetError
        If the model cannot be loaded, or its classes are not the project's.
    """

    def __init__(
        self,
        project: Project,
        source: ModelSource,
        n_views: int,
        top_k: int,
        run: RunOptions,
        *,
        allow_missing_classes: bool = False,
    ) -> None:
        from pipeline.inference.classifier import load_classifier

        classifier = load_classifier(source, project.label_space, allow_missing_classes=allow_missing_classes)
        super().__init__(project, classifier, n_views, top_k, run)
