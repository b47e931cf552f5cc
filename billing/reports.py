"""What was spent, by whom and where: sums over the ledger, exact, whatever their size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo
from functools import reduce
from operator import add
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, case, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from billing.ledger import Entry
from billing.schema import entries as table
from billing.store import StoreError

By = Literal["provider", "model", "day", "key", "team", "label", "operator"]
GROUPS: tuple[str, ...] = get_args(By)

# Every zone's days begin at a whole quarter of an hour in UTC.
QUARTER_US = 15 * 60 * 1_000_000
# Sums are made in two parts: SQLite gives up where a sum passes 2**63.
_PART = 10**9

_TOKENS_IN = ("input", "cache_read", "cache_write", "cache_write_long", "audio_input")
_TOKENS_OUT = ("output", "reasoning", "audio_output")


@dataclass(slots=True)
class SpendRow:
    """One group's sums. ``cost_pico`` (1e-12 dollars) leaves out the ``unknown`` entries' costs.

    ``requests`` are those with an attempt in the group; by day, those whose first attempt in the
    range fell on it, so that days add up. ``tokens_cached`` stand in ``tokens_in`` too. ``unknown``
    counts entries without a known cost, ``estimated`` and ``missing`` entries with such usage.
    """

    group: str
    requests: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost_pico: int = 0
    unknown: int = 0
    estimated: int = 0
    missing: int = 0

    def add(self, other: SpendRow) -> None:
        """Add another row's numbers to this one's."""
        for field in fields(self)[1:]:
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True, slots=True)
class FlowRow:
    """What data of one label went to one operator and place (country codes, or "unknown")."""

    label: str
    operator: str
    place: str
    requests: int
    attempts: int
    tokens_in: int
    tokens_out: int


def spend(
    engine: Engine, by: By, since: datetime | None, until: datetime | None, tz: tzinfo
) -> list[SpendRow]:
    """Return sums from ``since`` to before ``until`` (aware; None is no bound) in groups.

    Days are those of ``tz``, as YYYY-MM-DD, rising, without the empty ones; other groups come
    dearest first. Raises ``StoreError``.
    """
    within = _within(since, until)
    if by == "day":
        return _days(engine, within, tz)
    column = table.c[by]
    rows = _all(engine, _sums(column.label("grouped")).where(within).group_by(column))
    found = [_spend_row(str(row.grouped), row) for row in rows]
    return sorted(found, key=lambda row: (-row.cost_pico, -row.attempts, row.group))


def total(engine: Engine, since: datetime | None, until: datetime | None) -> SpendRow:
    """Return the sums of a whole range, in a row whose group is "". Raises ``StoreError``."""
    (row,) = _all(engine, _sums().where(_within(since, until)))
    return _spend_row("", row)


def spent(engine: Engine, since: datetime, key: str | None = None, team: str | None = None) -> int:
    """Return the known cost, 1e-12 dollars, since a moment, of a key's or a team's or all calls.

    Raises ``StoreError``.
    """
    query = select(*_exact("cost", "cost_pico")).where(_within(since, None))
    if key is not None:
        query = query.where(table.c.key == key)
    if team is not None:
        query = query.where(table.c.team == team)
    (row,) = _all(engine, query)
    return _value(row, "cost")


def last(engine: Engine, n: int, before: str | None = None) -> list[Entry]:
    """Return the ``n`` newest entries, newest first; those older than attempt id ``before``.

    An id that is not there gives nothing. Raises ``StoreError``.
    """
    query = select(table).order_by(table.c.at_us.desc(), table.c.attempt_id.desc()).limit(n)
    if before is not None:
        known = _all(engine, select(table.c.at_us).where(table.c.attempt_id == before))
        if not known:
            return []
        at_us = known[0].at_us
        same = and_(table.c.at_us == at_us, table.c.attempt_id < before)
        query = query.where(or_(table.c.at_us < at_us, same))
    return [Entry(**row._asdict()) for row in _all(engine, query)]


def flows(engine: Engine, since: datetime | None, until: datetime | None) -> list[FlowRow]:
    """Return what label of data went to which operator and place, most tokens first.

    An attempt that found no connection sent nothing, and is left out. Raises ``StoreError``.
    """
    way = (table.c.label, table.c.operator, table.c.place)
    query = _sums(*way).where(_within(since, until), table.c.error != "connect").group_by(*way)
    found = [
        FlowRow(
            row.label,
            row.operator,
            row.place,
            int(row.requests),
            int(row.attempts),
            _value(row, "tokens_in"),
            _value(row, "tokens_out"),
        )
        for row in _all(engine, query)
    ]
    return sorted(found, key=lambda f: (-f.tokens_in - f.tokens_out, f.label, f.operator, f.place))


def _days(engine: Engine, within: ColumnElement[bool], tz: tzinfo) -> list[SpendRow]:
    """Sum quarters of an hour in the database and fold them into days here."""
    quarter = (table.c.at_us // QUARTER_US).label("quarter")
    days: dict[str, SpendRow] = {}

    def put(quarters: Any, row: SpendRow) -> None:
        at = datetime.fromtimestamp(int(quarters) * QUARTER_US // 1_000_000, UTC)
        row.group = at.astimezone(tz).date().isoformat()
        days.setdefault(row.group, SpendRow(row.group)).add(row)

    for row in _all(engine, _sums(quarter, requests=False).where(within).group_by(quarter)):
        put(row.quarter, _spend_row("", row))
    began = func.min(table.c.at_us).label("began")
    first = select(began).where(within).group_by(table.c.request_id).subquery()
    began_in = (first.c.began // QUARTER_US).label("quarter")
    for row in _all(engine, select(began_in, func.count().label("n")).group_by(began_in)):
        put(row.quarter, SpendRow("", requests=int(row.n)))
    return [days[day] for day in sorted(days)]


def _within(since: datetime | None, until: datetime | None) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = [table.c.at_us >= 0]
    if since is not None:
        bounds.append(table.c.at_us >= _us(since))
    if until is not None:
        bounds.append(table.c.at_us < _us(until))
    return and_(*bounds)


def _us(when: datetime) -> int:
    """Return microseconds since 1970, exactly. Raises ``ValueError`` without a time zone."""
    if when.tzinfo is None:
        raise ValueError(f"{when} has no time zone")
    past = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def _sums(*groups: Any, requests: bool = True) -> Select[Any]:
    """Return a query for the sums of every group, without bounds."""
    columns: list[Any] = [
        *groups,
        func.count().label("attempts"),
        *_exact("tokens_in", *_TOKENS_IN),
        *_exact("tokens_out", *_TOKENS_OUT),
        *_exact("tokens_cached", "cache_read"),
        *_exact("cost", "cost_pico"),
        _count(table.c.cost_pico.is_(None)).label("unknown"),
        _count(table.c.usage_state == "estimated").label("estimated"),
        _count(table.c.usage_state == "missing").label("missing"),
    ]
    if requests:
        columns.append(func.count(table.c.request_id.distinct()).label("requests"))
    return select(*columns)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _exact(name: str, *columns: str) -> Iterable[ColumnElement[Any]]:
    """Return the two columns that ``_value`` puts together to the sum of ``columns``.

    Each is cut before any are added: absurd counts of one entry must not spoil a report.
    """
    high = reduce(add, (table.c[column] // _PART for column in columns))
    low = reduce(add, (table.c[column] % _PART for column in columns))
    return (
        func.coalesce(func.sum(high), 0).label(f"{name}_high"),
        func.coalesce(func.sum(low), 0).label(f"{name}_low"),
    )


def _value(row: Row[Any], name: str) -> int:
    return int(row._mapping[f"{name}_high"]) * _PART + int(row._mapping[f"{name}_low"])


def _spend_row(group: str, row: Row[Any]) -> SpendRow:
    return SpendRow(
        group,
        requests=int(row._mapping.get("requests", 0)),
        attempts=int(row.attempts),
        tokens_in=_value(row, "tokens_in"),
        tokens_out=_value(row, "tokens_out"),
        tokens_cached=_value(row, "tokens_cached"),
        cost_pico=_value(row, "cost"),
        unknown=int(row.unknown),
        estimated=int(row.estimated),
        missing=int(row.missing),
    )


def _all(engine: Engine, query: Select[Any]) -> Sequence[Row[Any]]:
    try:
        with engine.connect() as connection:
            return connection.execute(query).all()
    except SQLAlchemyError as fault:
        raise StoreError(f"the ledger cannot be read: {fault.__cause__ or fault}") from fault
