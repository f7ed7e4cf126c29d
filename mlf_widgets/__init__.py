"""The widgets that people see and touch in a notebook, and how to open one."""

from mlf_widgets.annotator import Annotator
from mlf_widgets.grid import Grid
from mlf_widgets.opening import open_annotator, open_grid, open_session

__all__ = ["Annotator", "Grid", "open_annotator", "open_grid", "open_session"]
