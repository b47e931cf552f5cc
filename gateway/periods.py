"""Spans of time as people and programs name them, in the zone of the reports."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

# The spans that pages offer by name; any other is named by its two days.
PERIODS = ("today", "yesterday", "7d", "last-week", "30d", "month", "last-month")


def first_and_last_day(period: str, now: datetime) -> tuple[date, date]:
    """Return the days of one of ``PERIODS``, as seen from ``now`` in its own zone.

    Weeks begin on Monday (ISO 8601).
    """
    today = now.date()
    if period == "yesterday":
        return today - timedelta(days=1), today - timedelta(days=1)
    if period == "last-week":
        monday = today - timedelta(days=today.weekday() + 7)
        return monday, monday + timedelta(days=6)
    if period == "month":
        return today.replace(day=1), today
    if period == "last-month":
        last = today.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    days = {"today": 1, "7d": 7, "30d": 30}[period]
    return today - timedelta(days=days - 1), today


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the moment at which ``day`` begins."""
    return datetime.combine(day, time(), zone)


def moment(text: str, zone: tzinfo) -> datetime:
    """Return the moment that ``2026-11-25`` or ``2026-11-25T14:00+01:00`` names.

    A date is its beginning; what has no offset is in ``zone``. Raises ``ValueError``.
    """
    try:
        # In an address a plus sign comes as a space.
        when = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is no time; 2026-11-25 or 2026-11-25T14:00Z would be right"
        ) from None
    return when if when.tzinfo is not None else when.replace(tzinfo=zone)
