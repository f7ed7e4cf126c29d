"""Each stage run on a project, from proposing to evaluating: reads and writes its tables, results and store."""
