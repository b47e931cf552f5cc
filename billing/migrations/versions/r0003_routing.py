"""How a call was routed: why it was made, how its routes were chosen, what a move of it lost."""

import sqlalchemy as sa
from alembic import op

from billing.migrations.kept import put_aside, put_back

revision = "0003"
down_revision = "0002"

TEXTS = ("purpose", "needs", "decision", "moved_from", "verdict")
NUMBERS = ("prompt_most", "cache_lost_tokens")
UNKNOWABLE = ("output_most", "cache_lost_pico")


def upgrade() -> None:
    """Add the columns; entries from before were calls of clients, and nothing else is known."""
    for name in TEXTS:
        default = "call" if name == "purpose" else ""
        column = sa.Column(name, sa.Text, nullable=False, server_default=default)
        op.add_column("entries", column)
    for name in NUMBERS:
        op.add_column("entries", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    for name in UNKNOWABLE:
        op.add_column("entries", sa.Column(name, sa.BigInteger, nullable=True))
    put_back(revision, (*TEXTS, *NUMBERS, *UNKNOWABLE))


def downgrade() -> None:
    """Take the columns out again; their values are kept aside."""
    put_aside(revision, (*TEXTS, *NUMBERS, *UNKNOWABLE))
