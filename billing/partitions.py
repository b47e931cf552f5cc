"""PostgreSQL's partitions of ``entries``: one a month of UTC, and what an upgrade found there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, text

from billing.months import bounds_of

OLD = "entries_old"
_BOUND = re.compile(r"FROM \((?:'?(-?\d+)'?|MINVALUE)\) TO \('?(-?\d+)'?\)")
_LISTED = text(
    "SELECT part.relname AS name, pg_get_expr(part.relpartbound, part.oid) AS bound"
    " FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid"
    " WHERE inhparent = to_regclass('entries')"
)


@dataclass(frozen=True, slots=True)
class Partition:
    """A table that has the entries from ``since_us`` to before ``until_us``."""

    name: str
    since_us: int
    until_us: int


def name_of(month: str) -> str:
    """Return the name of a month's partition."""
    return f"entries_{month.replace('-', '_')}"


def listed(connection: Connection) -> list[Partition]:
    """Return all partitions, oldest first."""
    found = []
    for name, bound in connection.execute(_LISTED):
        match = _BOUND.search(bound or "")
        if match is not None:
            found.append(Partition(name, int(match[1] or 0), int(match[2])))
    return sorted(found, key=lambda part: part.since_us)


def make(connection: Connection, month: str) -> None:
    """Make a month's partition where no other has that month.

    It is made beside and then attached, for which nobody has to wait who reads or writes others.
    """
    since_us, until_us = bounds_of(month)
    if any(part.since_us <= since_us < part.until_us for part in listed(connection)):
        return
    name = name_of(month)
    for statement in (
        f"CREATE TABLE {name} (LIKE entries INCLUDING DEFAULTS)",
        f"ALTER TABLE {name} ADD PRIMARY KEY (at_us, attempt_id)",
        f"ALTER TABLE entries ATTACH PARTITION {name} FOR VALUES FROM ({since_us}) TO ({until_us})",
    ):
        connection.execute(text(statement))
