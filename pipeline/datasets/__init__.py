"""Read images from class-named folders, manifests, shards or any fsspec URL, and write a new project's tables."""
