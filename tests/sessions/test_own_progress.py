"""What an annotator is told of their own work: counted by hand, off by default, and no gold image is given away."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

import pytest

from pipeline.annotation.events import Event, EventKind
from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError
from pipeline.sessions.local import LocalSession
from pipeline.sessions.own_progress import GOLD_BLOCK, MIN_GOLD, own_progress
from pipeline.store import Assignment, SqlStore, open_store
from pipeline.votes.words import Round

N_TASKS = GOLD_BLOCK + 10
#: Every seventh image is gold, so that the first block holds more than enough.
GOLD = range(0, N_TASKS, 7)
ANSWERS = {image: frozenset({1}) for image in GOLD}


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    made = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}", 10)
    made.add_annotators(["ada", "ben"])
    tasks = [Assignment(name, i, is_gold=i in GOLD) for name in ("ada", "ben") for i in range(N_TASKS)]
    made.assign(Round.ANNOTATION, tasks)
    return made


def decide(store: SqlStore, images: Iterable[int], label: int = 1, annotator: str = "ada") -> None:
    """Tick one of the two classes that were shown, in as many milliseconds as the image's number says."""
    for image in images:
        payload = {"class_index": label, "vote": "yes"}
        event = Event(
            f"{annotator}-{image:04d}-{label}",
            Round.ANNOTATION,
            annotator,
            image,
            EventKind.VOTE,
            payload,
            (1, 2),
            image,
        )
        assert store.append([event])[0].seq


def test_pace_is_the_median_over_decided_images_and_nobody_elses(store: SqlStore) -> None:
    nothing = own_progress(store, Round.ANNOTATION, "ada")
    assert (nothing.n_timed, nothing.median_ms, nothing.hours, nothing.n_gold) == (0, 0, (), 0)
    decide(store, [3, 10, 11, 40])
    decide(store, [20, 30], annotator="ben")
    comment = Event("ada-comments", Round.ANNOTATION, "ada", 50, EventKind.COMMENT, {"text": "hm"}, (), 9_000)
    assert store.append([comment])[0].seq  # undecided: its time counts for the day, but for no pace
    own = own_progress(store, Round.ANNOTATION, "ada")
    assert (own.progress.n_done, own.progress.n_tasks) == (4, N_TASKS)
    assert (own.median_ms, own.n_timed) == (round(median([3, 10, 11, 40])), 4)
    assert sum(hour.n_images for hour in own.hours) == 4
    assert sum(hour.active_ms for hour in own.hours) == 3 + 10 + 11 + 40 + 9_000
    assert all(hour.hour.endswith(":00:00Z") for hour in own.hours)


def test_gold_is_told_of_whole_blocks_alone_and_where_the_project_tells_it(store: SqlStore) -> None:
    decide(store, range(GOLD_BLOCK - 1))
    assert own_progress(store, Round.ANNOTATION, "ada", ANSWERS).n_gold == 0
    decide(store, [GOLD_BLOCK - 1])
    n_gold = len([image for image in GOLD if image < GOLD_BLOCK])
    told = own_progress(store, Round.ANNOTATION, "ada", ANSWERS)
    assert (told.n_gold, told.n_gold_votes, told.n_gold_same) == (n_gold, 2 * n_gold, 2 * n_gold)
    decide(store, range(GOLD_BLOCK, N_TASKS - 1), label=2)  # wrong, but the block is not complete
    still = own_progress(store, Round.ANNOTATION, "ada", ANSWERS)
    assert (still.n_gold, still.n_gold_votes, still.n_gold_same) == (n_gold, 2 * n_gold, 2 * n_gold)
    decide(store, [N_TASKS - 1], label=2)  # everything is done: the rest is told as well
    whole = own_progress(store, Round.ANNOTATION, "ada", ANSWERS)
    assert len(GOLD) > n_gold
    # On the rest, class 2 was ticked and 1 left unticked: neither is as known.
    assert (whole.n_gold, whole.n_gold_votes, whole.n_gold_same) == (len(GOLD), 2 * len(GOLD), 2 * n_gold)
    assert own_progress(store, Round.ANNOTATION, "ada").n_gold == 0


def test_too_few_gold_images_are_not_told_of(store: SqlStore) -> None:
    decide(store, range(N_TASKS))
    few = dict(list(ANSWERS.items())[: MIN_GOLD - 1])
    assert own_progress(store, Round.ANNOTATION, "ada", few).n_gold == 0


def test_it_is_off_unless_the_project_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("image,label\na,cat\nb,dog\n")
    project = init_project(tmp_path / "project", tmp_path / "images.csv", has_files=False)
    with pytest.raises(DatasetError, match="own_progress"):
        LocalSession(project, "ada").own_progress()
