"""The first form: one row an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXTS = [
    "key",
    "team",
    "label",
    "tags",
    "session",
    "wire",
    "lane",
    "model_asked",
    "provider",
    "model",
    "host",
    "endpoint",
    "operator",
    "place",
    "policy_hash",
    "config_hash",
    "outcome",
    "error",
    "finish",
    "usage_state",
    "cost_state",
    "currency",
    "rate",
    "prices",
    "price_source",
    "price_date",
    "served_model",
]
NUMBERS = [
    "attempt",
    "at_us",
    "status",
    "input",
    "cache_read",
    "cache_write",
    "cache_write_long",
    "audio_input",
    "output",
    "reasoning",
    "audio_output",
    "total_ms",
]


def upgrade() -> None:
    """Make the table and its indexes."""
    op.create_table(
        "entries",
        sa.Column("attempt_id", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in NUMBERS),
        *(sa.Column(name, sa.Text, nullable=False) for name in TEXTS),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("reconciled", sa.Boolean, nullable=False),
        sa.Column("cost_pico", sa.BigInteger, nullable=True),
        sa.Column("first_content_ms", sa.BigInteger, nullable=True),
    )
    op.create_index("ix_entries_at_us", "entries", ["at_us"])
    op.create_index("ix_entries_key_at_us", "entries", ["key", "at_us"])
    op.create_index("ix_entries_team_at_us", "entries", ["team", "at_us"])
