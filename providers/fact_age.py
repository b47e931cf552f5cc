"""How old a fact is, counted from the words in which its sources are dated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

_DATE = re.compile(r"\b(20[0-9]{2})(?:-([01][0-9])(?:-([0-3][0-9]))?)?\b")


def day_of(words: str) -> date | None:
    """Return the earliest day that a source's date may mean; None where it names no year.

    "2026-10" is its first day, "read 2026-11-23, written 2026-08" is the first of August: a fact is
    never taken for younger than it may be.
    """
    days = [day for day in map(_day, _DATE.finditer(words)) if day is not None]
    return min(days, default=None)


def newest(dates: Iterable[str]) -> date | None:
    """Return the day of a fact with several sources: of the one that confirmed it last."""
    days = [day for day in map(day_of, dates) if day is not None]
    return max(days, default=None)


def age_days(confirmed: date | None, today: date) -> int | None:
    """Return how many days ago a fact was confirmed; None where nobody knows."""
    return None if confirmed is None else max(0, (today - confirmed).days)


def _day(found: re.Match[str]) -> date | None:
    year, month, day = found.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
