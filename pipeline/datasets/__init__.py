"""Where a project's images come from: class-named folders, manifests, local or behind any fsspec URL."""
