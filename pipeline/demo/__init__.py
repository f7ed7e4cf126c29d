"""The whole method on the toybox, with simulated annotators, compared with the truth that the toybox keeps."""
