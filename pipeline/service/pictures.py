"""Pictures: large ones are made in turns; and how several are asked for and sent in one answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import CancelScope, CapacityLimiter, current_time, to_thread

from pipeline.annotation.session import Picture, Unreadable
from pipeline.images.decoding_turns import NoTurnError, turns, without_waiting
from pipeline.service.admission import LONGEST_WAIT_S, Refusal, Service

MANY_PICTURES = "application/vnd.mlf.pictures"
PICTURES: dict[int | str, dict[str, object]] = {
    200: {"content": {MANY_PICTURES: {}}, "description": "A length, heads as JSON, and the pictures' bytes."}
}
#: Whole numbers, separated by commas.
SEVERAL = r"^\d{1,10}(,\d{1,10})*$"
MAX_SMALL_SIDE_PX = 512

_T = TypeVar("_T")


async def in_turn(work: Callable[[], _T]) -> _T:
    """Return what `work` makes, on one of the threads that all reading shares, unless a large picture has to wait.

    Then the request waits for its turn without holding a thread or the picture's bytes, so that tasks and small
    pictures can overtake it. If a later picture of the same work takes more than the one that had to wait first, the
    work waits again.

    Raise `Refusal` if the turn does not come within :data:`LONGEST_WAIT_S`.
    """
    try:
        return await to_thread.run_sync(without_waiting, work)
    except NoTurnError as refused:
        n_bytes = refused.n_bytes
    until = current_time() + LONGEST_WAIT_S
    while True:
        try:
            async with _turn(n_bytes, until):
                return await to_thread.run_sync(without_waiting, work, n_bytes, limiter=CapacityLimiter(1))
        except NoTurnError as refused:
            n_bytes = refused.n_bytes


@asynccontextmanager
async def _turn(n_bytes: int, until: float) -> AsyncIterator[None]:
    come = asyncio.Event()
    loop = asyncio.get_running_loop()
    place = turns().join(n_bytes, lambda: loop.call_soon_threadsafe(come.set))
    try:
        with CancelScope(deadline=until):
            await come.wait()
        if not place.has_come:
            raise Refusal(503, "Crowded", "many large pictures are asked for; ask again in a moment", retry_after_s=1)
        yield
    finally:
        turns().leave(place)


def several(numbers: str, most: int, what: str) -> list[int]:
    """Return the numbers of a text that fits :data:`SEVERAL`; raise `Refusal` if there are more than `most`."""
    wanted = [int(text) for text in numbers.split(",")]
    if len(wanted) > most:
        raise Refusal(400, "StoreError", f"{len(wanted)} {what} asked for at once; at most {most} are given")
    return wanted


def placeless(service: Service, picture: Picture | Unreadable) -> Picture | Unreadable:
    """Return the picture; if it cannot be shown, the reason names no folder of this machine."""
    return Unreadable(service.without_places(picture.reason)) if isinstance(picture, Unreadable) else picture
