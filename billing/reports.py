"""What was spent, by whom and where: sums over the ledger, exact, whatever their size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo
from functools import reduce
from operator import add
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, case, func, or_, select

from billing.compare import Spent, Tried
from billing.ledger import ANSWERING, BESIDE, Entry
from billing.queries import microseconds, rows, within
from billing.schema import entries as table

By = Literal["provider", "model", "day", "key", "team", "label", "operator", "purpose"]
GROUPS: tuple[str, ...] = get_args(By)

# Every zone's days begin at a whole quarter of an hour in UTC.
QUARTER_US = 15 * 60 * 1_000_000
HOUR_US = 4 * QUARTER_US
# Sums are made in two parts: SQLite gives up where a sum passes 2**63.
_PART = 10**9
# Shadows that are compared at once; and how long a request with all that belongs to it may last.
SHADOWS_MAX = 100_000
AROUND_US = 86_400 * 1_000_000

_TOKENS_IN = ("input", "cache_read", "cache_write", "cache_write_long", "audio_input")
_TOKENS_OUT = ("output", "reasoning", "audio_output")


@dataclass(slots=True)
class SpendRow:
    """One group's sums. ``cost_pico`` (1e-12 dollars) leaves out the ``unknown`` entries' costs.

    ``requests`` are clients' own with an attempt in the group, shadows and judges aside; by day,
    those whose first attempt in the range fell on it, so that days add up. ``tokens_cached`` stand
    in ``tokens_in`` too. ``unknown`` counts entries without a known cost, ``estimated`` and
    ``missing`` entries with such usage. ``moves`` are answers from another route than the one that
    had the conversation cached, and ``cache_lost_*`` what that lost: ``cache_lost_pico`` without
    the ``cache_lost_unknown`` moves whose loss has no known price.
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
    moves: int = 0
    cache_lost_tokens: int = 0
    cache_lost_pico: int = 0
    cache_lost_unknown: int = 0

    def add(self, other: SpendRow) -> None:
        """Add another row's numbers to this one's."""
        for field in fields(self)[1:]:
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True, slots=True)
class FlowRow:
    """What data of one label went to one operator and place (country codes, or "unknown").

    ``requests`` are all whose data went there, with a shadow or to a judge too.
    """

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
    span = within(since, until)
    if by == "day":
        return _days(engine, span, tz)
    column = table.c[by]
    query = _sums(column.label("grouped"), _requests()).where(span).group_by(column)
    found = [_spend_row(str(row.grouped), row) for row in rows(engine, query)]
    return sorted(found, key=lambda row: (-row.cost_pico, -row.attempts, row.group))


def total(engine: Engine, since: datetime | None, until: datetime | None) -> SpendRow:
    """Return the sums of a whole range, in a row whose group is "". Raises ``StoreError``."""
    (row,) = rows(engine, _sums(_requests()).where(within(since, until)))
    return _spend_row("", row)


def spent(engine: Engine, since: datetime, key: str | None = None, team: str | None = None) -> int:
    """Return the known cost, 1e-12 dollars, since a moment, of a key's or a team's or all calls.

    Raises ``StoreError``.
    """
    query = select(*_exact("cost", "cost_pico")).where(within(since, None))
    if key is not None:
        query = query.where(table.c.key == key)
    if team is not None:
        query = query.where(table.c.team == team)
    (row,) = rows(engine, query)
    return _value(row, "cost")


def used_by_hour(engine: Engine, provider: str, since: datetime) -> list[tuple[float, int, int]]:
    """Return for each hour when it began (seconds since 1970), its attempts and tokens, in order.

    Of one provider, without what was never answered. Raises ``StoreError``.
    """
    hour = table.c.at_us - table.c.at_us % HOUR_US
    used = (*_TOKENS_IN, *_TOKENS_OUT)
    tokens = func.sum(reduce(add, (table.c[name] for name in used)))
    query = (
        select(hour.label("begun"), func.count().label("attempts"), tokens.label("tokens"))
        .where(within(since, None), table.c.provider == provider, table.c.outcome != "failed")
        .group_by(hour)
        .order_by(hour)
    )
    return [(row.begun / 1e6, int(row.attempts), int(row.tokens)) for row in rows(engine, query)]


def last(engine: Engine, n: int, before: str | None = None) -> list[Entry]:
    """Return the ``n`` newest entries, newest first; those older than attempt id ``before``.

    An id that is not there gives nothing. Raises ``StoreError``.
    """
    query = select(table).order_by(table.c.at_us.desc(), table.c.attempt_id.desc()).limit(n)
    if before is not None:
        known = rows(engine, select(table.c.at_us).where(table.c.attempt_id == before))
        if not known:
            return []
        at_us = known[0].at_us
        same = and_(table.c.at_us == at_us, table.c.attempt_id < before)
        query = query.where(or_(table.c.at_us < at_us, same))
    return [Entry(**row._asdict()) for row in rows(engine, query)]


