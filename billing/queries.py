"""What every reading of the ledger has in common: a range of time, and one way to ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_
from sqlalchemy.exc import SQLAlchemyError

from billing.schema import entries as table
from billing.store import Store, StoreError


def within(since: datetime | None, until: datetime | None) -> ColumnElement[bool]:
    """Return the condition that an attempt began from ``since`` to before ``until``; None: any.

    Raises ``ValueError`` for a moment without a time zone.
    """
    # One lower bound: of two SQLite looks the first one up in its index, and reads on from there.
    begin = max(0, microseconds(since)) if since is not None else 0
    bounds: list[ColumnElement[bool]] = [table.c.at_us >= begin]
    if until is not None:
        bounds.append(table.c.at_us < microseconds(until))
    return and_(*bounds)


def microseconds(when: datetime) -> int:
    """Return microseconds since 1970, exactly. Raises ``ValueError`` without a time zone."""
    if when.tzinfo is None:
        raise ValueError(f"{when} has no time zone")
    past = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def rows(engine: Engine, query: Select[Any]) -> Sequence[Row[Any]]:
    """Return all rows of ``query``. Raises ``StoreError``."""
    try:
        with engine.connect() as connection:
            return connection.execute(query).all()
    except SQLAlchemyError as fault:
        raise StoreError(f"the ledger cannot be read: {fault.__cause__ or fault}") from fault


def each(
    store: Store, query: Select[Any], since: datetime | None, until: datetime | None
) -> Iterator[Row[Any]]:
    """Give the rows of ``query`` from every part of the ledger that holds some of a time.

    ``Store.parts`` says which come first; a sum has to be added up over them. Raises
    ``StoreError``.
    """
    for engine in store.parts(since, until):
        yield from rows(engine, query)
