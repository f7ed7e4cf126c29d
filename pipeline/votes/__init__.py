"""Votes as arrays, the words they are made of, and how far they agree: pure."""
