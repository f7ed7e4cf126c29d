"""Who annotates what, and the known answers hidden in it: arrays in, plans out; files are read, none is written."""

from pipeline.assignment.changes import Moves, hand_over, share_with, top_up
from pipeline.assignment.design import Plan, assign_images, people_schedule
from pipeline.assignment.refinement import assign_refinement
from pipeline.assignment.tasks import TaskTable

__all__ = [
    "Moves",
    "Plan",
    "TaskTable",
    "assign_images",
    "assign_refinement",
    "hand_over",
    "people_schedule",
    "share_with",
    "top_up",
]
