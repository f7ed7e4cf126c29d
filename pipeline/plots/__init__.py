"""Figures of the reports, each returned with the caption that says what it shows."""
