"""What a subscription really cost, what the same tokens cost elsewhere, whether it pays. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from billing import whatif
from billing.bill import QUARTER_S
from billing.money import PICO_PER_USD, half_even
from billing.plan_use import Hour
from billing.price_list import PriceList
from providers.usage import BUCKETS, Usage

MONTHS: Mapping[str, int] = MappingProxyType({"month": 1, "quarter": 3, "year": 12})
MILLION = 10**6
# What a model costs by the token; None where nobody knows.
PriceOf = Callable[[str], PriceList | None]


@dataclass(frozen=True, slots=True)
class Paid:
    """A fee in US dollars for each period (month, quarter, year), from ``since`` on (aware)."""

    usd: Decimal
    per: str
    since: datetime | None = None
    times: int = 1


@dataclass(slots=True)
class Elsewhere:
    """What tokens cost by other prices, 1e-12 dollars, and how many tokens have no known price.

    ``by_mean`` says that some of the prices rise with the length of a prompt: then the mean length
    of an hour's prompts stands for each.
    """

    pico: int = 0
    tokens: int = 0
    unpriced: int = 0
    by_mean: bool = False


@dataclass(slots=True)
class Account:
    """One plan over a span: what it took in, what was paid, what the same cost elsewhere.

    ``fee`` is 1e-12 dollars, None where no fee in dollars is known. ``extra`` is what was billed by
    the token beside it, ``extra_unknown`` the calls of that kind without a known cost.
    ``first_half`` and ``second_half`` are the tokens of the two halves of the span.
    """

    requests: int = 0
    answers: int = 0
    usage: Usage = field(default_factory=Usage)
    estimated: int = 0
    fee: int | None = None
    extra: int = 0
    extra_tokens: int = 0
    extra_unknown: int = 0
    by_token: Elsewhere = field(default_factory=Elsewhere)
    other: Elsewhere | None = None
    first_half: int = 0
    second_half: int = 0

    @property
    def tokens(self) -> int:
        """All tokens that the plan paid, in and out."""
        return self.usage.prompt_tokens + self.usage.completion_tokens

    @property
    def per_million(self) -> int | None:
        """What a million of them really cost, 1e-12 dollars; None without tokens or a fee."""
        if self.fee is None or not self.tokens:
            return None
        return half_even(self.fee * MILLION, self.tokens)

    @property
    def saved(self) -> int | None:
        """What the plan saved against the vendor's price by the token; less than 0: it lost.

        None where either is unknown, or some tokens have no price.
        """
        if self.fee is None or self.by_token.unpriced or not self.by_token.tokens:
            return None
        return self.by_token.pico - self.fee

    @property
    def break_even_tokens(self) -> int | None:
        """How many tokens of this mix the fee buys by the token; None where that is unknown."""
        if self.fee is None or not self.by_token.pico:
            return None
        return half_even(self.fee * self.by_token.tokens, self.by_token.pico)


def prorated(paid: Paid, since: datetime, until: datetime, zone: tzinfo) -> int:
    """Return what of a fee falls into a span, 1e-12 dollars; months are the calendar's of ``zone``.

    A period's fee is spread evenly over its time, so that spans add up.
    """
    begin = max(since, paid.since) if paid.since is not None else since
    total, at = Fraction(0), begin
    while at < until:
        first, after = _period(at.astimezone(zone), MONTHS[paid.per])
        end = min(after, until)
        total += Fraction(_seconds(end - at)) / Fraction(_seconds(after - first))
        at = end
    return round(total * Fraction(paid.usd) * paid.times * PICO_PER_USD)


def _period(local: datetime, months: int) -> tuple[datetime, datetime]:
    """Return when the period around a moment began, and when the next one does."""
    number = local.year * 12 + (local.month - 1) // months * months
    first, after = (
        datetime(one // 12, one % 12 + 1, 1, tzinfo=local.tzinfo).astimezone(UTC)
        for one in (number, number + months)
    )
    return first, after


def _seconds(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 10**6)


def account(
    hours: Iterable[Hour],
    paid: Paid | None,
    span: tuple[datetime, datetime],
    zone: tzinfo,
    price_of: PriceOf,
    other: PriceOf | None = None,
) -> Account:
    """Return what one plan took in over ``span``; ``hours`` are those of its provider.

    ``price_of`` is the vendor's price by the token, ``other`` that of another route.
    """
    found = Account(fee=None if paid is None else prorated(paid, *span, zone))
    found.other = None if other is None else Elsewhere()
    middle = (span[0] + (span[1] - span[0]) / 2).timestamp()
    for hour in hours:
        if not hour.plan:
            found.extra += hour.cost
            found.extra_tokens += hour.tokens
            found.extra_unknown += hour.unknown
            continue
        found.requests += hour.requests
        found.answers += hour.answers
        found.estimated += hour.estimated
        found.usage = added(found.usage, hour.usage)
        if hour.at < middle:
            found.first_half += hour.tokens
        else:
            found.second_half += hour.tokens
        reprice(found.by_token, hour, price_of(hour.model))
        if found.other is not None and other is not None:
            reprice(found.other, hour, other(hour.model))
    return found


def reprice(into: Elsewhere, hour: Hour, prices: PriceList | None) -> None:
    """Add what one hour's tokens cost at other prices, those of that hour."""
    prompt = hour.usage.prompt_tokens // max(1, hour.answers)
    tokens = tuple(getattr(hour.usage, name) for name in BUCKETS)
    quarter = hour.at // QUARTER_S
    used = whatif.Used(quarter, prompt, hour.answers, hour.usage.searches, tokens)
    found = whatif.elsewhere((used,), prices)
    if prices is None or (found.unknown and hour.tokens):
        into.unpriced += hour.tokens
        return
    into.by_mean = into.by_mean or bool(whatif.thresholds([prices]))
    into.pico += found.pico
    into.tokens += hour.tokens


def added(one: Usage, other: Usage) -> Usage:
    """Return the sum of two usages, bucket by bucket."""
    both: dict[str, Any] = {name: getattr(one, name) + getattr(other, name) for name in BUCKETS}
    return Usage(**both)
