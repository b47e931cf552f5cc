"""What a vendor's price list says, frozen: figures, tiers, bands of time, in the vendor's currency.

Figures are by name: a bucket of ``providers.usage`` per million tokens, ``request`` and ``search``
for one of them. What is not among the figures has no known price. ``billing.list_prices`` makes of
it what prices calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

from providers.source import Source
from providers.usage import BUCKETS

# What a call is charged for beside its tokens, each for one of it.
FEES = ("request", "search")
FIGURES = (*BUCKETS, *FEES)
Currency = Literal["USD", "EUR", "CNY", "CHF", "GBP"]
Moment = date | datetime
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _none() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Terms:
    """Figures, or in their place a ``factor`` by which those of what it stands in are multiplied.

    ``above`` leads from numbers of prompt tokens, rising, to the terms of a whole call whose prompt
    has more; ``tiers`` from a tier of service (batch, flex, priority) to its terms.
    """

    figures: Mapping[str, Decimal]
    factor: Decimal | None = None
    above: tuple[tuple[int, Terms], ...] = ()
    tiers: Mapping[str, Terms] = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Band:
    """Terms that hold at some times only: all that is said of the time must be so.

    A day is one of the list's time zone, and ``since`` and ``until`` begin with it; ``until`` is
    the first moment at which they do not hold any more. ``weekdays`` count from 0, Monday.
    ``hours`` are alternatives, each up to its end and without it, over midnight where that is
    earlier; their part behind midnight is of the next weekday.
    ``holidays``: only on public holidays, or never on one. ``makeup_days``: what a Saturday or
    Sunday counts as on which the country works.
    """

    name: str
    terms: Terms
    since: Moment | None = None
    until: Moment | None = None
    weekdays: frozenset[int] | None = None
    hours: tuple[tuple[time, time], ...] = ()
    holidays: Literal["only", "never"] | None = None
    makeup_days: Literal["workday", "weekend", "unknown"] = "unknown"
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Year:
    """The public holidays of a year, and the weekend days on which the country works."""

    days: frozenset[date]
    workdays: frozenset[date]


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model costs, in the currency that is billed.

    ``figures``, ``above`` and ``tiers`` hold where no band does. Bands count in their order: one
    with figures stands in the place of what held before it, one with a factor multiplies that.
    ``since`` and ``until`` bound the whole, as in a band. ``holidays`` stand in the place of what
    the calendar of the country ``holidays_of`` says of those years. ``adds`` lays figures and tiers
    over those of the price package, which stay where nothing is said here.
    """

    figures: Mapping[str, Decimal]
    currency: Currency
    above: tuple[tuple[int, Terms], ...]
    source: Source
    tiers: Mapping[str, Terms] = field(default_factory=_none)
    bands: tuple[Band, ...] = ()
    time_zone: str = "UTC"
    holidays_of: str | None = None
    holidays: Mapping[int, Year] = field(default_factory=lambda: MappingProxyType({}))
    since: Moment | None = None
    until: Moment | None = None
    adds: bool = False

    @property
    def terms(self) -> Terms:
        """What holds where no band does."""
        return Terms(self.figures, None, self.above, self.tiers)


def freeze(said: Mapping[str, Any], source: Source, sources: Mapping[str, Source]) -> Prices:
    """Return the statement that a file makes, from its form as plain data without any None.

    ``sources`` are those which its bands may name by key.
    """
    terms = _terms(said)
    return Prices(
        figures=terms.figures,
        currency=said["currency"],
        above=terms.above,
        source=source,
        tiers=terms.tiers,
        bands=tuple(_band(one, sources) for one in said["bands"]),
        time_zone=said["time_zone"],
        holidays_of=said.get("holidays_of"),
        holidays=MappingProxyType(
            {
                year: Year(_days(one["days"]), _days(one["workdays"]))
                for year, one in said["holidays"].items()
            }
        ),
        since=moment(said["since"]) if "since" in said else None,
        until=moment(said["until"]) if "until" in said else None,
        adds=said["adds"],
    )


def _terms(said: Mapping[str, Any]) -> Terms:
    above = (
        # A tier that begins with a number of tokens begins above the one before it.
        (one.get("prompt_tokens", one.get("from_prompt_tokens", 0) - 1), _terms(one))
        for one in said.get("above", ())
    )
    return Terms(
        figures=MappingProxyType({name: said[name] for name in FIGURES if name in said}),
        factor=said.get("factor"),
        above=tuple(above),
        tiers=MappingProxyType({name: _terms(one) for name, one in said.get("tiers", {}).items()}),
    )


def _band(said: Mapping[str, Any], sources: Mapping[str, Source]) -> Band:
    days = said.get("weekdays")
    return Band(
        name=said["name"],
        terms=_terms(said),
        since=moment(said["since"]) if "since" in said else None,
        until=moment(said["until"]) if "until" in said else None,
        weekdays=frozenset(map(WEEKDAYS.index, days)) if days is not None else None,
        hours=tuple(map(hours, said["hours"])),
        holidays=said.get("holidays"),
        makeup_days=said["makeup_days"],
        source=sources[said["source"][0]] if said["source"] else None,
    )


def moment(text: str) -> Moment:
    """Return a day such as 2026-12-01, or a moment of one such as 2026-12-01T16:00.

    Raises ``ValueError`` for another text.
    """
    return (
        datetime.fromisoformat(text) if len(text) > len("2026-12-01") else date.fromisoformat(text)
    )


def _days(texts: Iterable[str]) -> frozenset[date]:
    return frozenset(map(date.fromisoformat, texts))


def hours(text: str) -> tuple[time, time]:
    """Return the ends of hours such as 09:00-12:00, 24:00 as midnight; raises ``ValueError``."""
    start, dash, end = text.replace("24:00", "00:00").partition("-")
    if not dash or len(start.strip()) != len("09:00") or len(end.strip()) != len("09:00"):
        raise ValueError(f"`{text}` are no hours of a day; write them as 09:00-12:00")
    return time.fromisoformat(start.strip()), time.fromisoformat(end.strip())
