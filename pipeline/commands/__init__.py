"""The `mlf` commands, one module per command: each takes options, calls the packages below, and prints."""
