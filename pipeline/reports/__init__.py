"""What the stage notebooks show: figures with captions, tables, thumbnails, all of it escaped."""
