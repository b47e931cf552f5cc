"""The ledger's table. Its columns are the fields of ``ledger.Entry``, by name."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from billing.ledger import Entry

# The migration that makes the tables below; `tests` hold it against the migrations' own head.
HEAD = "0003"

_TYPES: dict[type, type[TypeEngine[Any]]] = {str: Text, int: BigInteger, bool: Boolean}


def _column(name: str, hint: Any) -> Column[Any]:
    nullable = isinstance(hint, UnionType)
    plain = next(t for t in get_args(hint) if t is not NoneType) if nullable else hint
    return Column(name, _TYPES[plain](), nullable=nullable, primary_key=name == "attempt_id")


metadata = MetaData()
entries = Table(
    "entries", metadata, *(_column(name, hint) for name, hint in get_type_hints(Entry).items())
)
# Ranges of time are what every report reads; a key's and a team's budget sum theirs alone.
Index("ix_entries_at_us", entries.c.at_us)
Index("ix_entries_key_at_us", entries.c.key, entries.c.at_us)
Index("ix_entries_team_at_us", entries.c.team, entries.c.at_us)
