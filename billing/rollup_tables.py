"""The tables of rollups: added to beside entries, and made anew from entries that are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from billing.chain import Head
from billing.json_rows import from_json, json_of
from billing.ledger import ANSWERING, BESIDE, CORRECTION
from billing.rollups import BUCKET_LAST, SECOND_US, Gathered, Latency, Place, begin_of, slice_id
from billing.schema import (
    COUNTS,
    DAY_S,
    DAYS,
    DIMENSIONS,
    FIGURES,
    HOUR_S,
    HOURS,
    PART,
    QUARTER_S,
    SUMS,
    heads,
    latencies,
    rollups,
    slices,
)
from billing.schema import entries as table
from providers.usage import BUCKETS

# What of a month stays when its entries go.
SUMMED = (slices, rollups, latencies, heads)


def add_up(connection: Connection, found: Gathered) -> None:
    """Add ``found`` to the rollups that are there.

    Rows go in the order of their keys, so that no two writers wait for one another.
    """
    grains = found.grains()
    known = {dimensions for places in grains.values() for _, dimensions in places}
    _insert(connection, slices, [(slice_id(one), *one) for one in known])
    _insert(connection, rollups, _rollup_rows(grains))
    _insert(connection, latencies, _latency_rows(found))


def add_rows(connection: Connection, into: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Add rows as they stand in another database's ``SUMMED``."""
    _insert(connection, into, [tuple(row) for row in rows])


def put_heads(connection: Connection, found: Iterable[Head]) -> None:
    """Write down how far chains have come here; one that is further stays."""
    _insert(connection, heads, [msgspec.structs.astuple(head) for head in found])


def _rollup_rows(grains: dict[int, dict[Place, list[int]]]) -> list[tuple[int, ...]]:
    return [
        (grain, at, slice_id(dimensions), *_in_parts(figures))
        for grain, places in grains.items()
        for (at, dimensions), figures in places.items()
    ]


def _in_parts(figures: Sequence[int]) -> list[int]:
    """Return ``COUNTS`` and ``SUMS`` as ``FIGURES`` has them."""
    made = list(figures[: len(COUNTS)])
    for value in figures[len(COUNTS) :]:
        made += divmod(value, PART)
    return made


def _whole(figures: Sequence[int]) -> list[int]:
    """Return ``COUNTS`` and ``SUMS`` of what ``FIGURES`` has."""
    counts, parts = figures[: len(COUNTS)], figures[len(COUNTS) :]
    return [*counts, *(h * PART + low for h, low in zip(parts[::2], parts[1::2], strict=True))]


def _latency_rows(found: Gathered) -> list[tuple[int | str, ...]]:
    counted: Counter[tuple[int, *Latency]] = Counter()
    for (at, provider, model, what, bucket), n in found.latencies.items():
        counted[HOURS, at, provider, model, what, bucket] = n
        counted[DAYS, at - at % DAY_S, provider, model, what, bucket] += n
    return [(*place, n) for place, n in counted.items()]


def _insert(connection: Connection, into: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, in the order of their keys, which stand first in each table."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        names = [column.name for column in into.columns]
        named = [dict(zip(names, row, strict=True)) for row in sorted(rows)]
        connection.execute(_for_server(into), {"rows": json_of(named)})
    else:
        connection.exec_driver_sql(_for_file(into), sorted(rows))


@lru_cache(maxsize=8)
def _for_server(into: Table) -> postgresql.Insert:
    statement = postgresql.insert(into).from_select(*from_json(into))
    keys, change, where = _on_conflict(into, statement.excluded)
    if not change:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(index_elements=keys, set_=change, where=where)


@lru_cache(maxsize=8)
def _for_file(into: Table) -> str:
    """As text, since building it anew takes as long as running it."""
    statement = sqlite.insert(into)
    keys, change, where = _on_conflict(into, statement.excluded)
    if not change:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    else:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=change, where=where)
    return str(statement.compile(dialect=sqlite.dialect()))


def _on_conflict(
    into: Table, given: ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
) -> tuple[list[str], dict[str, ColumnElement[Any]], ColumnElement[bool] | None]:
    """Return a table's key, and what changes where it is there: figures add up, a slice stays.

    Of two heads the further one stays.
    """
    keys = [column.name for column in into.primary_key]
    if into is heads:
        further: dict[str, ColumnElement[Any]] = {name: given[name] for name in ("seq", "hash")}
        return keys, further, heads.c.seq < given["seq"]
    added = FIGURES if into is rollups else ("n",) if into is latencies else ()
    return keys, {name: into.c[name] + given[name] for name in added}, None