def flows(engine: Engine, since: datetime | None, until: datetime | None) -> list[FlowRow]:
    """Return what label of data went to which operator and place, most tokens first.

    An attempt that found no connection sent nothing, and is left out. Raises ``StoreError``.
    """
    way = (table.c.label, table.c.operator, table.c.place)
    requests = func.count(table.c.request_id.distinct()).label("requests")
    query = (
        _sums(*way, requests).where(within(since, until), table.c.error != "connect").group_by(*way)
    )
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
        for row in rows(engine, query)
    ]
    return sorted(found, key=lambda f: (-f.tokens_in - f.tokens_out, f.label, f.operator, f.place))


def shadowed(
    engine: Engine, since: datetime | None, until: datetime | None
) -> tuple[list[Tried], bool]:
    """Return every attempt at the requests that were shadowed in a time; and whether that is all.

    It is not where there are more than ``SHADOWS_MAX``: then it is the newest. Raises
    ``StoreError``.
    """
    newest = (
        select(table.c.request_id, table.c.at_us)
        .where(within(since, until), table.c.purpose == "shadow")
        .order_by(table.c.at_us.desc())
        .limit(SHADOWS_MAX + 1)
    )
    known = rows(engine, newest)
    if not known:
        return [], True
    # A call is older than its shadow, and a judge's word younger.
    first, last = known[min(len(known), SHADOWS_MAX) - 1].at_us, known[0].at_us
    ids = newest.limit(SHADOWS_MAX).subquery()
    out = reduce(add, (table.c[column] for column in _TOKENS_OUT)).label("tokens_out")
    plain = [table.c[name] for name in Tried.__struct_fields__ if name != "tokens_out"]
    query = select(*plain, out).where(
        table.c.at_us.between(first - AROUND_US, last + AROUND_US),
        table.c.request_id.in_(select(ids.c.request_id)),
    )
    return [Tried(**row._asdict()) for row in rows(engine, query)], len(known) <= SHADOWS_MAX


def spent_at(
    engine: Engine,
    route: str,
    names: Iterable[str],
    since: datetime | None,
    until: datetime | None,
) -> Spent:
    """Return what clients' calls for model ``names`` cost at ``route``. Raises ``StoreError``."""
    provider, _, model = route.partition("/")
    query = select(
        *_exact("cost", "cost_pico"),
        _count(table.c.cost_pico.is_(None)).label("unknown"),
        func.min(table.c.at_us).label("first"),
    ).where(
        within(since, until),
        table.c.purpose.in_(ANSWERING),
        table.c.provider == provider,
        table.c.model == model,
        table.c.model_asked.in_(sorted(names)),
    )
    (row,) = rows(engine, query)
    end = microseconds(until if until is not None else datetime.now(UTC))
    return Spent(_value(row, "cost"), int(row.unknown), max(0, end - row.first) if row.first else 0)


def _days(engine: Engine, span: ColumnElement[bool], tz: tzinfo) -> list[SpendRow]:
    """Sum quarters of an hour in the database and fold them into days here."""
    quarter = (table.c.at_us // QUARTER_US).label("quarter")
    days: dict[str, SpendRow] = {}

    def put(quarters: Any, row: SpendRow) -> None:
        at = datetime.fromtimestamp(int(quarters) * QUARTER_US // 1_000_000, UTC)
        row.group = at.astimezone(tz).date().isoformat()
        days.setdefault(row.group, SpendRow(row.group)).add(row)

    for row in rows(engine, _sums(quarter).where(span).group_by(quarter)):
        put(row.quarter, _spend_row("", row))
    began = func.min(table.c.at_us).label("began")
    asked = select(began).where(span, table.c.purpose.not_in(BESIDE))
    first = asked.group_by(table.c.request_id).subquery()
    began_in = (first.c.began // QUARTER_US).label("quarter")
    for row in rows(engine, select(began_in, func.count().label("n")).group_by(began_in)):
        put(row.quarter, SpendRow("", requests=int(row.n)))
    return [days[day] for day in sorted(days)]


def _requests() -> ColumnElement[int]:
    """Return how many requests of clients have an attempt among the rows."""
    asked = case((table.c.purpose.not_in(BESIDE), table.c.request_id))
    return func.count(asked.distinct()).label("requests")


def _sums(*more: Any) -> Select[Any]:
    """Return a query for the sums of every group, beside ``more``, without bounds."""
    return select(
        *more,
        func.count().label("attempts"),
        *_exact("tokens_in", *_TOKENS_IN),
        *_exact("tokens_out", *_TOKENS_OUT),
        *_exact("tokens_cached", "cache_read"),
        *_exact("cost", "cost_pico"),
        _count(table.c.cost_pico.is_(None)).label("unknown"),
        _count(table.c.usage_state == "estimated").label("estimated"),
        _count(table.c.usage_state == "missing").label("missing"),
        _count(table.c.moved_from != "").label("moves"),
        *_exact("lost_tokens", "cache_lost_tokens"),
        *_exact("lost", "cache_lost_pico"),
        _count(table.c.cache_lost_pico.is_(None)).label("lost_unknown"),
    )


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
        moves=int(row.moves),
        cache_lost_tokens=_value(row, "lost_tokens"),
        cache_lost_pico=_value(row, "lost"),
        cache_lost_unknown=int(row.lost_unknown),
    )
