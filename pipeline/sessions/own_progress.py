"""How one annotator is getting on, for their own eyes: pace and, where the project tells it, agreement with gold.

Gold is told over whole blocks of images only, and not before there are a few: who looks after each image would
otherwise see which ones are gold, and what is known of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import median

from pipeline.annotation.folding import ImageState
from pipeline.annotation.session import HourOfWork, OwnProgress, Progress, TaskFilter
from pipeline.assignment.gold import GoldScore, score_gold
from pipeline.store import SqlStore
from pipeline.votes.words import Round

#: Gold is told after every so many images of an annotator's list.
GOLD_BLOCK = 50
#: With fewer gold images than this, nothing is told of them.
MIN_GOLD = 5
#: Most images that a state is read of.
_MAX_IMAGES = 1_000
_LENGTH_OF_HOUR = len("2026-01-01T09")


def own_progress(
    store: SqlStore, round_: Round, annotator: str, answers: Mapping[int, frozenset[int]] | None = None
) -> OwnProgress:
    """Return how an annotator is getting on.

    Parameters
    ----------
    round_, annotator
        Whose work, in which round.
    answers
        Gold image to the classes that apply; None where nothing is told of gold.
    """
    progress = store.progress(round_, annotator)
    worked = store.latest_work(round_, annotator)
    latest = sorted(worked, key=lambda image: worked[image])[-_MAX_IMAGES:]
    states = store.states(round_, annotator, latest)
    times = [state.active_ms for state in states.values() if state.is_decided and state.active_ms > 0]
    gold = _gold(store, round_, annotator, progress, answers or {})
    return OwnProgress(
        progress=progress,
        hours=_hours({image: worked[image] for image in latest}, states),
        median_ms=round(median(times)) if times else 0,
        n_timed=len(times),
        n_gold=gold.n_decided,
        n_gold_votes=gold.n_votes,
        n_gold_same=gold.n_correct,
    )


def _hours(worked: Mapping[int, str], states: Mapping[int, ImageState]) -> tuple[HourOfWork, ...]:
    n_images: Counter[str] = Counter()
    active_ms: Counter[str] = Counter()
    for image, time in worked.items():
        hour = f"{time[:_LENGTH_OF_HOUR]}:00:00Z"
        n_images[hour] += states[image].is_decided
        active_ms[hour] += states[image].active_ms
    return tuple(HourOfWork(hour, n_images[hour], active_ms[hour]) for hour in sorted(n_images))


def _gold(
    store: SqlStore, round_: Round, annotator: str, progress: Progress, answers: Mapping[int, frozenset[int]]
) -> GoldScore:
    nothing = GoldScore(0, 0, 0, 0)
    if not answers:
        return nothing
    first = store.find(round_, annotator, TaskFilter.NOT_DONE, 0, 1)
    end = progress.n_tasks if first is None else first - first % GOLD_BLOCK
    images = store.gold_images(round_, annotator, end)
    score = score_gold(answers, store.states(round_, annotator, images).items())
    return score if score.n_decided >= MIN_GOLD else nothing
