"""What was spent, by whom and where: sums over the ledger, exact, whatever their size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from sqlalchemy import func, select

from billing.calendar_cuts import (
    DAY_S,
    GRAINS,
    QUARTER_S,
    SECOND_US,
    SIZES,
    Grain,
    Piece,
    Span,
    pieces,
    spans,
)
from billing.queries import microseconds
from billing.schema import QUARTERS, rollups
from billing.store import Store
from billing.sums import (
    DIMENSIONS,
    NUMBERS,
    Names,
    SpendRow,
    Sums,
    Where,
    sizes_for,
    snapshot,
    summed,
    tags_of,
)

# What a report may be by.
GROUPS: tuple[str, ...] = (*DIMENSIONS, *GRAINS)
# Rows that a report gives; the cheapest are left out, and counted.
ROWS_MAX = 5_000
# Entries that a report by session may read: sessions stand in no rollup.
SESSION_ENTRIES_MAX = 500_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the ledger: sums by ``by`` (of ``GROUPS``, one grain of time at most).

    From ``since`` to before ``until`` (aware; None is no bound), in a zone's days. ``where`` says
    which values a dimension may have: any of those that are named.
    """

    by: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    zone: tzinfo = UTC
    where: Where = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for what is no report."""
        for name in self.by:
            if name not in GROUPS:
                raise ValueError(f"{name!r} is nothing to sum by; there is {', '.join(GROUPS)}")
        if len({*self.by}) < len(self.by):
            raise ValueError("a sum is by each thing once")
        if sum(name in GRAINS for name in self.by) > 1:
            raise ValueError(f"only one of {', '.join(GRAINS)} at once")
        for name in self.where:
            if name not in DIMENSIONS:
                raise ValueError(f"{name!r} is no filter; there is {', '.join(DIMENSIONS)}")

    @property
    def grain(self) -> Grain | None:
        """The grain of time, None for none."""
        return next((grain for grain in GRAINS if grain in self.by), None)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the sums are by besides time."""
        return tuple(name for name in self.by if name not in GRAINS)


@dataclass(frozen=True, slots=True)
class Report:
    """Sums in groups, and of all. ``left_out`` counts groups beyond what a report gives."""

    rows: list[SpendRow]
    total: SpendRow
    left_out: int = 0


def spend(store: Store, asked: Asked) -> Report:
    """Return sums in groups: in the order of time where they are by it, else the dearest first.

    An entry is in the group of each of its tags, and in the total once. Raises ``StoreError``, and
    ``ValueError`` for more than a report can hold.
    """
    rows, whole = grouped(store, asked)
    return Report(rows[:ROWS_MAX], whole, max(0, len(rows) - ROWS_MAX))


def grouped(
    store: Store, asked: Asked, numbers: Sequence[str] = NUMBERS
) -> tuple[list[SpendRow], SpendRow]:
    """Return every group, however many, as ``spend`` orders them; and the total.

    Other numbers than ``numbers`` stay 0: fewer are read faster.
    """
    cut = spans(asked.grain, *_in_days(store, asked), asked.zone)
    found = summed_by(store, asked, cut, numbers)
    whole = SpendRow()
    for row in found.values():
        whole.add(row)
    return _grouped(found, asked, cut), whole


def folded(rows: Iterable[SpendRow], at: int) -> list[SpendRow]:
    """Return rows added up by the name that stands at ``at``, the dearest first."""
    found: dict[str, SpendRow] = {}
    for row in rows:
        name = row.names[at]
        found.setdefault(name, SpendRow((name,))).add(row)
    return in_order(found.values())


def total(
    store: Store, since: datetime | None, until: datetime | None, where: Where | None = None
) -> SpendRow:
    """Return the sums of a range. Raises ``StoreError``."""
    return spend(store, Asked((), since, until, UTC, where or {})).total


