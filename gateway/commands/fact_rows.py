"""Facts as a command shows them: how old each one is, its row in a table, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from providers.catalog_facts import Other, Told
from providers.fact_age import age_days
from providers.source import Source

FACT_COLUMNS = ("fact", "age", "what is so, and by which [source]")
UNDATED = "undated"


@dataclass(frozen=True, slots=True)
class Clock:
    """Against which day facts are aged, and after how many days they count as stale."""

    today: date
    stale_days: int

    def age(self, told: Told) -> int | None:
        """Return how many days ago a fact was confirmed; None where nobody knows."""
        return age_days(told.confirmed, self.today)

    def is_stale(self, told: Told) -> bool:
        """Whether a fact is older than the config lets facts be without a mark."""
        days = self.age(told)
        return days is not None and days > self.stale_days

    def words(self, told: Told) -> str:
        """Return the age of a fact for people; "" where there is none, as of what is not read."""
        days = self.age(told)
        if days is None:
            return UNDATED if told.sources else ""
        return f"{days_in_words(days)}, stale" if self.is_stale(told) else days_in_words(days)


def days_in_words(days: int) -> str:
    """Return a number of days for people."""
    return "today" if days == 0 else "1 day" if days == 1 else f"{days} days"


def end_in_words(until: date, now: datetime) -> str:
    """Return when a host ends a model, or that it has."""
    return f"{'ended' if until <= now.date() else 'ends'} {until.isoformat()}"


def fact_rows(facts: Iterable[Told], clock: Clock) -> Iterator[tuple[str, str, str]]:
    """Give each fact its row, and each source that says otherwise a row below it."""
    for told in facts:
        by = f"by {told.by}" if told.by else ""
        yield told.name, clock.words(told), _line(told.said, told.note, told.sources, by)
        for other in told.others:
            yield "", "", f"but {_line(other.said, other.note, other.sources)}"


def _line(said: str, note: str, sources: Mapping[str, Source], by: str = "") -> str:
    remarks = "; ".join(filter(None, (note, by)))
    read = f" [{', '.join(sources)}]" if sources else ""
    return f"{said}{f': {remarks}' if remarks else ''}{read}"


def facts_as_json(facts: Iterable[Told], clock: Clock) -> dict[str, Any]:
    """Return facts by name as plain data."""
    return {told.name: _fact(told, clock) for told in facts}


def _fact(told: Told, clock: Clock) -> dict[str, Any]:
    return {
        "is": "unknown" if told.value is None else told.value,
        "confirmed": told.confirmed,
        "age_days": clock.age(told),
        "stale": clock.is_stale(told),
        "sources": _sources(told.sources),
        "note": told.note or None,
        "by": told.by or None,
        "others": [_other(other) for other in told.others],
    }


def _other(other: Other) -> dict[str, Any]:
    return {"is": other.said, "sources": _sources(other.sources), "note": other.note or None}


def _sources(sources: Mapping[str, Source]) -> list[dict[str, str]]:
    return [{"key": key, "url": one.url, "date": one.date} for key, one in sources.items()]
