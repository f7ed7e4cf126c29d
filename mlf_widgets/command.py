"""The command `mlf`, started so that it finds this software's own `pipeline` whatever `PYTHONPATH` holds."""

from __future__ import annotations

from importlib import import_module


def main() -> None:
    """Run the command line. It is imported by name, since the widgets themselves use no command."""
    import_module("pipeline.cli").main()
