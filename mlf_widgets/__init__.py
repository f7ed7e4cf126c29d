"""The widgets that people see and touch in a notebook, and how to open one."""

from mlf_widgets.annotator import Annotator
from mlf_widgets.opening import open_annotator, open_session

__all__ = ["Annotator", "open_annotator", "open_session"]
