"""An embedded data set that the project draws itself: everyday objects, alone and in scenes.

This is ImageNet's story in miniature: scenes of several objects, of which each is given one label only, and a model
that was trained to name single objects. The full truth is kept aside.
"""

from pipeline.toybox.checkpoints import toybox_checkpoint
from pipeline.toybox.dataset import ToyboxPaths, open_toybox, read_truth, write_toybox

__all__ = ["ToyboxPaths", "open_toybox", "read_truth", "toybox_checkpoint", "write_toybox"]
