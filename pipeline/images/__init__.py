"""Reading pictures, upright and within bounds of memory: one answer for the annotator and for the model."""

from pipeline.images.decoding import DisplayJpeg, check_header, display_jpeg, read_display, read_image

__all__ = ["DisplayJpeg", "check_header", "display_jpeg", "read_display", "read_image"]
