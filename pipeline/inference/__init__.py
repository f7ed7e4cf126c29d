"""Running `timm` models over a project's images into its `predictions/`; torch is imported here and by the toybox."""
