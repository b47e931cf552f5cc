"""Sums over the ledger in groups: whole days, hours and quarters from rollups, edges from entries.

Users and tags stand in fine grains alone; those have many more rows, so that all else reads the
others. What is read of one database is read in one snapshot: days less hours would else not be
days.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import reduce
from operator import add, sub
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Row,
    Select,
    Text,
    and_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError

from billing.calendar_cuts import (
    DAY_S,
    FINE_SIZES,
    SECOND_US,
    SIZES,
    Piece,
    Span,
    moment,
    stretches,
)
from billing.rollup_tables import figures
from billing.schema import FIGURES, FINE, GRAINS, PART, entries, rolled_off, rollups, slices
from billing.store import Store, StoreError

# What a report may be by, and the column that holds it. A tag is one of a list.
DIMENSIONS: Mapping[str, str] = MappingProxyType(
    {
        "provider": "provider",
        "model": "model",
        "key": "key",
        "team": "team",
        "user": "user",
        "tag": "tags",
        "label": "label",
        "model_asked": "model_asked",
        "operator": "operator",
        "place": "place",
        "purpose": "purpose",
        "wire": "wire",
        "plan": "plan",
        "policy": "policy_hash",
        "session": "session",
    }
)
TOKENS_IN = (
    "input", "cache_read", "cache_write", "cache_write_long", "audio_input", "image_input",
)  # fmt: skip
TOKENS_OUT = ("output", "reasoning", "audio_output", "image_output")
# Groups that a report may hold at once: clients invent users, tags and models.
GROUPS_MAX = 100_000

Where = Mapping[str, Sequence[str]]
Names = tuple[str, ...]


@dataclass(slots=True)
class SpendRow:
    """One group's sums, named by its value in each dimension. Money is 1e-12 dollars.

    ``requests`` are clients' own, shadows and judges aside, and count where (and when) their first
    attempt went, so that they add up in every grouping. ``tokens_cached`` stand in ``tokens_in``
    too. ``cost_pico`` leaves out the ``unknown`` entries' costs. The true cost lies between
    ``least_pico`` and ``most_pico``, and above where ``unbounded`` entries have no bound that is
    known. ``estimated`` and ``missing`` count entries with such usage, ``stated`` those whose cost
    the host said. ``energy_j`` is what machines at home are known to have used, in joules.
    ``moves`` are answers from another route than the one that had the conversation cached, and
    ``cache_lost_*`` what that lost: ``cache_lost_pico`` without the ``cache_lost_unknown`` moves
    whose loss has no known price. ``unsent`` attempts found no connection, and sent nothing.
    ``total_ms`` is how long all attempts took together.
    """

    names: Names = ()
    requests: int = 0
    attempts: int = 0
    failed: int = 0
    unsent: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    searches: int = 0
    cost_pico: int = 0
    least_pico: int = 0
    most_pico: int = 0
    unknown: int = 0
    unbounded: int = 0
    estimated: int = 0
    missing: int = 0
    stated: int = 0
    energy_j: int = 0
    moves: int = 0
    cache_lost_tokens: int = 0
    cache_lost_pico: int = 0
    cache_lost_unknown: int = 0
    total_ms: int = 0

    @property
    def group(self) -> str:
        """The group's name in one text."""
        return " / ".join(self.names)

    @property
    def tokens(self) -> int:
        """All tokens, in and out."""
        return self.tokens_in + self.tokens_out

    @property
    def exact(self) -> bool:
        """Whether the cost is one figure, and no band."""
        return self.least_pico == self.cost_pico == self.most_pico and not self.unbounded

    def add(self, other: SpendRow, sign: int = 1) -> None:
        """Add another row's numbers to this one's, or take them off."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))

    def is_nothing(self) -> bool:
        """Whether all numbers are 0."""
        return not any(getattr(self, name) for name in NUMBERS)


NUMBERS = tuple(field.name for field in fields(SpendRow)[1:])
# The names in rollups of what is summed in two parts; the others are columns of their own.
_WIDE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tokens_in": TOKENS_IN,
        "tokens_out": TOKENS_OUT,
        "tokens_cached": ("cache_read",),
        "searches": ("searches",),
        "cost_pico": ("cost",),
        "least_pico": ("least",),
        "most_pico": ("most",),
        "cache_lost_tokens": ("cache_lost_tokens",),
        "cache_lost_pico": ("cache_lost",),
    }
)

# The number of a grain by its seconds, for what is fine and for what is not: where a size is kept
# in both ways, what needs nothing fine is read from the one with far fewer rows.
_GRAINS = MappingProxyType(
    {
        True: {size: grain for grain, (size, fine) in GRAINS.items() if fine},
        False: {
            size: grain for grain, (size, _) in sorted(GRAINS.items(), key=lambda one: -one[1][1])
        },
    }
)

Sums = dict[tuple[int, Names], SpendRow]
# Which spans a stretch of time is added to (1), or taken off (-1).
Uses = Sequence[tuple[int, int]]
_Values = dict[tuple[int, Names], list[int]]


def summed(
    store: Store,
    by: Sequence[str],
    where: Where,
    found: Sequence[Piece],
    *,
    numbers: Sequence[str] = NUMBERS,
) -> Sums:
    """Return the sums of ``numbers`` by span and by the dimensions ``by``, of what ``where`` lets.

    A tag's column is grouped as it stands, a list. Raises ``StoreError``, and ``ValueError`` for
    more groups than a report can hold.
    """
    if not found:
        return {}
    since = moment(min(piece.begin for piece in found))
    until = moment(max(piece.end for piece in found))
    refuse_removed(store, found)
    queries = list(_queries(store.engine.dialect.name, found, by, where, numbers))
    made: _Values = {}
    for engine in store.parts(since, until):
        with snapshot(engine) as connection:
            for query, uses in queries:
                _collect(connection.execute(query), uses, len(by), numbers, made)
    return {
        key: SpendRow(key[1], **dict(zip(numbers, values, strict=True)))
        for key, values in made.items()
        if any(values)
    }


def reached(
    store: Store, by: Sequence[str], where: Where, cut: Sequence[Span], size: int
) -> dict[tuple[int, Names], tuple[int, int]]:
    """Return the first and the last bucket of ``size`` seconds in which something was sent.

    By span and the dimensions ``by``: seconds since 1970 at which each bucket begins. One that a
    span has only a part of counts in it. Raises ``StoreError``.
    """
    cell, day = size * SECOND_US, DAY_S * SECOND_US
    edges: list[Piece] = []
    days: list[Piece] = []
    for number, span in enumerate(cut):
        begin, end = span.begin // cell * cell, -(-span.end // cell) * cell
        low, high = -(-begin // day) * day, end // day * day
        if low < high:
            days.append(Piece(DAY_S, low, high, number, 1))
            edges += [Piece(size, begin, low, number, 1), Piece(size, high, end, number, 1)]
        else:
            edges.append(Piece(size, begin, end, number, 1))
    # Only the first and the last day of each are looked at closely.
    whole = _reached(store, by, where, days)
    touched = {(key[0], at) for key, found in whole.items() for at in found}
    close = [
        Piece(size, at * SECOND_US, (at + DAY_S) * SECOND_US, span, 1)
        for span, at in sorted(touched)
    ]
    return _reached(store, by, where, [piece for piece in edges if piece.begin < piece.end] + close)


def _reached(
    store: Store, by: Sequence[str], where: Where, found: Sequence[Piece]
) -> dict[tuple[int, Names], tuple[int, int]]:
    made: dict[tuple[int, Names], tuple[int, int]] = {}
    if not found:
        return made
    since, until = min(piece.begin for piece in found), max(piece.end for piece in found)
    for engine in store.parts(moment(since), moment(until)):
        with snapshot(engine) as connection:
            for size, own in stretches(found).items():
                times = timetable(list(own), SECOND_US, engine.dialect.name)
                uses = list(own.values())
                joined, group = of_slices(size, times, by, where)
                query = select(*group, func.min(rollups.c.at), func.max(rollups.c.at))
                sent = rollups.c.attempts > rollups.c.unsent, *conditions(where, slices)
                rows = connection.execute(query.select_from(joined).where(*sent).group_by(*group))
                for number, *names, first, last in rows:
                    for span, _ in uses[number]:
                        key = (span, tuple(names))
                        known = made.get(key, (first, last))
                        made[key] = (min(known[0], first), max(known[1], last))
    return made


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one state of the database. Raises ``StoreError``."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
    except SQLAlchemyError as fault:
        raise StoreError(f"the ledger cannot be read: {fault.__cause__ or fault}") from fault


def sizes_for(by: Sequence[str], where: Where) -> Sequence[int]:
    """Return of which sizes there are rollups that know what is asked for."""
    return FINE_SIZES if _is_fine(by, where) else SIZES


def _is_fine(by: Sequence[str], where: Where) -> bool:
    return any(DIMENSIONS[name] in FINE for name in (*by, *where))


def conditions(where: Where, table: FromClause) -> list[ColumnElement[bool]]:
    """Return what rows of ``table`` have to be: in each dimension one of its values."""
    found: list[ColumnElement[bool]] = []
    for name, wanted in where.items():
        at = table.c[DIMENSIONS[name]]
        if DIMENSIONS[name] == "tags":
            # LIKE minds no case on SQLite.
            listed = literal(",").concat(at).concat(",")
            has = (func.replace(listed, f",{tag},", "") != listed for tag in wanted if tag)
            found.append(or_(at == "" if "" in wanted else false(), *has))
        else:
            found.append(at.in_(list(wanted)))
    return found


def tags_of(listed: str) -> list[str]:
    """Return the tags of a list, each once; "" alone for none."""
    return list(dict.fromkeys(listed.split(",")))


def refuse_removed(store: Store, found: Sequence[Piece]) -> None:
    """Raise ``ValueError`` where some piece is of entries that are removed."""
    edges = {f"{moment(piece.begin):%Y-%m}" for piece in found if not piece.size}
    if not edges:
        return
    with snapshot(store.engine) as connection:
        gone = select(rolled_off.c.month).where(rolled_off.c.month.in_(sorted(edges)))
        month = connection.execute(gone).scalar()
    if month is not None:
        raise ValueError(
            f"the entries of {month} are removed, and only their sums are kept: a time in it has "
            "to begin and end at a whole quarter of an hour"
        )


def _queries(
    dialect: str, found: Sequence[Piece], by: Sequence[str], where: Where, numbers: Sequence[str]
) -> Iterator[tuple[Select[Any], Sequence[Uses]]]:
    """Give one query for each size of rollup, and for entries, and what each stretch is for."""
    for size, own in stretches(found).items():
        times = timetable(list(own), SECOND_US if size else 1, dialect)
        query = (
            _of_rollups(size, times, by, where, numbers)
            if size
            else _of_entries(list(own), times, by, where, numbers)
        )
        yield query, list(own.values())


def _of_rollups(
    size: int, times: FromClause, by: Sequence[str], where: Where, numbers: Sequence[str]
) -> Select[Any]:
    joined, group = of_slices(size, times, by, where)
    sums = _sums({name: rollups.c[name] for name in FIGURES}, numbers)
    query = select(*group, *sums).select_from(joined)
    return query.where(*conditions(where, slices)).group_by(*group)


def of_slices(
    size: int, times: FromClause, by: Sequence[str], where: Where
) -> tuple[FromClause, list[ColumnElement[Any]]]:
    """Return the rollups of some stretches, and what their sums are by: its number, dimensions."""
    joined = times.join(
        rollups,
        and_(
            rollups.c.grain == _GRAINS[_is_fine(by, where)][size],
            rollups.c.at >= times.c.begun,
            rollups.c.at < times.c.ended,
        ),
    )
    if by or where:
        joined = joined.join(slices, slices.c.id == rollups.c.slice)
    return joined, [times.c.number, *(slices.c[DIMENSIONS[name]] for name in by)]


def _of_entries(
    edges: Sequence[tuple[int, int]],
    times: FromClause,
    by: Sequence[str],
    where: Where,
    numbers: Sequence[str],
) -> Select[Any]:
    # Said once more as plain bounds: of a table of times no planner knows how short they are.
    near = (and_(entries.c.at_us >= begin, entries.c.at_us < end) for begin, end in edges)
    spanned = times.join(
        entries, and_(entries.c.at_us >= times.c.begun, entries.c.at_us < times.c.ended)
    )
    group = [times.c.number, *(entries.c[DIMENSIONS[name]] for name in by)]
    sums = _sums(dict(zip(FIGURES, figures(), strict=True)), numbers)
    return (
        select(*group, *sums)
        .select_from(spanned)
        .where(or_(*near), *conditions(where, entries))
        .group_by(*group)
    )


def timetable(found: Sequence[tuple[int, int]], unit: int, dialect: str) -> FromClause:
    """Return stretches of time as a table: begun and ended in ``unit`` microseconds, their number.

    They are one value of the statement, JSON, so that it is prepared alike for few and for many.
    """
    rows = [(begin // unit, end // unit, number) for number, (begin, end) in enumerate(found)]
    told = literal(json.dumps(rows), Text)
    if dialect == "postgresql":
        listed = func.jsonb_array_elements(cast(told, JSONB)).table_valued("value")
        cells: list[ColumnElement[Any]] = [
            cast(listed.c.value.op("->>")(place), BigInteger) for place in range(3)
        ]
    else:
        listed = func.json_each(told).table_valued("value")
        cells = [func.json_extract(listed.c.value, f"$[{place}]") for place in range(3)]
    names = ("begun", "ended", "number")
    columns = [cell.label(name) for name, cell in zip(names, cells, strict=True)]
    # Each row is read once, not once for every rollup that it is compared with.
    return select(*columns).cte("times").prefix_with("MATERIALIZED")


def _sums(
    of: Mapping[str, ColumnElement[Any]], numbers: Sequence[str]
) -> Iterator[ColumnElement[Any]]:
    """Give the sums of ``numbers``, those in two parts in two columns."""
    for number in numbers:
        if number not in _WIDE:
            yield func.sum(of[number])
            continue
        for part in ("high", "low"):
            yield func.sum(reduce(add, (of[f"{name}_{part}"] for name in _WIDE[number])))


def _collect(
    found: Iterable[Row[Any]],
    uses: Sequence[Uses],
    by: int,
    numbers: Sequence[str],
    into: _Values,
) -> None:
    """Add a query's rows to the groups that are there."""
    for row in found:
        names: Names = tuple(row[1 : by + 1])
        values: list[int] = []
        told = iter(row[by + 1 :])
        for name in numbers:
            value = int(next(told))
            values.append(value * PART + int(next(told)) if name in _WIDE else value)
        for span, sign in uses[row[0]]:
            known = into.get((span, names))
            if known is None:
                if len(into) >= GROUPS_MAX:
                    raise ValueError(
                        f"that is more than {GROUPS_MAX} groups; a shorter time, a filter or fewer "
                        "dimensions would do"
                    )
                known = [0] * len(numbers)
            into[span, names] = list(map(add if sign > 0 else sub, known, values))
