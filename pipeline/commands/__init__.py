"""The `mlf` commands, one module each: they take options, call the rooms below, and print."""
