"""The whole method on the toybox, with simulated annotators, held against the truth that the toybox keeps."""
