"""Who annotates what: pure functions on arrays, and the one module that carries them to a project's store."""

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
