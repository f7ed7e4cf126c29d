"""The tables of the store. A change here needs a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

#: SQLite numbers the rows of an integer primary key by itself only if the column has this exact type.
_Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")

#: Who works on the project. `kind` tells people from programs (`human`, `simulated`); inactive people keep their votes.
annotators = sa.Table(
    "annotators",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False, server_default="human"),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created", sa.Text, nullable=False),
)

#: One image offered to one annotator in one round. The last three columns follow from the events (see `states`).
tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("round", sa.Text, primary_key=True),
    sa.Column("annotator", sa.Text, sa.ForeignKey("annotators.name"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("image_index", sa.Integer, nullable=False),
    sa.Column("is_gold", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("is_decided", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("has_unsure", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("has_comment", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("round", "annotator", "image_index", name="uq_tasks_image"),
    sa.Index("ix_tasks_decided", "round", "annotator", "is_decided", "position"),
    sa.Index("ix_tasks_unsure", "round", "annotator", "has_unsure", "position"),
    sa.Index("ix_tasks_comment", "round", "annotator", "has_comment", "position"),
    sa.Index("ix_tasks_image", "round", "image_index"),
    sqlite_with_rowid=False,
)

#: The log: the only truth. Rows are added, but never changed or removed.
events = sa.Table(
    "events",
    metadata,
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
    sa.Column("chain_position", sa.Integer, nullable=False, server_default="0"),
    sa.Column("digest", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_events_image", "round", "annotator", "image_index", "seq"),
    sa.Index("ix_events_seq", "round", "annotator", "seq"),
    sqlite_autoincrement=True,
)

#: Where the chain of each annotator's events in a round ends (see `chain.py`): their number and the last digest.
chains = sa.Table(
    "chains",
    metadata,
    sa.Column("round", sa.Text, primary_key=True),
    sa.Column("annotator", sa.Text, primary_key=True),
    sa.Column("n_events", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
)

#: What the events of one annotator on one image amount to; can be rebuilt from the log at any time.
states = sa.Table(
    "states",
    metadata,
    sa.Column("round", sa.Text, primary_key=True),
    sa.Column("annotator", sa.Text, primary_key=True),
    sa.Column("image_index", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("last_seq", _Sequence, nullable=False),
    sa.Column("n_events", sa.Integer, nullable=False, server_default="0"),
    sa.Column("n_bytes", sa.Integer, nullable=False, server_default="0"),
)
