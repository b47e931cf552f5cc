"""Time in pieces: the days, weeks and months of a zone, and which rollups make up a range exactly.

Moments are microseconds since 1970 in UTC. Rollups are kept for whole days, hours and quarters of
an hour in UTC; those of users and tags for days and quarters alone. A local day is a sum of some
of them, less others: at +01:00 it is the UTC day, without its last hour, and with the last hour of
the day before. Only what is no whole quarter is read from entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

from billing.queries import microseconds

Grain = Literal["hour", "day", "week", "month"]
GRAINS: tuple[Grain, ...] = ("hour", "day", "week", "month")
SECOND_US = 1_000_000
DAY_S, HOUR_S, QUARTER_S = 86_400, 3_600, 900
SIZES, FINE_SIZES = (DAY_S, HOUR_S, QUARTER_S), (DAY_S, QUARTER_S)
# A year and more of hours; what a report may have of them at once.
SPANS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Span:
    """One hour, day, week or month, as far as it lies in the range: from ``begin`` to ``end``."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Rollups of ``size`` seconds that begin from ``begin`` to before ``end``, added or taken off.

    ``size`` 0: the entries of that time. ``span`` is the number of the span that it belongs to.
    """

    size: int
    begin: int
    end: int
    span: int
    sign: int


def spans(grain: Grain | None, begin: int, end: int, zone: tzinfo) -> list[Span]:
    """Return the spans of a range in the zone, in order; the range itself where ``grain`` is None.

    Raises ``ValueError`` where they are more than a report can hold.
    """
    if grain is None or begin >= end:
        return [Span("", begin, end)] if begin < end else []
    found: list[Span] = []
    cut = begin
    while cut < end:
        if len(found) == SPANS_MAX:
            raise ValueError(f"more than {SPANS_MAX} {grain}s; a shorter time, or longer spans")
        name, following = _around(grain, cut, zone)
        found.append(Span(name, cut, min(end, following)))
        cut = following
    return found


def pieces(found: Sequence[Span], sizes: Sequence[int] = SIZES) -> list[Piece]:
    """Return what makes up each span, of rollups of these ``sizes`` (seconds, falling)."""
    return [
        piece
        for number, span in enumerate(found)
        for piece in _cover(span.begin, span.end, sizes, number, 1)
    ]


def stretches(found: Iterable[Piece]) -> dict[int, dict[tuple[int, int], list[tuple[int, int]]]]:
    """Return by size, largest first, each stretch of time once, with each span and sign it is for.

    What is taken off one day is added to the next: it is read once for both.
    """
    made: dict[int, dict[tuple[int, int], list[tuple[int, int]]]] = {}
    for piece in sorted(found, key=lambda piece: (-piece.size, piece.begin, piece.end)):
        uses = made.setdefault(piece.size, {}).setdefault((piece.begin, piece.end), [])
        uses.append((piece.span, piece.sign))
    return made


def _cover(begin: int, end: int, sizes: Sequence[int], number: int, sign: int) -> Iterator[Piece]:
    """Give what makes up one range: whole cells, and at each edge the shorter way to it."""
    if begin >= end:
        return
    if not sizes:
        yield Piece(0, begin, end, number, sign)
        return
    size, finer = sizes[0], sizes[1:]
    cell = size * SECOND_US
    low, high = -(-begin // cell) * cell, end // cell * cell
    if low > high and 2 * (end - begin) <= cell:
        yield from _cover(begin, end, finer, number, sign)
        return
    # An edge of more than half a cell is that cell, without the rest of it.
    if low > high or 2 * (low - begin) > cell:
        low -= cell
    if (low >= high and 2 * (end - low) > cell) or 2 * (end - high) > cell:
        high = -(-end // cell) * cell
    yield from _cover(begin, low, finer, number, sign)
    yield from _cover(low, begin, finer, number, -sign)
    if low < high:
        yield Piece(size, low, high, number, sign)
    yield from _cover(high, end, finer, number, sign)
    yield from _cover(end, high, finer, number, -sign)


def _around(grain: Grain, at: int, zone: tzinfo) -> tuple[str, int]:
    """Return the name of the span that a moment lies in, and when the next one begins."""
    local = moment(at).astimezone(zone)
    if grain == "hour":
        return _hour(local, zone)
    day = local.date()
    if grain == "day":
        name, following = day.isoformat(), day + timedelta(days=1)
    elif grain == "week":
        year, week, weekday = day.isocalendar()
        name, following = f"{year}-W{week:02d}", day + timedelta(days=8 - weekday)
    else:
        name = f"{day:%Y-%m}"
        following = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return name, midnight_us(following, zone)


def _hour(local: datetime, zone: tzinfo) -> tuple[str, int]:
    """Return a clock's hour: where clocks change within it, it ends with the change."""
    at = microseconds(local)
    into = (local.minute * 60 + local.second) * SECOND_US + local.microsecond
    following = at - into + HOUR_S * SECOND_US
    # The offset is that of this moment: there may be none at the hour's beginning, or another.
    name = f"{local:%Y-%m-%dT%H}:00{local.isoformat()[-6:]}"
    if moment(following).astimezone(zone).utcoffset() != local.utcoffset():
        following = _change(at, following, zone)
    return name, following


def _change(begin: int, end: int, zone: tzinfo) -> int:
    """Return when clocks change between two moments: at a whole quarter of an hour."""
    cell = QUARTER_S * SECOND_US
    offset = moment(begin).astimezone(zone).utcoffset()
    at = (begin // cell + 1) * cell
    while at < end and moment(at).astimezone(zone).utcoffset() == offset:
        at += cell
    return min(at, end)


def midnight_us(day: date, zone: tzinfo) -> int:
    """Return when a day begins in a zone: its first moment, also where clocks skip midnight."""
    at = datetime(day.year, day.month, day.day, tzinfo=zone)
    found = microseconds(at)
    # A midnight that is skipped is read with the offset before it, and lies after the change;
    # one that is there twice begins the day when it is first there.
    cell = QUARTER_S * SECOND_US
    while moment(found - cell).astimezone(zone).date() >= day:
        found -= cell
    return found


def moment(us: int) -> datetime:
    """Return microseconds since 1970 as a moment, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
