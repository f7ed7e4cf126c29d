"""A small project with votes, made by the stages themselves, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from command_line import run_mlf
from PIL import Image

from pipeline.annotation.events import Event, EventKind
from pipeline.datasets.create import init_project
from pipeline.project.folder import Project, open_project
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.votes.words import Round

KEYS = ("bird", "cat", "cup", "dog", "kitten", "lamp")
N_IMAGES = 6


def _draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((80, 60)).save(path)


@pytest.fixture(scope="session")
def draw() -> Callable[[Path, int], None]:
    """Return a function that draws a small picture, which the seed determines, into a file."""
    return _draw


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of six images, one of each class; the proposals of image i are the four classes from i on."""
    for i, key in enumerate(KEYS):
        _draw(tmp_path / "photos" / key / f"{i}.png", i)
    project = init_project(tmp_path / "birds", tmp_path / "photos")
    ranking = [[(i + rank) % len(KEYS) for rank in range(4)] for i in range(N_IMAGES)]
    np.savez(tmp_path / "top.npz", model=np.array(ranking))
    propose_from_predictions(project, tmp_path / "top.npz", order="natural")
    assign_project(project, ["ada", "ben"], 2)
    return open_project(project.root)


@pytest.fixture
def vote() -> Callable[..., None]:
    """Return a function by which an annotator decides an image: shown classes, those ticked, those unsure."""

    def decide(
        project: Project,
        annotator: str,
        image: int,
        shown: Iterable[str],
        yes: Iterable[str] = (),
        unsure: Iterable[str] = (),
        round_: Round = Round.ANNOTATION,
    ) -> None:
        project = open_project(project.root)
        index_of = project.label_space.index_of
        session = LocalSession(project, annotator, round_)
        seen = tuple(index_of(key) for key in shown)
        words = [(key, "yes") for key in yes] + [(key, "unsure") for key in unsure]
        events = [
            Event(f"{annotator}-{image}-{key}-{word}-{len(seen):04d}", round_, annotator, image, EventKind.VOTE,
                  {"class_index": index_of(key), "vote": word}, seen)
            for key, word in words
        ]  # fmt: skip
        if not events:
            none = {"value": True}
            events = [
                Event(f"{annotator}-{image}-none-{len(seen):04d}", round_, annotator, image, EventKind.NONE, none, seen)
            ]
        assert [result.error for result in session.save(events)] == [""] * len(events)

    return decide


@pytest.fixture
def mlf() -> Callable[..., str]:
    """Return a function that runs a command as a person does, and returns what it prints."""
    return run_mlf
