"""Many rows for PostgreSQL as one value: a parameter for each field costs ten times as much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)


def json_of(rows: Sequence[Any]) -> str:
    """Return rows, each with the names of its columns, as the parameter ``rows``."""
    return msgspec.json.encode(rows).decode()


def from_json(into: Table) -> tuple[list[str], Select[Any]]:
    """Return a table's columns, and the query that reads them from the parameter ``rows``."""
    names = [each.name for each in into.columns]
    rows = func.json_populate_recordset(
        literal_column(f"NULL::{into.name}"), cast(bindparam("rows", type_=Text), JSON)
    ).table_valued(*(column(each.name, each.type) for each in into.columns))
    return names, select(*(rows.c[name] for name in names))
