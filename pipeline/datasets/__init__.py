"""Where images come from: class-named folders, manifests, any fsspec URL; reads them, writes a new project's tables."""
