"""Drawings of everyday objects, by theme."""

from pipeline.toybox.objects import clothing, electronics, food, furniture, kitchen, play, tools
from pipeline.toybox.objects.registry import ToyClass, drawn_in

#: Every class, in index order.
TOY_CLASSES = drawn_in(kitchen, electronics, play, clothing, food, furniture, tools)

__all__ = ["TOY_CLASSES", "ToyClass"]
