"""Every cent: users, tiers, bounds of what was estimated, native money, corrections, the chain."""

import sqlalchemy as sa
from alembic import op

from billing.migrations.kept import put_aside, put_back

revision = "0004"
down_revision = "0003"

TEXTS = ("user", "tier", "plan", "tokenizer", "corrects", "writer", "hash")
NUMBERS = ("image_input", "image_output", "searches", "recorded_us", "seq")
UNKNOWABLE = (
    "tokens_in_least",
    "tokens_in_most",
    "tokens_out_least",
    "tokens_out_most",
    "native_pico",
    "computed_pico",
    "cost_least_pico",
    "cost_most_pico",
    "energy_j",
)


def upgrade() -> None:
    """Add the columns; of entries from before nothing of it is known."""
    for name in TEXTS:
        op.add_column("entries", sa.Column(name, sa.Text, nullable=False, server_default=""))
    for name in NUMBERS:
        op.add_column("entries", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    for name in UNKNOWABLE:
        op.add_column("entries", sa.Column(name, sa.BigInteger, nullable=True))
    put_back(revision, (*TEXTS, *NUMBERS, *UNKNOWABLE))


def downgrade() -> None:
    """Take the columns out again; their values are kept aside."""
    put_aside(revision, (*TEXTS, *NUMBERS, *UNKNOWABLE))
