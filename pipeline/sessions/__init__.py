"""What a widget asks of a project on this machine: reads its tables, and writes people's events to its store."""
