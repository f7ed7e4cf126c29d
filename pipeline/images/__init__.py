"""Reading pictures, upright, in sRGB and within bounds of memory, one answer for people and models; writes nothing."""

from pipeline.images.decoding import check_header, read_as_timm, read_image
from pipeline.images.display import DisplayJpeg, display_jpeg, read_display

__all__ = ["DisplayJpeg", "check_header", "display_jpeg", "read_as_timm", "read_display", "read_image"]
