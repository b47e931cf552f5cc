"""What a call really cost lies within what was said before, whatever the host charged it by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as copied

from billing import pricing
from billing.bands import ALWAYS, Applies
from billing.calendar import Calendar
from billing.exchange import Exchange, Rate
from billing.price import Price
from billing.price_list import PriceList
from providers.usage import BUCKETS, Usage

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
FIGURE = st.decimals(0, 1000, places=7) | st.sampled_from([Decimal(0), Decimal("1e-9")])
FEE = st.decimals(0, 1, places=13)
COUNT = st.integers(0, 300_000) | st.just(0)
TIERS = ("", "flex", "priority", "nobody's", "auto")


@st.composite
def plain(draw: st.DrawFn, currency: str) -> Price:
    """One set of figures; those that may be missing sometimes are."""
    own: dict[str, Any] = {
        name: draw(st.none() | FIGURE) for name in BUCKETS if name not in ("input", "output")
    }
    return Price(
        draw(FIGURE), draw(FIGURE), **own, request=draw(FEE), search=draw(st.none() | FEE),
        currency=currency, rate=Decimal(1) if currency == "USD" else None,
    )  # fmt: skip


@st.composite
def price(draw: st.DrawFn, currency: str) -> Price:
    """A price with tiers of a long context and of service, each maybe with such of its own."""

    def tiered() -> Price:
        starts = sorted(draw(st.sets(st.integers(1, 400_000), max_size=2)))
        above = tuple((start, draw(plain(currency))) for start in starts)
        return replace(draw(plain(currency)), above_prompt_tokens=above)

    names = draw(st.sets(st.sampled_from(["flex", "priority"])))
    return replace(tiered(), services=tuple((name, tiered()) for name in sorted(names)))


@st.composite
def lists(draw: st.DrawFn) -> PriceList:
    """A list with an hour and a holiday, whose days of this year nobody knows for sure."""
    currency = draw(st.sampled_from(["USD", "CNY"]))
    unsure = Calendar("CN" if draw(st.booleans()) else None)
    bands = [(ALWAYS, draw(price(currency)))]
    if draw(st.booleans()):
        days = Applies(holidays=draw(st.sampled_from(["only", "never"])), calendar=unsure)
        bands.append((days, draw(price(currency))))
    if draw(st.booleans()):
        hours = Applies(
            start=(NOON + timedelta(minutes=7)).time(), end=NOON.replace(hour=18).time()
        )
        bands.append((hours, draw(price(currency))))
    rates = {"CNY": (Rate(draw(st.decimals("0.01", 2, places=4)), None, ""),)}
    return PriceList(tuple(bands), exchange=Exchange(rates))


@st.composite
def used(draw: st.DrawFn, asked: str) -> Usage:
    """What a host may say of a call for which a tier was asked: it may serve the usual one."""
    tiers = ["flex", "priority", ""] if asked == "auto" else [asked, ""]
    counts: dict[str, Any] = {name: draw(COUNT) for name in BUCKETS}
    return Usage(**counts, tier=draw(st.sampled_from(tiers)), searches=draw(st.integers(0, 3)))


SURCHARGE = st.sampled_from([Decimal(1), Decimal("1.1"), Decimal("0.05")])


@given(st.data(), lists(), st.sampled_from(TIERS), SURCHARGE, st.integers(0, 15))
def test_the_true_cost_is_within_the_bounds_and_below_the_ceiling(
    data: st.DataObject, prices: PriceList, asked: str, surcharge: Decimal, late: int
) -> None:
    usage = data.draw(used(asked))
    when = NOON + timedelta(minutes=late)
    cost = pricing.cost(usage, prices, when, surcharge)
    if cost.pico is None:
        return
    less, more = data.draw(st.tuples(COUNT, COUNT)), data.draw(st.tuples(COUNT, COUNT))
    size = (usage.prompt_tokens, usage.completion_tokens)
    least = (max(0, size[0] - less[0]), max(0, size[1] - less[1]))
    most = (size[0] + more[0], size[1] + more[1])
    # What is held before names its searches; those of an answer that broke off have no bound.
    held = pricing.ceiling(prices, NOON, *most, surcharge, tier=asked, searches=usage.searches)
    assert held is None or cost.pico <= held
    assert cost.least is None or cost.most is None or cost.least <= cost.pico <= cost.most
    without = pricing.cost(copied(usage, searches=0), prices, when, surcharge)
    low, high = pricing.bounds(prices, when, least, most, surcharge, asked)
    if without.pico is not None:
        assert low is None or low <= without.pico
        assert high is None or without.pico <= high
