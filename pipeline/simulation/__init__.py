"""Simulated annotators: programs that work through real sessions, erring at set rates, and always named as such."""

from pipeline.simulation.annotator import SimulatedAnnotator
from pipeline.simulation.behaviour import Behaviour
from pipeline.simulation.toybox_truth import confusable_classes, toybox_truth

__all__ = ["Behaviour", "SimulatedAnnotator", "confusable_classes", "toybox_truth"]
