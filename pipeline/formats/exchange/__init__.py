"""Work that comes from other tools and goes to them: one small table between, and a file for each format."""
