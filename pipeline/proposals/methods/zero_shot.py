"""Proposals from the words of the classes: an image-text model compares each image with them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.inference.filling import RunOptions
from pipeline.project.folder import Project
from pipeline.proposals.methods.classifier import RankingMethod


class ZeroShotMethod(RankingMethod):
    """An image-text model that ranks the classes by their names, synonyms and definitions.

    Parameters
    ----------
    project, n_views, top_k, run
        As for :class:`pipeline.proposals.methods.classifier.RankingMethod`.
    model, prompts
        As for :func:`pipeline.inference.image_text.load_zero_shot`.

    Raises
    ------
    DatasetError
        If the model cannot be loaded.
    """

    def __init__(
        self, project: Project, model: str, prompts: Sequence[str], n_views: int, top_k: int, run: RunOptions
    ) -> None:
        from pipeline.inference.image_text import load_zero_shot

        space = project.label_space
        super().__init__(project, load_zero_shot(model, space, prompts), n_views, top_k, run)
        n_bare = sum(not info.definition and not info.synonyms for info in space)
        if 2 * n_bare > len(space):
            note = (
                f"{self.name}: {n_bare:,} of {len(space):,} classes have neither synonyms nor a definition; a model "
                "that knows classes by their words alone does better with some"
            )
            self.notes = (*self.notes, note)
