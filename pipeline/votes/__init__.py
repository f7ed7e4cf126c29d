"""Votes as arrays, and how far they agree: pure."""
