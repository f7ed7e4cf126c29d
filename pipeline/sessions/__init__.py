"""What a widget asks of a project on this machine: annotation, the explorer, evidence, the board."""
