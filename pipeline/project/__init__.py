"""One project is one folder: its settings, tables, label space, files and results; light enough for a kernel."""

from pipeline.project.folder import Project, open_project

__all__ = ["Project", "open_project"]
