"""The widgets that people see and touch in a notebook, and how to open one."""

from mlf_widgets.annotator import Annotator
from mlf_widgets.browser import Browser
from mlf_widgets.grid import Grid
from mlf_widgets.opening import open_annotator, open_browser, open_grid, open_refiner, open_session
from mlf_widgets.refiner import Refiner

__all__ = [
    "Annotator",
    "Browser",
    "Grid",
    "Refiner",
    "open_annotator",
    "open_browser",
    "open_grid",
    "open_refiner",
    "open_session",
]
