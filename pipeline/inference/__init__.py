"""Running `timm` models over a project's images; the only package that imports torch."""