def take_away(connection: Connection, found: Gathered) -> None:
    """Subtract ``found`` from the rollups; what nothing is left of goes."""
    less = Gathered(
        {place: [-figure for figure in figures] for place, figures in found.quarters.items()},
        {place: -n for place, n in found.latencies.items()},
    )
    add_up(connection, less)
    nothing = [rollups.c[name] == 0 for name in COUNTS]
    for name in SUMS:
        # What adds up to nothing need not be nothing in both parts.
        high, low = rollups.c[f"{name}_high"], rollups.c[f"{name}_low"]
        nothing += [low % PART == 0, high + low // PART == 0]
    connection.execute(rollups.delete().where(*nothing))
    connection.execute(latencies.delete().where(latencies.c.n == 0))


def summed(connection: Connection, since_us: int, until_us: int) -> Gathered:
    """Return what the entries of a time add up to, as the database sums them."""
    span = and_(table.c.at_us >= since_us, table.c.at_us < until_us)
    found = Gathered()
    for row in connection.execute(_quarters(span)):
        at, *rest = row
        dimensions, figures = tuple(rest[: len(DIMENSIONS)]), rest[len(DIMENSIONS) :]
        found.quarters[(int(at), dimensions)] = _whole(list(map(int, figures)))
    for what, took, counted in (
        ("first", table.c.first_content_ms, table.c.first_content_ms.is_not(None)),
        ("total", table.c.total_ms, table.c.outcome == "completed"),
    ):
        for at, provider, model, bucket, n in connection.execute(_took(took, span, counted)):
            found.latencies[(int(at), provider, model, what, int(bucket))] = int(n)
    return found


def stored(connection: Connection, grain: int) -> dict[Place, list[int]]:
    """Return all rollups of one grain, as ``Gathered`` has them."""
    query: Select[Any] = select(
        rollups.c.at,
        *(slices.c[name] for name in DIMENSIONS),
        *(rollups.c[name] for name in FIGURES),
    ).join_from(rollups, slices, rollups.c.slice == slices.c.id)
    wide = len(DIMENSIONS) + 1
    rows = connection.execute(query.where(rollups.c.grain == grain))
    return {(row[0], tuple(row[1:wide])): _whole(row[wide:]) for row in rows}


def _quarters(span: ColumnElement[bool]) -> Select[Any]:
    begin = table.c.at_us - table.c.at_us % (QUARTER_S * SECOND_US)
    group = (begin, *(table.c[name] for name in DIMENSIONS))
    sums = [func.sum(figure) for figure in figures()]
    return select((begin // SECOND_US).label("at"), *group[1:], *sums).where(span).group_by(*group)


def _took(
    took: ColumnElement[int | None], span: ColumnElement[bool], counted: ColumnElement[bool]
) -> Select[Any]:
    begin = table.c.at_us - table.c.at_us % (HOUR_S * SECOND_US)
    # From the longest down: the first that fits is the one.
    steps = [(took >= begin_of(number), number) for number in range(BUCKET_LAST, 0, -1)]
    bucket = case(*steps, else_=0)
    group = (begin, table.c.provider, table.c.model, bucket)
    query = select((begin // SECOND_US).label("at"), *group[1:], func.count())
    return query.where(span, counted, table.c.purpose.in_(ANSWERING)).group_by(*group)


def figures() -> Iterable[ColumnElement[Any]]:
    """Give what is summed of an entry, in the order of ``FIGURES``."""
    cost, least, most = (table.c[f"cost_{name}pico"] for name in ("", "least_", "most_"))
    attempt = table.c.purpose != CORRECTION
    counted = {
        "attempts": attempt,
        "requests": and_(table.c.attempt == 1, table.c.purpose.not_in(BESIDE)),
        "failed": table.c.outcome == "failed",
        "unsent": table.c.error == "connect",
        "unknown": cost.is_(None),
        "unbounded": and_(cost.is_(None), least.is_(None) | most.is_(None)),
        "estimated": table.c.usage_state == "estimated",
        "missing": table.c.usage_state == "missing",
        "stated": table.c.cost_state == "stated",
        "moves": table.c.moved_from != "",
        "cache_lost_unknown": table.c.cache_lost_pico.is_(None),
    }
    for name in COUNTS:
        if name == "entries":
            yield literal(1)
        elif name in counted:
            yield case((and_(attempt, counted[name]), 1), else_=0)
        else:
            yield func.coalesce(table.c[name], 0)
    tokens = {name: table.c[name] for name in (*BUCKETS, "searches", "cache_lost_tokens")}
    money = {
        "cost": func.coalesce(cost, 0),
        "least": func.coalesce(least, cost, 0),
        "most": func.coalesce(most, cost, 0),
        "cache_lost": func.coalesce(table.c.cache_lost_pico, 0),
    }
    for name in SUMS:
        value = tokens[name] if name in tokens else money[name]
        yield value // PART
        yield value % PART
