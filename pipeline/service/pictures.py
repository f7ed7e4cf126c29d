"""Pictures: made in turns where they are large; and several in one answer, how they are asked for and sent."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, Semaphore, move_on_after, to_thread
from anyio.lowlevel import RunVar

from pipeline.large_pictures import NoTurnError, turns, without_waiting
from pipeline.service.admission import Refusal, Service
from pipeline.session import Picture, Unreadable

MANY_PICTURES = "application/vnd.mlf.pictures"
PICTURES: dict[int | str, dict[str, object]] = {
    200: {"content": {MANY_PICTURES: {}}, "description": "A length, heads as JSON, and the pictures' bytes."}
}
#: Whole numbers, separated by commas.
SEVERAL = r"^\d{1,10}(,\d{1,10})*$"
MAX_SMALL_SIDE_PX = 512

#: A session's request gives up after ten seconds; what is made later is made for nobody.
LONGEST_WAIT_S = 8.0
_WAITING_LANE: RunVar[Semaphore] = RunVar("large_pictures")
_T = TypeVar("_T")


async def in_turn(work: Callable[[], _T]) -> _T:
    """Return what `work` makes, on a thread: one of those that all reading shares, unless a large picture has to wait.

    Then the request waits its turn without a thread and without the picture's bytes, so that tasks and small pictures
    pass it by.

    Raises
    ------
    Refusal
        If the turn does not come within :data:`LONGEST_WAIT_S`.
    """
    try:
        return await to_thread.run_sync(without_waiting, work)
    except NoTurnError:
        lane = _waiting_lane()
    with move_on_after(LONGEST_WAIT_S) as waiting:
        await lane.acquire()
    if waiting.cancelled_caught:
        raise Refusal(503, "ServiceError", "many large pictures are asked for; ask again in a moment", retry_after_s=1)
    try:
        return await to_thread.run_sync(work, limiter=CapacityLimiter(1))
    finally:
        lane.release()


def _waiting_lane() -> Semaphore:
    try:
        return _WAITING_LANE.get()
    except LookupError:
        _WAITING_LANE.set(Semaphore(turns().n_at_once))
        return _WAITING_LANE.get()


def several(numbers: str, most: int, what: str) -> list[int]:
    """Return the numbers of a text that fits :data:`SEVERAL`.

    Raises
    ------
    Refusal
        If there are more than `most`.
    """
    wanted = [int(text) for text in numbers.split(",")]
    if len(wanted) > most:
        raise Refusal(400, "StoreError", f"{len(wanted)} {what} asked for at once; at most {most} are given")
    return wanted


def placeless(service: Service, picture: Picture | Unreadable) -> Picture | Unreadable:
    """Return a picture whose reason, where it has none to show, names no folder of this machine."""
    return Unreadable(service.without_places(picture.reason)) if isinstance(picture, Unreadable) else picture
