"""The prices of one model at one host over time, and what of them holds at a moment. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from billing.bands import Applies, changes, turns
from billing.exchange import NO_RATES, Exchange
from billing.price import ONE, USD, Price

# A call's last attempt may begin so much later than its hold was made, in a dearer hour.
HOLD_MOST = timedelta(minutes=15)
# Days whose prices are kept ready.
DAYS_MOST = 64


@dataclass(frozen=True, slots=True)
class _Day:
    """The prices of one day in UTC: from each of ``starts`` on one of ``prices``.

    ``possible`` has with each of them every price that may hold instead of it.
    """

    starts: list[datetime]
    prices: list[Price | None]
    possible: list[tuple[Price | None, ...]]


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of one model at one host over time; of those that hold, the last one counts.

    Where none holds the first counts, for a list states its oldest price first; with ``lapses``
    there is no price then. ``exchange`` has the rates for what is not in US dollars. ``on_stated``
    are factors on what the host itself states as its charge, and when: the fee of buying credit.
    ``by_calendar``: some price depends on public holidays.
    """

    bands: tuple[tuple[Applies, Price], ...]
    lapses: bool = False
    exchange: Exchange = NO_RATES
    on_stated: tuple[tuple[Applies, Decimal], ...] = ()
    by_calendar: bool = field(init=False, repr=False, compare=False)
    _only: Price | None = field(init=False, repr=False, compare=False)
    _days: dict[date, _Day] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = [one for applies, _ in self.bands for one in applies.all()]
        only = self.bands[0][1] if len(self.bands) == 1 and not self.lapses else None
        if only is not None and only.currency != USD:
            only = None
        object.__setattr__(self, "by_calendar", any(one.calendar is not None for one in every))
        object.__setattr__(self, "_only", only)
        object.__setattr__(self, "_days", {})

    @property
    def is_constant(self) -> bool:
        """Whether the same price holds at every time."""
        return self._only is not None

    def at(self, when: datetime) -> Price | None:
        """Return the price that holds at ``when`` (without a time zone: UTC), None for none."""
        if self._only is not None or not self.bands:
            return self._only
        utc = _utc(when)
        day = self._day(utc.date())
        return day.prices[bisect_right(day.starts, utc) - 1]

    def possible(self, when: datetime) -> tuple[Price | None, ...]:
        """Return every price that may hold at ``when``, where its holidays are not surely known."""
        if not self.by_calendar:
            return (self.at(when),)
        utc = _utc(when)
        day = self._day(utc.date())
        return day.possible[bisect_right(day.starts, utc) - 1]

    def changes(self, since: datetime, until: datetime) -> list[datetime]:
        """Return every moment after ``since`` and before ``until`` at which the price changes."""
        if self._only is not None or not self.bands:
            return []
        first, last = _utc(since), _utc(until)
        found: list[datetime] = []
        held = self.at(first)
        for ahead in range((last.date() - first.date()).days + 1):
            day = self._day(first.date() + timedelta(days=ahead))
            for start, price in zip(day.starts, day.prices, strict=True):
                if first < start < last and price != held:
                    found.append(start)
                    held = price
        return found

    def about(self, when: datetime) -> list[Price | None]:
        """Return every price that a call can have which is held at ``when``, None among them."""
        if self._only is not None or not self.bands:
            return [self._only]
        first = _utc(when)
        last = first + HOLD_MOST
        day = self._day(first.date())
        start, end = bisect_right(day.starts, first) - 1, bisect_right(day.starts, last)
        found = [price for some in day.possible[start:end] for price in some]
        if last.date() != first.date():
            later = self._day(last.date())
            end = bisect_right(later.starts, last)
            found += [price for some in later.possible[:end] for price in some]
        return found

    def ahead(self, now: datetime) -> list[tuple[Applies, Price]]:
        """Return the bands that count at some moment from ``now`` on, in their order."""
        if len(self.bands) < 2:
            return list(self.bands)
        utc = _utc(now)
        later = [at for at in turns((applies for applies, _ in self.bands), utc) if at > utc]
        counting = {self._index(at) for at in (utc, *later)}
        return [band for index, band in enumerate(self.bands) if index in counting]

    def fee_on_stated(self, when: datetime) -> Decimal:
        """Return the factor on what the host states as its charge at ``when``."""
        factor, utc = ONE, _utc(when)
        for applies, one in self.on_stated:
            if applies.holds(utc):
                factor *= one
        return factor

    def _day(self, day: date) -> _Day:
        """Return the prices of a day, worked out at its first use."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= DAYS_MOST:
                self._days.clear()
            found = self._days[day] = self._worked_out(day)
        return found

    def _worked_out(self, day: date) -> _Day:
        midnight = datetime.combine(day, time(), UTC)
        moments = {midnight, *changes((applies for applies, _ in self.bands), day)}
        rates = [rate for some in self.exchange.rates.values() for rate in some]
        moments |= {rate.since for rate in rates if rate.since and rate.since.date() == day}
        starts = sorted(moments)
        worth: dict[tuple[int, Decimal | None], Price] = {}
        possible = [self._possible(start, worth) for start in starts]
        prices = [self._worth(self._index(start), start, worth) for start in starts]
        return _Day(starts, prices, possible)

    def _index(self, utc: datetime) -> int | None:
        """Return which band counts at a moment, None for none."""
        for index in range(len(self.bands) - 1, -1, -1):
            if self.bands[index][0].holds(utc):
                return index
        return None if self.lapses else 0

    def _possible(
        self, utc: datetime, worth: dict[tuple[int, Decimal | None], Price]
    ) -> tuple[Price | None, ...]:
        found: list[Price | None] = []
        for index in range(len(self.bands) - 1, -1, -1):
            applies = self.bands[index][0]
            holds, sure = applies.holds(utc), not self.by_calendar or applies.is_sure(utc)
            if holds or not sure:
                found.append(self._worth(index, utc, worth))
            if holds and sure:
                return tuple(found)
        found.append(self._worth(None if self.lapses else 0, utc, worth))
        return tuple(found)

    def _worth(
        self, index: int | None, utc: datetime, worth: dict[tuple[int, Decimal | None], Price]
    ) -> Price | None:
        """Return a band's price with the rate of a moment; ``worth`` are those made already."""
        if index is None:
            return None
        price = self.bands[index][1]
        if price.currency == USD:
            return price
        rate = self.exchange.at(price.currency, utc)
        key = (index, rate.usd if rate is not None else None)
        if key not in worth:
            usd, source = (rate.usd, rate.source) if rate is not None else (None, "")
            worth[key] = price.at_rate(usd, source)
        return worth[key]


def _utc(when: datetime) -> datetime:
    return when.astimezone(UTC) if when.tzinfo is not None else when.replace(tzinfo=UTC)
