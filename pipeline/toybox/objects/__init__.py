"""Drawings of everyday objects, by theme."""

from pipeline.toybox.objects import clothing, electronics, food, furniture, kitchen, play, tools
from pipeline.toybox.objects.registry import ToyClass

#: Every class, in index order.
TOY_CLASSES: tuple[ToyClass, ...] = (
    *kitchen.CLASSES,
    *electronics.CLASSES,
    *play.CLASSES,
    *clothing.CLASSES,
    *food.CLASSES,
    *furniture.CLASSES,
    *tools.CLASSES,
)

__all__ = ["TOY_CLASSES", "ToyClass"]
