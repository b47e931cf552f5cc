"""Under whose law and in which part of the world something was: five words for 249 countries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from billing.sums import SpendRow
from routing import groups

HOME = "home"
# In this order: of several countries the furthest from home counts.
REGIONS = ("home", "europe", "us", "china", "other", "unknown")
EUROPE = groups.members(("EEA", "CH", "GB"))


@dataclass(frozen=True, slots=True)
class Share:
    """What of a time one region had: by the law that its operators stand under, and by place."""

    region: str
    by_operator: SpendRow
    by_place: SpendRow


def region(countries: str) -> str:
    """Return which of ``REGIONS`` a list of countries or groups (with commas between) lies in.

    Who is under the law of two countries is counted where trust is shorter: China before the United
    States, those before the rest of the world, then Europe (the EEA, Switzerland and the United
    Kingdom) and home.
    """
    words = {word for word in countries.split(",") if word}
    if not words or "unknown" in words:
        return "unknown"
    named = groups.members(words)
    if named <= {HOME}:
        return "home"
    away = named - {HOME}
    if "CN" in away:
        return "china"
    if "US" in away:
        return "us"
    return "europe" if away <= EUROPE else "other"


def shares(rows: Iterable[SpendRow], operator: int, place: int) -> list[Share]:
    """Return each region's part, all of ``REGIONS``; the numbers are places among a row's names."""
    found = {name: Share(name, SpendRow(), SpendRow()) for name in REGIONS}
    for row in rows:
        found[region(row.names[operator])].by_operator.add(row)
        found[region(row.names[place])].by_place.add(row)
    return list(found.values())
