"""Stage 1: which classes are offered for each image and by which method; writes the project's table of proposals."""
