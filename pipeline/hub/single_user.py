"""A session's server, `python -m pipeline.hub.single_user`: JupyterHub's own, started in half the time."""

from __future__ import annotations

import sys


def main() -> None:
    """Start the server; arguments are those of `jupyterhub-singleuser`."""
    # jsonschema imports this if it is installed, to check the format `iri`, which none of Jupyter's schemas uses.
    # Building its grammar takes over a second of processor time at every start: half of what the server needs in all.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # importing it now fails as if it were missing
    from jupyterhub.singleuser import main as run_server

    run_server()


if __name__ == "__main__":
    main()
