"""Metrics of models and of label sets: arrays in, figures out; no file is touched here."""
