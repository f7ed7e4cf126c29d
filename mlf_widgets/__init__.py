"""Multilabelfy in Python: a project's tables as data frames, and the widgets that people see and touch in a notebook.

>>> from mlf_widgets import open_project
>>> labels = open_project("birds").refined_labels()  # doctest: +SKIP

The names below are stable; other modules may change between versions.
"""

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
    from mlf_widgets.project import OpenProject, open_project
    from mlf_widgets.refiner import Refiner

__all__ = [
    "Annotator",
    "Explorer",
    "Grid",
    "OpenProject",
    "Refiner",
    "open_annotator",
    "open_explorer",
    "open_grid",
    "open_project",
    "open_refiner",
    "open_session",
]

#: The module of each name above (`opening` holds the rest), loaded only on demand: the command line needs none.
_MODULES = {
    "Annotator": "annotator",
    "Explorer": "explorer",
    "Grid": "grid",
    "OpenProject": "project",
    "Refiner": "refiner",
    "open_project": "project",
}

if not TYPE_CHECKING:  # a module that answers to any name would hide a wrong one from the type checker

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"mlf_widgets.{_MODULES.get(name, 'opening')}"), name)

    def __dir__() -> list[str]:  # what a notebook offers when somebody presses Tab
        return sorted({*globals(), *__all__})
