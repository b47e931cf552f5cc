"""Months and sums: entries by month, and what they add up to beside them.

An upgrade moves no entry. What SQLite's file has stays in it, and newer months get files of their
own; PostgreSQL's table becomes the first partition (``migrate`` has made its index and its check
before, for which nobody had to wait). Sums of entries that are there come after
(``billing.backfill``).
"""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

DIMENSIONS = (
    "key", "team", "label", "provider", "model", "model_asked", "operator", "place", "purpose",
    "wire", "plan", "policy_hash", "user", "tags",
)  # fmt: skip
COUNTS = (
    "entries", "attempts", "requests", "failed", "unsent", "unknown", "unbounded", "estimated",
    "missing", "stated", "moves", "cache_lost_unknown", "total_ms", "energy_j",
)  # fmt: skip
SUMS = (
    "input", "cache_read", "cache_write", "cache_write_long", "audio_input", "image_input",
    "output", "reasoning", "audio_output", "image_output", "searches", "cache_lost_tokens",
    "cost", "least", "most", "cache_lost",
)  # fmt: skip
OLD_INDEXES = (
    ("ix_entries_at_us", "at_us"),
    ("ix_entries_key_at_us", "key", "at_us"),
    ("ix_entries_team_at_us", "team", "at_us"),
)
# PostgreSQL's table from before, as ``migrate`` has prepared it.
OLD, CHECK, INDEX = "entries_old", "entries_old_until", "entries_old_by_time"
NEW = "entries_new"


def upgrade() -> None:
    """Make the tables; entries are split where that moves none."""
    bind = op.get_bind()
    if not sa.inspect(bind).has_table("rollups"):  # else they were kept by a step down
        _make_sums()
    op.create_table("marks", sa.Column("name", sa.Text, primary_key=True), *_texts("value"))
    empty = bind.execute(sa.text("SELECT 1 FROM entries LIMIT 1")).first() is None
    if bind.dialect.name == "postgresql":
        _attach(empty)
    elif empty:
        _make_by_time()
    else:  # a new index would take long, and a start waits for it: the one by time is there
        for name, *_ in OLD_INDEXES[1:]:
            op.drop_index(name, "entries")
    if not empty:  # nothing of it is summed
        op.execute("INSERT INTO marks VALUES ('summed_until_us', '0')")


def downgrade() -> None:
    """Put all entries into one table again.

    Sums stay: ``migrate`` has taken out those of entries that are there, which an older version
    would not go on with, and nothing could make anew those of months that were removed.
    """
    op.drop_table("marks")
    bind = op.get_bind()
    columns = [
        sa.Column(
            column["name"],
            column["type"],
            nullable=column["nullable"],
            server_default=sa.text(column["default"]) if column["default"] else None,
        )
        for column in sa.inspect(bind).get_columns("entries")
    ]
    op.rename_table("entries", NEW)
    op.create_table("entries", *columns, sa.PrimaryKeyConstraint("attempt_id"))
    names = [column.name for column in columns]
    new, plain = (sa.table(name, *map(sa.column, names)) for name in (NEW, "entries"))
    op.execute(plain.insert().from_select(names, sa.select(*(new.c[name] for name in names))))
    op.drop_table(NEW)
    for name, *by in OLD_INDEXES:
        op.create_index(name, "entries", by)


def _make_sums() -> None:
    op.create_table(
        "slices",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        *_texts(*DIMENSIONS),
    )
    op.create_table(
        "rollups",
        *_numbers("grain", "at", "slice", *COUNTS),
        *_numbers(*(f"{name}_{part}" for name in SUMS for part in ("high", "low"))),
        sa.PrimaryKeyConstraint("grain", "at", "slice", name="rollups_by_time"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "latencies",
        *_numbers("grain", "at"),
        *_texts("provider", "model", "what"),
        *_numbers("bucket", "n"),
        sa.PrimaryKeyConstraint(
            "grain", "at", "provider", "model", "what", "bucket", name="latencies_by_time"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "heads",
        *_texts("day", "writer"),
        *_numbers("seq"),
        *_texts("hash"),
        sa.PrimaryKeyConstraint("day", "writer", name="heads_by_day"),
    )
    op.create_table(
        "rolled_off",
        sa.Column("part", sa.Text, primary_key=True),
        *_texts("month", "archive"),
        *_numbers("entries", "at_us"),
    )


def _make_by_time() -> None:
    """Give SQLite's table, which is empty, the one index of the new form."""
    columns = sa.inspect(op.get_bind()).get_columns("entries")
    op.drop_table("entries")
    op.create_table(
        "entries",
        *(
            sa.Column(column["name"], column["type"], nullable=column["nullable"])
            for column in columns
        ),
        sa.PrimaryKeyConstraint("at_us", "attempt_id", name="entries_by_time"),
    )


def _attach(empty: bool) -> None:
    """Make ``entries`` partitioned; the table from before is its first partition, as it is."""
    for name, *_ in OLD_INDEXES:
        op.drop_index(name, "entries")
    op.rename_table("entries", OLD)
    op.drop_constraint("entries_pkey", OLD)
    op.execute(f"CREATE TABLE entries (LIKE {OLD} INCLUDING DEFAULTS) PARTITION BY RANGE (at_us)")
    op.create_primary_key("entries_by_time", "entries", ["at_us", "attempt_id"])
    if empty:
        op.drop_table(OLD)
        return
    op.execute(f"ALTER TABLE {OLD} ADD CONSTRAINT {INDEX} PRIMARY KEY USING INDEX {INDEX}")
    bound = _bound()
    op.execute(
        f"ALTER TABLE entries ATTACH PARTITION {OLD} FOR VALUES FROM (MINVALUE) TO ({bound})"
    )
    op.drop_constraint(CHECK, OLD)


def _bound() -> int:
    """Return before what moment all entries are, as their check says."""
    told = op.get_bind().execute(
        sa.text(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = :check AND conrelid = to_regclass(:old)"
        ),
        {"check": CHECK, "old": OLD},
    )
    return int("".join(filter(str.isdecimal, told.scalar_one())))


def _texts(*names: str) -> Iterable[sa.Column[str]]:
    return (sa.Column(name, sa.Text, nullable=False) for name in names)


def _numbers(*names: str) -> Iterable[sa.Column[int]]:
    return (sa.Column(name, sa.BigInteger, nullable=False) for name in names)
