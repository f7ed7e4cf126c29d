"""The chain through each annotator's events, and the number and size of each image's events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.store.chain import Head, linked

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROWS_AT_ONCE = 5_000


def upgrade() -> None:
    """Add the columns and the table, and fill them from the events that are already there."""
    op.add_column("events", sa.Column("chain_position", sa.Integer, nullable=False, server_default="0"))
    op.add_column("events", sa.Column("digest", sa.Text, nullable=False, server_default=""))
    op.add_column("states", sa.Column("n_events", sa.Integer, nullable=False, server_default="0"))
    op.add_column("states", sa.Column("n_bytes", sa.Integer, nullable=False, server_default="0"))
    chains = op.create_table(
        "chains",
        sa.Column("round", sa.Text, primary_key=True),
        sa.Column("annotator", sa.Text, primary_key=True),
        sa.Column("n_events", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    connection = op.get_bind()
    events = sa.Table("events", sa.MetaData(), autoload_with=connection)
    heads: dict[tuple[str, str], Head] = {}
    set_link = events.update().where(events.c.seq == sa.bindparam("b_seq"))
    set_link = set_link.values(chain_position=sa.bindparam("b_position"), digest=sa.bindparam("b_digest"))
    last_seq = 0
    while True:
        query = sa.select(events).where(events.c.seq > last_seq).order_by(events.c.seq).limit(_ROWS_AT_ONCE)
        rows = [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name
        if not rows:
            break
        links = [
            {"b_seq": row["seq"], "b_position": row["chain_position"], "b_digest": row["digest"]}
            for row in linked(rows, heads)
        ]
        connection.execute(set_link, links)
        last_seq = rows[-1]["seq"]
    if heads:
        kept = [{"round": r, "annotator": a, "n_events": h.n_events, "digest": h.digest} for (r, a), h in heads.items()]
        connection.execute(chains.insert(), kept)
    connection.execute(sa.text(_COUNTS))


_COUNTS = """
UPDATE states SET (n_events, n_bytes) = (
  SELECT count(*), coalesce(sum(length(e.payload) + length(e.shown)), 0) FROM events e
  WHERE e.round = states.round AND e.annotator = states.annotator AND e.image_index = states.image_index
)
"""


def downgrade() -> None:
    """Drop what the upgrade added."""
    op.drop_table("chains")
    for table, column in (("states", "n_bytes"), ("states", "n_events"), ("events", "digest")):
        op.drop_column(table, column)
    op.drop_column("events", "chain_position")
