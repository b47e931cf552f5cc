"""When a price holds: days, weekdays, hours and public holidays, in the host's time zone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

from billing.calendar import Calendar
from providers.prices import Moment

SATURDAY = 5
WORKDAYS = frozenset(range(SATURDAY))
# How far ahead the next public holiday is looked for.
_AHEAD = 370


@dataclass(frozen=True, slots=True)
class Applies:
    """When a price holds: all that is said of the time must be so.

    Days and times of day are those of ``zone``. ``since`` is the first moment, ``until`` the first
    one after the last; a day stands for its beginning. ``end`` is exclusive; an ``end`` before
    ``start`` means over midnight. ``weekdays`` count from 0, Monday. ``holidays``: only on public
    holidays of ``calendar``, or never on one; ``makeup_days``: what a weekend day counts as on
    which the country works. ``also`` must hold too.
    """

    since: Moment | None = None
    start: time | None = None
    end: time | None = None
    until: Moment | None = None
    weekdays: frozenset[int] | None = None
    holidays: Literal["only", "never"] | None = None
    makeup_days: Literal["workday", "weekend", "unknown"] = "weekend"
    calendar: Calendar | None = None
    zone: tzinfo = UTC
    also: Applies | None = None
    begins: datetime | None = field(init=False, repr=False, compare=False)
    ends: datetime | None = field(init=False, repr=False, compare=False)
    by_day: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begins", _utc(self.since, self.zone))
        object.__setattr__(self, "ends", _utc(self.until, self.zone))
        by_day = self.weekdays is not None or self.holidays is not None
        object.__setattr__(self, "by_day", by_day)

    @property
    def is_always(self) -> bool:
        """Whether there is no moment at which it does not hold."""
        bounds = (self.begins, self.ends, self.start, self.also)
        return not self.by_day and all(bound is None for bound in bounds)

    @property
    def is_never(self) -> bool:
        """Whether it ends before it begins, taken together with what must hold too."""
        begins = max((one.begins for one in self.all() if one.begins is not None), default=None)
        ends = min((one.ends for one in self.all() if one.ends is not None), default=None)
        return begins is not None and ends is not None and ends <= begins

    def all(self) -> Iterable[Applies]:
        """Give this and all that must hold too."""
        one: Applies | None = self
        while one is not None:
            yield one
            one = one.also

    def within(self, other: Applies) -> Applies:
        """Return what holds where both do."""
        if other.is_always:
            return self
        if self.is_always:
            return other
        return replace(self, also=other if self.also is None else self.also.within(other))

    def holds(self, utc: datetime) -> bool:
        """Whether the price holds at ``utc``, as far as the holidays of its year are known."""
        if self.begins is not None and utc < self.begins:
            return False
        if self.ends is not None and utc >= self.ends:
            return False
        if self.start is not None or self.by_day:
            local = utc if self.zone is UTC else utc.astimezone(self.zone)
            if not self._in_hours(local) or (self.by_day and not self._on(local.date())):
                return False
        return self.also is None or self.also.holds(utc)

    def is_sure(self, utc: datetime) -> bool:
        """Whether what ``holds`` says of a moment will stay so once its holidays are known."""
        if self.begins is not None and utc < self.begins:
            return True
        if self.ends is not None and utc >= self.ends:
            return True
        local = utc.astimezone(self.zone)
        if not self._in_hours(local):
            return True
        if self.also is not None and self.also.is_sure(utc) and not self.also.holds(utc):
            return True
        return self._is_sure_on(local.date()) and (self.also is None or self.also.is_sure(utc))

    def _in_hours(self, local: datetime) -> bool:
        if self.start is None or self.end is None:
            return True
        now = local.time()
        if self.end < self.start:
            return now >= self.start or now < self.end
        return self.start <= now < self.end

    def _on(self, day: date) -> bool:
        weekday, weekdays, calendar = day.weekday(), self.weekdays, self.calendar
        if weekdays is not None:
            works = (
                weekday >= SATURDAY
                and self.makeup_days == "workday"
                and calendar is not None
                and day in calendar.year(day.year).workdays
            )
            if not (weekdays & WORKDAYS if works else weekday in weekdays):
                return False
        if self.holidays is None or calendar is None:
            return True
        return (day in calendar.year(day.year).days) is (self.holidays == "only")

    def _is_sure_on(self, day: date) -> bool:
        calendar, weekdays = self.calendar, self.weekdays
        if calendar is None or not self.by_day:
            return True
        may_work = (
            weekdays is not None and day.weekday() >= SATURDAY and self.makeup_days != "weekend"
        )
        if calendar.is_sure(day.year):
            unsaid = may_work and self.makeup_days == "unknown"
            return not (unsaid and day in calendar.year(day.year).workdays)
        if may_work:
            return False
        return self.holidays is None or (weekdays is not None and day.weekday() not in weekdays)


def _utc(moment: Moment | None, zone: tzinfo) -> datetime | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)


ALWAYS = Applies()


def changes(bands: Iterable[Applies], day: date) -> set[datetime]:
    """Return every moment of a day in UTC at which one of the bands may begin or end to hold."""
    first = datetime.combine(day, time(), UTC)
    last = first + timedelta(days=1)
    found: set[datetime] = set()
    for one in {one for band in bands for one in band.all()}:
        found |= {at for at in (one.begins, one.ends) if at is not None}
        hours = {hour for hour in (one.start, one.end) if hour is not None}
        hours |= {time()} if one.by_day else set()
        if hours:
            found |= _local(hours, day, one.zone)
            found |= _shifts(first, one.zone)
    return {at for at in found if first <= at < last}


def _local(hours: Iterable[time], day: date, zone: tzinfo) -> set[datetime]:
    """Return when it is one of ``hours`` in a zone on a day and its neighbours, in UTC."""
    return {
        datetime.combine(day + timedelta(days=shift), hour, zone).replace(fold=fold).astimezone(UTC)
        for hour in hours
        for shift in (-1, 0, 1)
        for fold in (0, 1)
    }


@lru_cache(maxsize=64)
def _shifts(first: datetime, zone: tzinfo) -> frozenset[datetime]:
    """Return when the clocks of a zone change within a day; they do so on half hours."""
    if zone is UTC:
        return frozenset()
    moments = [first + n * timedelta(minutes=30) for n in range(-1, 49)]
    offsets = [moment.astimezone(zone).utcoffset() for moment in moments]
    changed = zip(moments[1:], offsets, offsets[1:], strict=False)
    return frozenset(at for at, was, now in changed if was != now)


def turns(bands: Iterable[Applies], now: datetime) -> list[datetime]:
    """Return moments from today on between which all different prices hold, in UTC, in order.

    That is every change of today, of the days on which a band begins or ends, of the next week and
    of the next public holiday where bands depend on them.
    """
    bands = list(bands)
    today = now.astimezone(UTC).date()
    days = {today}
    for one in {one for band in bands for one in band.all()}:
        days |= {at.date() for at in (one.begins, one.ends) if at is not None and at > now}
        if one.by_day:
            days |= {today + timedelta(days=ahead) for ahead in range(8)}
            days |= _next_holiday(one, today)
    return sorted(set().union(*(changes(bands, day) for day in days)))


def _next_holiday(one: Applies, today: date) -> set[date]:
    if one.holidays is None or one.calendar is None:
        return set()
    for ahead in range(_AHEAD):
        day = today + timedelta(days=ahead)
        if day in one.calendar.year(day.year).days:
            return {day}
    return set()