def summed_by(
    store: Store, asked: Asked, cut: Sequence[Span], numbers: Sequence[str] = NUMBERS
) -> Sums:
    """Return what ``summed`` does, of the rollups that know what is asked for."""
    found = cover(store, asked, cut)
    return summed(store, asked.dimensions, asked.where, found, numbers=numbers)


def cover(
    store: Store, asked: Asked, cut: Sequence[Span], sizes: Sequence[int] = SIZES
) -> list[Piece]:
    """Return what spans are read from: rollups (of ``sizes``) that know what is asked for.

    Raises ``StoreError``, and ``ValueError`` for too many entries of sessions.
    """
    if "session" not in (*asked.dimensions, *asked.where):
        known_of = sizes_for(asked.dimensions, asked.where)
        return pieces(cut, [size for size in sizes if size in known_of])
    known = {name: wanted for name, wanted in asked.where.items() if name != "session"}
    whole = summed(store, (), known, pieces(cut, sizes_for((), known)), numbers=("attempts",))
    attempts = sum(row.attempts for row in whole.values())
    if attempts > SESSION_ENTRIES_MAX:
        raise ValueError(
            f"sessions are read entry by entry, and these are {attempts} of {SESSION_ENTRIES_MAX} "
            "at most; a shorter time or a filter would do"
        )
    return pieces(cut, ())


def extent(store: Store, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return from when to before when there are entries in a range, microseconds since 1970.

    An empty range where there are none. Raises ``StoreError``.
    """
    begin = microseconds(since) if since is not None else None
    end = microseconds(until) if until is not None else None
    first, last = [], []
    of_quarters = rollups.c.grain == QUARTERS
    for engine in store.parts(since, until):
        with snapshot(engine) as connection:
            # Each by itself is one look into the index.
            oldest = connection.execute(select(func.min(rollups.c.at)).where(of_quarters)).scalar()
            if oldest is None:
                continue
            newest = connection.execute(select(func.max(rollups.c.at)).where(of_quarters)).scalar()
            first.append(int(oldest) * SECOND_US)
            last.append((int(newest or oldest) + QUARTER_S) * SECOND_US)
    if not first:
        return 0, 0
    begin = max(min(first), begin) if begin is not None else min(first)
    end = min(max(last), end) if end is not None else max(last)
    return (begin, end) if begin < end else (0, 0)


def _in_days(store: Store, asked: Asked) -> tuple[int, int]:
    """Return ``extent`` in whole days of UTC, where what is asked lets it.

    The day of the newest entry is then read as one day, and not as each of its hours so far.
    """
    begin, end = extent(store, asked.since, asked.until)
    if begin >= end:
        return begin, end
    day = DAY_S * SECOND_US
    low, high = begin - begin % day, -(-end // day) * day
    if asked.since is not None:
        low = max(low, min(begin, microseconds(asked.since)))
    if asked.until is not None:
        high = min(high, max(end, microseconds(asked.until)))
    return low, high


def in_order(rows: Iterable[SpendRow]) -> list[SpendRow]:
    """Return rows, the dearest first."""
    return sorted(rows, key=lambda row: (-row.cost_pico, -row.most_pico, -row.attempts, row.names))


def _grouped(found: Sums, asked: Asked, cut: Sequence[Span]) -> list[SpendRow]:
    """Return the groups with their names in the order of ``asked.by``."""
    made: dict[tuple[int, Names], SpendRow] = {}
    place = asked.dimensions.index("tag") if "tag" in asked.dimensions else None
    for (number, names), row in found.items():
        if place is None:
            every = [names]
        else:
            tags = tags_of(names[place])
            every = [(*names[:place], tag, *names[place + 1 :]) for tag in tags]
        for each in every:
            made.setdefault((number, each), SpendRow()).add(row)
    spanned: dict[int, list[SpendRow]] = {}
    for (number, names), row in made.items():
        named = dict(zip(asked.dimensions, names, strict=True))
        row.names = tuple(cut[number].name if name in GRAINS else named[name] for name in asked.by)
        spanned.setdefault(number, []).append(row)
    return [row for number in sorted(spanned) for row in in_order(spanned[number])]
