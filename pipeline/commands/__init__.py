"""The `mlf` commands, one module each."""
