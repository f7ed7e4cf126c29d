"""Read pictures upright, in sRGB and within memory limits, the same for people and models. Nothing is written."""

from pipeline.images.decoding import check_header, read_as_timm, read_image
from pipeline.images.display import DisplayJpeg, display_jpeg, read_display

__all__ = ["DisplayJpeg", "check_header", "display_jpeg", "read_as_timm", "read_display", "read_image"]
