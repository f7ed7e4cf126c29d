"""Stages that are notebooks: run with parameters by papermill, kept in the project with their run record and HTML."""

from pipeline.runs.notebook_files import REPORT_STAGES, STAGE_NOTEBOOKS
from pipeline.runs.run import StageError, StageRun, run_stage

__all__ = ["REPORT_STAGES", "STAGE_NOTEBOOKS", "StageError", "StageRun", "run_stage"]
