"""How many kernels one person may have: each counts once, from the moment that it is asked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError

from pipeline.hub.kernels import BoundedKernels


def test_a_kernel_that_is_listed_and_still_starting_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        may_list, is_listed, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def start(self: AsyncMappingKernelManager, *, kernel_id: str, **_settings: Any) -> str:
            await may_list.wait()
            self._kernels[kernel_id] = object()
            is_listed.set()
            await over.wait()
            return kernel_id

        monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", start)
        kernels = BoundedKernels(max_kernels=2)

        async def refused() -> bool:
            with pytest.raises(HTTPError) as error:
                await kernels.start_kernel()
            return bool(error.value.status_code == 429)

        async with asyncio.timeout(60):
            asked = [asyncio.create_task(kernels.start_kernel())]
            may_list.set()
            await is_listed.wait()
            assert not asked[0].done(), "listed, and still starting"
            assert not kernels.is_full
            may_list.clear()
            asked.append(asyncio.create_task(kernels.start_kernel()))
            await asyncio.sleep(0)
            assert len(kernels) == 1, "the second is asked for, and not yet listed"
            assert await refused()
            may_list.set()
            over.set()
            assert len(set(await asyncio.gather(*asked))) == 2
            assert await refused()
            kernels.remove_kernel(asked[0].result())
            assert not kernels.is_full

    asyncio.run(go())


@pytest.mark.parametrize("lost_after_s", [0, 60])
def test_pages_that_were_closed_without_a_word_make_room_and_no_others_do(
    monkeypatch: pytest.MonkeyPatch, lost_after_s: int
) -> None:
    """A browser that crashes, or whose connection ends, says nothing; its pages would fill the places for minutes."""

    async def start(self: AsyncMappingKernelManager, *, kernel_id: str, **_settings: Any) -> str:
        add(self, kernel_id, 0, 0)
        return kernel_id

    async def shut_down(self: AsyncMappingKernelManager, kernel_id: str, **_settings: Any) -> None:
        await asyncio.sleep(0)
        self.remove_kernel(kernel_id)

    def add(kernels: AsyncMappingKernelManager, kernel_id: str, quiet_s: int, n_connections: int) -> None:
        at = datetime.now(UTC) - timedelta(seconds=quiet_s)
        kernels._kernels[kernel_id] = SimpleNamespace(kernel_name="x", last_activity=at, execution_state="idle")
        kernels._kernel_connections[kernel_id] = n_connections

    monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", start)
    monkeypatch.setattr(AsyncMappingKernelManager, "shutdown_kernel", shut_down)

    async def go() -> None:
        kernels = BoundedKernels(max_kernels=4, lost_after_s=lost_after_s)
        add(kernels, "looked at", 9_000, 1)
        add(kernels, "new", 30, 0)
        add(kernels, "lost", 600, 0)
        add(kernels, "lost first", 3_000, 0)
        assert kernels.is_full == (not lost_after_s)
        asked = [asyncio.create_task(kernels.start_kernel()) for _ in range(3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, HTTPError)]
        assert len(refused) == (1 if lost_after_s else 3), "as many as were lost, although all came at once"
        kept = {"looked at", "new"} if lost_after_s else {"looked at", "new", "lost", "lost first"}
        assert set(kernels.list_kernel_ids()) == kept | {answer for answer in answers if isinstance(answer, str)}
        assert kernels.is_full

    asyncio.run(go())
