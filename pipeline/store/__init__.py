"""The store of human work: an append-only log of events in SQLite or PostgreSQL. Only this room touches it."""

from pipeline.store.sql_store import Assignment, SqlStore, TaskRow, VoteRow, open_project_store, open_store

__all__ = ["Assignment", "SqlStore", "TaskRow", "VoteRow", "open_project_store", "open_store"]
