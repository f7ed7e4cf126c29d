"""How many kernels one person may have at a time: each takes a hundred megabytes, and all share the machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Integer

MAX_KERNELS = 10


class BoundedKernels(AsyncMappingKernelManager):
    """The kernels of one person's server. A page is a kernel, too."""

    max_kernels = Integer(MAX_KERNELS, min=1, help="Kernels that may run at the same time.").tag(config=True)
    lost_after_s = Integer(
        0, help="A kernel with which nobody has spoken for so long makes room for a further one; 0: none does."
    ).tag(config=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]
        self._starting: set[str] = set()
        self._ending: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Return whether no further kernel may start now."""
        return self._n_taken() >= self.max_kernels and not self._lost()

    def _n_taken(self) -> int:
        # A kernel is listed before its start is over: it must not count twice.
        return len(self._starting.union(self.list_kernel_ids()) - self._ending)

    def _lost(self) -> list[str]:
        """Return the kernels of pages that were closed without a word, the oldest first: of a browser that crashed."""
        if not self.lost_after_s:
            return []
        until = datetime.now(UTC) - timedelta(seconds=self.lost_after_s)
        kept = self._starting | self._ending
        listed = self.list_kernels()  # type: ignore[no-untyped-call]
        alone = [model for model in listed if model["id"] not in kept and not model["connections"]]
        spoken = {model["id"]: datetime.fromisoformat(model["last_activity"]) for model in alone}
        return sorted((each for each, at in spoken.items() if at < until), key=spoken.__getitem__)

    @property
    def refusal(self) -> str:
        """Return what a person is told then."""
        return (
            f"You have {self.max_kernels} pages or kernels open, which is as many as one person may have. Close one; "
            "a page that was closed without a word is forgotten after some minutes."
        )

    async def start_kernel(  # type: ignore[override]
        self, *, kernel_id: str | None = None, **settings: Any
    ) -> str:
        """Start a kernel.

        Raises
        ------
        tornado.web.HTTPError
            429, if too many run or are starting.
        """
        if kernel_id is not None and kernel_id in self:
            return str(await super().start_kernel(kernel_id=kernel_id, **settings))
        if self.is_full:
            raise HTTPError(429, self.refusal)
        lost = self._lost()[:1] if self._n_taken() >= self.max_kernels else []
        kernel_id = kernel_id or self.new_kernel_id(**settings)
        self._starting.add(kernel_id)
        self._ending.update(lost)
        try:
            for each in lost:
                await self.shutdown_kernel(each, now=True)  # type: ignore[no-untyped-call]
            return str(await super().start_kernel(kernel_id=kernel_id, **settings))
        finally:
            self._starting.discard(kernel_id)
            self._ending.difference_update(lost)
