"""Running `timm` models over a project's images into its `predictions/`; only this room and the toybox import torch."""
