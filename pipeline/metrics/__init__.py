"""Figures computed from arrays of class indices: no file is touched here."""
