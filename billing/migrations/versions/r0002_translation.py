"""What translation does to a call: the wire the host was asked on, what was left out, what done."""

import sqlalchemy as sa
from alembic import op

from billing.migrations.kept import put_aside, put_back

revision = "0002"
down_revision = "0001"

ADDED = ("host_wire", "lost", "notes")


def upgrade() -> None:
    """Add the columns; entries from before were all relayed, and say so by an empty text."""
    for name in ADDED:
        op.add_column("entries", sa.Column(name, sa.Text, nullable=False, server_default=""))
    put_back(revision, ADDED)


def downgrade() -> None:
    """Take the columns out again; their values are kept aside."""
    put_aside(revision, ADDED)
