"""Which state a project is in: how many changes led to it, and what it holds. Reports and runs say so."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.project.folder import Project
from pipeline.project.history import Change, read_history
from pipeline.project.image_table import image_table


@dataclass(frozen=True, slots=True)
class ProjectState:
    """A project's state.

    Parameters
    ----------
    number
        How many changes there were; 0 for a project as it was made.
    last
        The newest change; None where there was none.
    n_images, n_classes
        Images, and classes in the list now.
    """

    number: int
    last: Change | None
    n_images: int
    n_classes: int

    def __str__(self) -> str:
        """Return the state in one line."""
        holds = f"{self.n_images:,} images, {self.n_classes:,} classes"
        if self.last is None:
            return f"State 0 of the project, as it was made: {holds}"
        when = self.last.at[:16].replace("T", " ")
        return (
            f"State {self.number} of the project: {holds}; last change: {self.last.text} ({when} UTC, {self.last.by})"
        )


def project_state(project: Project) -> ProjectState:
    """Return the state that a project is in; raise `ProjectError` if its history or its table of images is damaged."""
    import pyarrow.parquet as pq

    history = read_history(project.root)
    space = project.label_space
    n_images = pq.read_metadata(image_table(project)).num_rows
    return ProjectState(len(history), history[-1] if history else None, n_images, len(space) - len(space.gone))
