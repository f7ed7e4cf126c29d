"""The store of human work: an append-only log of events in SQLite or PostgreSQL. Only this room touches it."""

from pipeline.store.pending import open_project_store
from pipeline.store.sql_store import SqlStore, VoteRow, open_store
from pipeline.store.task_lists import Assignment, TaskRow

__all__ = ["Assignment", "SqlStore", "TaskRow", "VoteRow", "open_project_store", "open_store"]
