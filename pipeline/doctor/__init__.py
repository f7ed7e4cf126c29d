"""Looking over a machine and a project: what is there, what is missing, and how to mend it (`mlf doctor`)."""

from pipeline.doctor.finding import Finding, State
from pipeline.doctor.machine import look_at_machine
from pipeline.doctor.project import look_at_project

__all__ = ["Finding", "State", "look_at_machine", "look_at_project"]
