"""Read images from class-named folders, manifests or any fsspec URL, and write a new project's tables."""
