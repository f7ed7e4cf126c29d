"""An embedded data set that the project draws itself: everyday objects, alone and in scenes.

It is ImageNet in miniature: scenes of several objects that get only one label each, and models trained to name single
objects. The full truth is kept apart.
"""

from pipeline.toybox.checkpoints import toybox_checkpoint
from pipeline.toybox.dataset import ToyboxPaths, open_toybox, read_truth, write_toybox

__all__ = ["ToyboxPaths", "open_toybox", "read_truth", "toybox_checkpoint", "write_toybox"]
