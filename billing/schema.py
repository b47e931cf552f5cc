"""The ledger's tables. The columns of ``entries`` are the fields of ``ledger.Entry``, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, NoneType, UnionType
from typing import Any, get_args, get_type_hints

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from billing.ledger import Entry
from providers.usage import BUCKETS

# The migration that makes the tables below; `tests` hold it against the migrations' own head.
HEAD = "0005"

# What a rollup is by; `user` and `tags` are "" but in fine grains.
WIDE = (
    "key", "team", "label", "provider", "model", "model_asked", "operator", "place", "purpose",
    "wire", "plan", "policy_hash",
)  # fmt: skip
FINE = ("user", "tags")
DIMENSIONS = (*WIDE, *FINE)
# What a rollup is of, each by its number: how many seconds, and whether it knows what is `FINE`.
# Every grain by itself holds everything.
DAY_S, HOUR_S, QUARTER_S = 86_400, 3_600, 900
DAYS, HOURS, QUARTERS, FINE_DAYS = 1, 2, 3, 4
GRAINS: Mapping[int, tuple[int, bool]] = MappingProxyType(
    {
        DAYS: (DAY_S, False),
        HOURS: (HOUR_S, False),
        QUARTERS: (QUARTER_S, True),
        FINE_DAYS: (DAY_S, True),
    }
)
# What a rollup counts; `entries` has corrections too.
COUNTS = (
    "entries", "attempts", "requests", "failed", "unsent", "unknown", "unbounded", "estimated",
    "missing", "stated", "moves", "cache_lost_unknown", "total_ms", "energy_j",
)  # fmt: skip
# What it sums, each in two columns, `_high` and `_low`: sums can pass 2**63, and so can what a
# host claims. The sum is high * PART + low.
SUMS = (*BUCKETS, "searches", "cache_lost_tokens", "cost", "least", "most", "cache_lost")
PART = 10**9
FIGURES = (*COUNTS, *(f"{name}_{part}" for name in SUMS for part in ("high", "low")))

_TYPES: dict[type, type[TypeEngine[Any]]] = {str: Text, int: BigInteger, bool: Boolean}


def _column(name: str, hint: Any) -> Column[Any]:
    nullable = isinstance(hint, UnionType)
    plain = next(t for t in get_args(hint) if t is not NoneType) if nullable else hint
    return Column(name, _TYPES[plain](), nullable=nullable)


def _numbers(*names: str) -> list[Column[Any]]:
    return [Column(name, BigInteger, nullable=False, autoincrement=False) for name in names]


def _texts(*names: str) -> list[Column[Any]]:
    return [Column(name, Text, nullable=False) for name in names]


metadata = MetaData()
# One index serves both what every reading needs, a range of time, and that an entry counts once.
entries = Table(
    "entries",
    metadata,
    *(_column(name, hint) for name, hint in get_type_hints(Entry).items()),
    PrimaryKeyConstraint("at_us", "attempt_id", name="entries_by_time"),
    postgresql_partition_by="RANGE (at_us)",
)
# What rollups are by. The id is made of the rest (`rollups.slice_id`), so that no writer asks.
slices = Table(
    "slices",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *_texts(*DIMENSIONS),
)
# The sums of the entries of a slice whose attempts began in the grain's time from `at` (seconds
# since 1970, UTC).
rollups = Table(
    "rollups",
    metadata,
    *_numbers("grain", "at", "slice", *FIGURES),
    PrimaryKeyConstraint("grain", "at", "slice", name="rollups_by_time"),
    sqlite_with_rowid=False,
    # A row is written again twice a second while its time lasts: room for that beside it.
    postgresql_with={"fillfactor": 70},
)
# How many attempts of an hour or a day (`HOURS`, `DAYS`) took how long; a bucket is a quarter of
# a doubling.
latencies = Table(
    "latencies",
    metadata,
    *_numbers("grain", "at"),
    *_texts("provider", "model", "what"),
    *_numbers("bucket", "n"),
    PrimaryKeyConstraint(
        "grain", "at", "provider", "model", "what", "bucket", name="latencies_by_time"
    ),
    sqlite_with_rowid=False,
)
# How far each writer's chain of a day has come here (`billing.chain`).
heads = Table(
    "heads",
    metadata,
    *_texts("day", "writer"),
    *_numbers("seq"),
    *_texts("hash"),
    PrimaryKeyConstraint("day", "writer", name="heads_by_day"),
)
# What a database has to remember of itself: how far old entries are summed, a file's own mark.
marks = Table("marks", metadata, Column("name", Text, primary_key=True), *_texts("value"))
# The months whose entries were removed, and where they are now. `part` is the mark of the file or
# the name of the partition.
rolled_off = Table(
    "rolled_off",
    metadata,
    Column("part", Text, primary_key=True),
    *_texts("month", "archive"),
    *_numbers("entries", "at_us"),
)

# Alembic's own, by which a database's form is known.
_form = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create(connection: Connection) -> None:
    """Make everything in a database that has nothing of it, as all migrations together would."""
    metadata.create_all(connection, checkfirst=False)
    _form.create(connection, checkfirst=False)
    connection.execute(_form.insert().values(version_num=HEAD))
