"""Which time a page shows: its days in the reports' zone, and the time before to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from billing.calendar_cuts import Grain, spans
from billing.queries import microseconds
from gateway.admin import wrong
from gateway.periods import PERIODS, first_and_last_day, midnight

USUAL = "7d"
DAYS_MAX = 3_700
# Up to how many days a chart has a bar for each of these.
_GRAINS: tuple[tuple[int, Grain], ...] = ((2, "hour"), (92, "day"), (400, "week"))


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days from ``first`` to ``last``; ``name`` is one of ``PERIODS``, "" for days named.

    ``since`` and ``until`` are the moments at which they begin and have ended in ``zone``.
    """

    name: str
    first: date
    last: date
    zone: tzinfo

    @property
    def since(self) -> datetime:
        """The moment at which the first day begins."""
        return midnight(self.first, self.zone)

    @property
    def until(self) -> datetime:
        """The moment at which the last day has ended."""
        return midnight(self.end, self.zone)

    @property
    def end(self) -> date:
        """The day after the last, as reports and files are asked for: up to before it."""
        return self.last + timedelta(days=1)

    @property
    def days(self) -> int:
        """How many days these are."""
        return (self.last - self.first).days + 1

    @property
    def grain(self) -> Grain:
        """How long a bar of a chart over this time lasts."""
        return next((grain for most, grain in _GRAINS if self.days <= most), "month")

    def times(self, now: datetime) -> list[str]:
        """Return the names of a chart's bars, up to the one that ``now`` is in."""
        end = min(self.until, now) if self.since < now else self.since
        return self._times(self.since, end)

    def times_before(self, now: datetime) -> list[str]:
        """Return the names of the same bars of the time ``before``."""
        return self._times(*self.before(now))

    def _times(self, since: datetime, until: datetime) -> list[str]:
        range_us = microseconds(since), microseconds(until)
        return [one.name for one in spans(self.grain, *range_us, self.zone)]

    def parameters(self) -> dict[str, str]:
        """Return the span as an address has it."""
        if self.name:
            return {"period": self.name}
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}

    def before(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the time to compare with: as many days just before, as far as these have gone.

        Of this month the same days of the month before. A time that has not ended is compared up
        to the last whole quarter of an hour.
        """
        if self.name in ("month", "last-month"):
            first = (self.first - timedelta(days=1)).replace(day=1)
        else:
            first = self.first - timedelta(days=self.days)
        begin = midnight(first, self.zone)
        if now >= self.until:
            return begin, self.since
        gone = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
        # By the clock, so that across a change of clocks the same hours are compared.
        ends = datetime.combine(first + (gone.date() - self.first), gone.time(), self.zone)
        return begin, min(ends, self.since)


def span_of(given: Mapping[str, str], now: datetime, zone: tzinfo) -> Span:
    """Return the span that ``period``, or ``from`` and ``to``, name. Raises ``Refusal``.

    ``now`` is in ``zone``.
    """
    if "from" in given or "to" in given:
        first, last = _day(given, "from", now), _day(given, "to", now)
        if last < first:
            raise wrong("to", "must not be before `from`")
        if (last - first).days >= DAYS_MAX:
            raise wrong("from", f"and `to` lie more than {DAYS_MAX} days apart")
        return Span("", first, last, zone)
    name = given.get("period", USUAL)
    if name not in PERIODS:
        raise wrong("period", f"must be one of {', '.join(PERIODS)}")
    return Span(name, *first_and_last_day(name, now), zone)


def _day(given: Mapping[str, str], name: str, now: datetime) -> date:
    text = given.get(name)
    if not text:
        # Of one side alone the other is today.
        return now.date()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise wrong(name, f"is {text[:40]!r}, which is no day; 2026-11-25 would be one") from None
    if not 1971 <= day.year <= 9000:
        raise wrong(name, "is too long ago or too far ahead")
    return day
