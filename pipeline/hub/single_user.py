"""A session's server, `python -m pipeline.hub.single_user`: JupyterHub's own, started in half the time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

#: The Hub's own database and pages. No server has either, but JupyterHub imports them there for the names of two
#: classes, which takes two fifths of a server's start and a third of its memory.
_OF_THE_HUB_ALONE = (
    "jupyterhub.orm",
    "jupyterhub.handlers",
    "jupyterhub.handlers.pages",
    "sqlalchemy",
    "sqlalchemy.exc",
)


class _StandIn(ModuleType):
    """A module in which every name is a class of which there is no instance."""

    __path__ = []  # noqa: RUF012 - whose parts are stand-ins, too

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def server_main() -> Callable[[], Any]:
    """Return JupyterHub's main function for servers, imported without what the Hub alone needs."""
    # jsonschema imports this if it is installed, to check the format `iri`, which none of Jupyter's schemas uses.
    # Building its grammar takes over a second of processor time.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # importing it now fails as if it were missing
    before = set(sys.modules)
    try:
        with _stand_ins():
            from jupyterhub.singleuser import main
    except Exception:  # noqa: BLE001 - a JupyterHub that needs more of it: then all of it, as it comes
        for name in set(sys.modules) - before:
            del sys.modules[name]
        from jupyterhub.singleuser import main
    return main  # type: ignore[no-any-return]


@contextmanager
def _stand_ins() -> Iterator[None]:
    import jupyterhub

    for name in _OF_THE_HUB_ALONE:
        sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:  # whoever imports one of these later gets the real one
        for name in _OF_THE_HUB_ALONE:
            del sys.modules[name]
            vars(jupyterhub).pop(name.removeprefix("jupyterhub."), None)


if __name__ == "__main__":
    server_main()()
