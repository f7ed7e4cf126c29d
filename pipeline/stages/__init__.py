"""Each stage on a project, from proposing to evaluating: reads and writes its tables, its results and its store."""
