"""Settling disputed images: what refiners see, and the refined labels that come of it."""
