"""The Hub's proxy, with routes to sockets."""

from __future__ import annotations

from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy
from traitlets import validate


class SocketProxy(ConfigurableHTTPProxy):  # type: ignore[misc]
    """JupyterHub's default proxy; `extra_routes` may lead to sockets too, as the routes of servers already may."""

    @validate("extra_routes")
    def _validate_extra_routes(self, proposal: Any) -> dict[str, str]:
        # JupyterHub's own check of this setting refuses `http+unix`, which the proxy accepts.
        return dict(proposal.value)

    async def restore_routes(self) -> None:
        """Give all routes to a proxy that was started again; JupyterHub itself adds extra ones only minutes later."""
        await super().restore_routes()
        for routespec, url in self.extra_routes.items():
            await self.add_route(routespec, url, {"extra": True})
