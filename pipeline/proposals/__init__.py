"""Stage 1: which classes are offered for each image."""
