"""The widgets that people see and touch in a notebook, and how to open one."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlf_widgets.own_package import use_own_pipeline

# Before anything else: the imports below need `pipeline`, a name that many researchers' own files have, too.
use_own_pipeline()

if TYPE_CHECKING:
    from mlf_widgets.annotator import Annotator
    from mlf_widgets.explorer import Explorer
    from mlf_widgets.grid import Grid
    from mlf_widgets.opening import open_annotator, open_explorer, open_grid, open_refiner, open_session
    from mlf_widgets.refiner import Refiner

__all__ = [
    "Annotator",
    "Explorer",
    "Grid",
    "Refiner",
    "open_annotator",
    "open_explorer",
    "open_grid",
    "open_refiner",
    "open_session",
]

#: The module of each widget above (`opening` holds the rest), loaded only on demand: the command line needs none.
_MODULES = {"Annotator": "annotator", "Explorer": "explorer", "Grid": "grid", "Refiner": "refiner"}
#: Notebooks that were copied into people's folders still use these old names.
_OLD_NAMES = {"Browser": "Explorer", "open_browser": "open_explorer"}

if not TYPE_CHECKING:  # a module that answers to any name would hide a wrong one from the type checker

    def __getattr__(name: str) -> Any:
        if name in __all__:
            return getattr(import_module(f"mlf_widgets.{_MODULES.get(name, 'opening')}"), name)
        if name not in _OLD_NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(f"mlf_widgets.{name} is now mlf_widgets.{_OLD_NAMES[name]}", FutureWarning, stacklevel=2)
        return __getattr__(_OLD_NAMES[name])
