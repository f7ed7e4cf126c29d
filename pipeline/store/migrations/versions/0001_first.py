"""The first schema: annotators, tasks, the event log, derived states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "annotators",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False, server_default="human"),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("created", sa.Text, nullable=False),
    )
    op.create_table(
        "tasks",
        sa.Column("round", sa.Text, primary_key=True),
        sa.Column("annotator", sa.Text, sa.ForeignKey("annotators.name"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("image_index", sa.Integer, nullable=False),
        sa.Column("is_gold", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_decided", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("has_unsure", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("has_comment", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("round", "annotator", "image_index", name="uq_tasks_image"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tasks_decided", "tasks", ["round", "annotator", "is_decided", "position"])
    op.create_index("ix_tasks_unsure", "tasks", ["round", "annotator", "has_unsure", "position"])
    op.create_index("ix_tasks_comment", "tasks", ["round", "annotator", "has_comment", "position"])
    op.create_index("ix_tasks_image", "tasks", ["round", "image_index"])
    op.create_table(
        "events",
        sa.Column("seq", _Sequence, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("round", sa.Text, nullable=False),
        sa.Column("annotator", sa.Text, sa.ForeignKey("annotators.name"), nullable=False),
        sa.Column("image_index", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("active_ms", sa.Integer, nullable=False),
        sa.Column("proposal_order", sa.Text, nullable=False),
        sa.Column("client_time", sa.Text, nullable=False),
        sa.Column("server_time", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_image", "events", ["round", "annotator", "image_index", "seq"])
    op.create_index("ix_events_seq", "events", ["round", "annotator", "seq"])
    op.create_table(
        "states",
        sa.Column("round", sa.Text, primary_key=True),
        sa.Column("annotator", sa.Text, primary_key=True),
        sa.Column("image_index", sa.Integer, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("last_seq", _Sequence, nullable=False),
    )
