"""Public holidays, and weekend days on which a country works, as far as they are surely known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from types import MappingProxyType

from providers.prices import Year

# Some calendars depend on the moon being seen.
_ESTIMATED = "estimated"
_NOBODYS = Year(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of a country's year; ``stated`` years stand in the place of the library's."""

    country: str | None = None
    stated: Mapping[int, Year] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def year(self, year: int) -> Year:
        """Return the days of a year as they are, or will probably be."""
        if year in self.stated:
            return self.stated[year]
        return library(self.country, year)[0] if self.country is not None else _NOBODYS

    def is_sure(self, year: int) -> bool:
        """Whether the days of a year will not change any more."""
        return year in self.stated or (self.country is not None and library(self.country, year)[1])


def has_library() -> bool:
    """Whether the library of holidays is installed: the extra ``holidays``."""
    return find_spec("holidays") is not None


def is_known(country: str) -> bool:
    """Whether the library has a calendar of the country, or of its part: DE, DE-BY.

    Without the library every country is one that it may have.
    """
    if not has_library():
        return True
    import holidays

    name, _, part = country.partition("-")
    parts = holidays.list_supported_countries().get(name)
    return parts is not None and (not part or part in parts)


@lru_cache(maxsize=256)
def library(country: str, year: int) -> tuple[Year, bool]:
    """Return the library's days of a year, and whether they are sure; none for no such country.

    A country that moves working days to weekends decides on them for each year anew: beyond the
    last of those years the library only reckons. Elsewhere the law holds until it is changed, but
    for days that the library calls estimated. Importing it and building the first year takes
    0.15 s, another year about 1 ms. Without the library no day is known, and that surely not.
    """
    if not has_library() or not is_known(country):
        return _NOBODYS, False
    import holidays

    name, _, part = country.partition("-")
    found = holidays.country_holidays(name, subdiv=part or None, years=[year])
    days = {day: said for day, said in found.items() if day.year == year}
    moved = frozenset(day for day in found.weekend_workdays if day.year == year)
    last = _decided_through(name)
    sure = year <= last if last is not None else not any(_ESTIMATED in d for d in days.values())
    known = found.start_year <= year <= found.end_year
    return Year(frozenset(days), moved), sure and known


@lru_cache(maxsize=64)
def _decided_through(name: str) -> int | None:
    """Return the last year whose moved days the library has; None: the country moves none."""
    import holidays

    special = getattr(holidays.country_holidays(name), "special_public_holidays", ())
    years: list[int] = sorted(special)
    if not years or not holidays.country_holidays(name, years=years[-8:]).weekend_workdays:
        return None
    return years[-1]
