"""Finding this software's own package `pipeline`, even where a researcher's own file has that very common name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


def use_own_pipeline() -> None:
    """Make `pipeline` the package that lies beside this one, whatever `pipeline.py` or `pipeline/` comes before it.

    Raise `ImportError` if another `pipeline` has been imported already; the message names its file.
    """
    own = Path(__file__).resolve().parents[1] / "pipeline" / "__init__.py"
    loaded = sys.modules.get("pipeline")
    if loaded is not None:
        file = getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", ())), "another pipeline")
        if Path(file).resolve() != own:
            raise ImportError(
                f"{file} has the name of multilabelfy's own package `pipeline` and was imported first: start a new "
                "kernel and import mlf_widgets before it, or rename it"
            )
        return
    found = find_spec("pipeline")
    if found is not None and found.origin and Path(found.origin).resolve() == own:
        return
    spec = spec_from_file_location("pipeline", own, submodule_search_locations=[str(own.parent)])
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["pipeline"] = module
    spec.loader.exec_module(module)
    hidden = found and (found.origin or next(iter(found.submodule_search_locations or ()), ""))
    if hidden:
        vars(module)["__getattr__"] = _said_of(hidden)


def _said_of(hidden: str) -> Callable[[str], Any]:
    def absent(name: str) -> Any:
        raise AttributeError(f"multilabelfy's `pipeline` has no {name!r}; {hidden} has the same name: rename it")

    return absent
