"""A stage on a project: propose, assign, analyze, select, settle, evaluate, status."""
