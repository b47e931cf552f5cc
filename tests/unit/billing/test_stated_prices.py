"""From statements to price lists: bands, tiers, what adds, what changes, what lies over what."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as copied

from billing.bands import ALWAYS, Applies
from billing.exchange import Exchange, Rate
from billing.list_prices import from_genai_prices
from billing.price_list import HOLD_MOST, PriceList
from billing.pricing import Cost, bounds, ceiling, cost
from billing.stated_prices import changed, from_statement, over, times
from gateway.config_prices import PriceForm
from providers.prices import Prices
from providers.usage import BUCKETS, Usage

D = Decimal
NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)  # a Thursday, 10:00 in Shanghai
EVENING = NOW + timedelta(hours=8)
SUNDAY = datetime(2026, 11, 29, 2, tzinfo=UTC)
USED = Usage(input=1_000_000, output=1_000_000)


def said(**more: Any) -> Prices:
    """Return a statement in the words of the config."""
    return PriceForm.model_validate({"input": 1, "output": 4, **more}).frozen()


def usd(prices: PriceList | None, usage: Usage = USED, when: datetime = NOW) -> str | None:
    """Return what usage costs, in dollars as text."""
    found = cost(usage, prices, when)
    return None if found.pico is None else f"{D(found.pico).scaleb(-12).normalize():f}"


PEAK = {
    "name": "peak",
    "factor": 2,
    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "hours": ["09:00-12:00", "14:00-18:00"],
    "holidays": "never",
}
CHINA = {"time_zone": "Asia/Shanghai", "holidays_of": "CN"}


def test_peak_hours_double_what_holds_without_them() -> None:
    prices = from_statement(said(bands=[PEAK], **CHINA))
    assert usd(prices) == "10"
    assert usd(prices, when=EVENING) == usd(prices, when=SUNDAY) == "5"
    assert usd(prices, when=datetime(2026, 10, 1, 2, tzinfo=UTC)) == "5", "a holiday"
    found = cost(USED, prices, NOW)
    assert found.price is not None
    assert json.loads(found.price.unit_prices) == {"input": "2", "output": "8", "band": "peak"}


def test_a_dated_rise_before_the_peak_is_doubled_too() -> None:
    rise = {"name": "dearer", "from": "2026-12-01", "input": 3, "output": 5}
    prices = from_statement(said(bands=[rise, PEAK], **CHINA))
    assert usd(prices) == "10"
    assert usd(prices, when=datetime(2026, 12, 1, 2, tzinfo=UTC)) == "16"
    assert usd(prices, when=datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC)) == "5"
    assert usd(prices, when=datetime(2026, 11, 30, 16, tzinfo=UTC)) == "8", "midnight there"


def test_a_band_says_nothing_of_buckets_that_it_does_not_name() -> None:
    rise = {"name": "dearer", "from": "2026-12-01", "input": 3, "output": 5}
    prices = from_statement(said(cached_read="0.1", request="0.5", search="0.01", bands=[rise]))
    later = datetime(2026, 12, 2, tzinfo=UTC)
    assert usd(prices, Usage(cache_read=1000), later) is None
    assert usd(prices, Usage(input=1_000_000, searches=2), later) == "3.52", "but its fees stay"


def test_days_that_are_not_decided_are_held_at_the_dearest_and_bound_the_cost() -> None:
    prices = from_statement(said(bands=[PEAK], **CHINA))
    march = datetime(2027, 3, 3, 2, tzinfo=UTC)
    found = cost(USED, prices, march)
    assert (found.pico, found.least, found.most) == (10 * 10**12, 5 * 10**12, 10 * 10**12)
    saturday = datetime(2027, 3, 6, 2, tzinfo=UTC)
    assert usd(prices, when=saturday) == "5"
    assert ceiling(prices, saturday, 10**6, 10**6) == 10 * 10**12
    sure = cost(USED, prices, NOW)
    assert sure.least == sure.most == sure.pico
    stated = said(bands=[PEAK], holidays={2027: {"days": ["2027-02-08"]}}, **CHINA)
    assert cost(USED, from_statement(stated), march).least == 10 * 10**12


LONG = {"prompt_tokens": 200_000, "input": 2, "output": 6}


def test_long_prompts_above_a_number_or_from_it_on() -> None:
    above = from_statement(said(above=[LONG]))
    from_on = from_statement(said(above=[{"from_prompt_tokens": 200_000, "input": 2, "output": 6}]))
    assert (usd(above, Usage(input=200_000)), usd(above, Usage(input=200_001))) == (
        "0.2",
        "0.400002",
    )
    assert (usd(from_on, Usage(input=199_999)), usd(from_on, Usage(input=200_000))) == (
        "0.199999",
        "0.4",
    )
    twice = from_statement(said(above=[{"from_prompt_tokens": 200_000, "factor": 2}]))
    assert usd(twice, Usage(input=200_000, output=10)) == "0.40008"


def test_tiers_of_service_by_factor_and_by_figures() -> None:
    tiers = {
        "batch": {"factor": "0.5"},
        "priority": {"input": 3, "output": 9, "above": [{**LONG, "input": 7}]},
    }
    prices = from_statement(said(above=[LONG], tiers=tiers, search="0.01"))
    long = Usage(input=300_000, searches=1)
    assert usd(prices, copied(USED, tier="batch", input=100_000)) == "2.05"
    assert usd(prices, copied(long, tier="batch")) == "0.31", "the search at its full price"
    assert usd(prices, copied(long, tier="priority")) == "2.11"
    assert usd(prices, copied(long, tier="flex")) is None, "never the usual price"
    assert "'flex'" in cost(copied(long, tier="flex"), prices, NOW).why
    found = cost(copied(long, tier="batch"), prices, NOW)
    assert found.price is not None
    assert json.loads(found.price.unit_prices) == {
        "input": "1", "output": "3", "search": "0.01", "tier": "batch",
        "above_prompt_tokens": "200000",
    }  # fmt: skip


def test_tiers_by_factor_go_with_the_band() -> None:
    rise = {"name": "dearer", "from": "2026-11-01", "input": 3, "output": 5}
    tiers = {"batch": {"factor": "0.5"}, "fast": {"input": 9, "output": 9}}
    prices = from_statement(said(bands=[rise], tiers=tiers))
    assert usd(prices, copied(USED, tier="batch")) == "4"
    assert usd(prices, copied(USED, tier="fast")) is None
    assert usd(prices, copied(USED, tier="fast"), datetime(2026, 10, 1, tzinfo=UTC)) == "18"


def test_a_zero_holds_in_every_tier_and_for_searches() -> None:
    free = from_statement(said(input=0, output=0))
    assert usd(free, Usage(input=9, image_output=9, searches=3, tier="flex")) == "0"
    zero_in = from_statement(said(input=0, output=1))
    assert usd(zero_in, Usage(input=9, searches=1)) is None


def test_what_adds_leaves_the_package_list_as_it_is() -> None:
    listed = from_genai_prices("openai", "gpt-5")
    assert listed is not None
    listed = replace(
        listed,
        bands=tuple((when, replace(p, search=None, services=())) for when, p in listed.bands),
    )
    listed = over(listed, said(until="2026-01-01"))
    assert usd(listed, Usage(input=1, searches=1)) is None
    assert usd(listed, Usage(input=1, tier="flex")) is None
    form = {"search": "0.01", "tiers": {"flex": {"factor": "0.5"}}, "source": "its page"}
    added = over(listed, PriceForm.model_validate(form).frozen())
    for usage in (Usage(input=1000), Usage(input=300_000, output=7), Usage(cache_read=5)):
        assert usd(added, usage) == usd(listed, usage)
        half = cost(copied(usage, tier="flex"), added, NOW).pico
        assert half is not None
        assert 2 * half == cost(usage, listed, NOW).pico
    assert usd(added, Usage(input=300_000, searches=2)) == "0.395", "0.375 and two cents"
    found = cost(USED, added, NOW).price
    assert found is not None
    assert found.source.startswith("genai-prices ")
    assert found.source.endswith(" + its page")
    alone = over(None, PriceForm.model_validate(form).frozen())
    assert usd(alone, Usage(input=1)) is None


def test_outside_of_its_time_a_statement_leaves_what_is_below() -> None:
    base = from_statement(said())
    december = {"from": "2026-12-01", "until": "2027-01-01", "time_zone": "Europe/Paris"}
    own = said(input=9, output=9, **december)
    days = [datetime(2026, 11, 30, 22, 59, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC),
            datetime(2026, 12, 31, 22, 59, tzinfo=UTC), datetime(2026, 12, 31, 23, tzinfo=UTC)]  # fmt: skip
    assert [usd(over(base, own), when=day) for day in days] == ["5", "18", "18", "5"]
    assert [usd(over(None, own), when=day) for day in days] == [None, "18", "18", None]
    assert over(None, own).at(days[0]) is None
    assert ceiling(over(None, own), days[0], 1, 1) is None, "it may begin without a price"


def test_a_surcharge_is_on_tokens_and_a_discount_on_everything() -> None:
    prices = from_statement(said(request="0.1", search="0.01"))
    used = copied(USED, searches=1)
    assert usd(times(prices, D("1.1")), used) == "5.61"
    year = Applies(since=date(2026, 1, 1), until=date(2027, 1, 1))
    cheaper = changed(prices, year, D("0.85"))
    assert usd(cheaper, used) == "4.3435"
    assert usd(cheaper, used, datetime(2027, 1, 1, tzinfo=UTC)) == usd(prices, used) == "5.11"
    assert len(changed(prices, ALWAYS, D("0.5")).bands) == 1


def test_what_a_host_states_beats_our_arithmetic_and_both_are_kept() -> None:
    prices = from_statement(said())
    found = cost(copied(USED, stated_usd=D("4.9")), prices, NOW)
    assert (found.pico, found.state, found.computed_pico) == (49 * 10**11, "stated", 5 * 10**12)
    fee = replace(prices, on_stated=((Applies(since=date(2026, 1, 1)), D("1.055")),))
    assert cost(copied(USED, stated_usd=D("4.9")), fee, NOW).pico == 5_169_500_000_000
    before = cost(copied(USED, stated_usd=D(1)), fee, datetime(2025, 1, 1, tzinfo=UTC))
    assert before.pico == 10**12
    unknown = cost(copied(USED, stated_usd=D(1), tier="flex"), prices, NOW)
    assert (unknown.pico, unknown.computed_pico) == (10**12, None)


# What holds of every list that can be stated


# Figures with more than six decimals are rounded, and all others are exact.
FIGURES = st.sampled_from(
    [D(0), D("0.05"), D("2.75"), D(40), D("0.04166666666667"), D("0.0000005")]
)
FACTORS = st.sampled_from([D("0.5"), D("1.8"), D(2), D("0.15")])
MOMENTS = st.datetimes(
    datetime(2026, 9, 1),  # noqa: DTZ001 - hypothesis wants bounds without a zone
    datetime(2027, 4, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC]),
)
RATES = Exchange(
    MappingProxyType(
        {
            "CNY": (
                Rate(D("0.13"), None, ""),
                Rate(D("0.1405"), datetime(2026, 11, 1, tzinfo=UTC), ""),
            )
        }
    )
)


@st.composite
def terms(draw: st.DrawFn, *, may_scale: bool = True) -> dict[str, Any]:
    """Draw figures for everything, or a factor."""
    if may_scale and draw(st.booleans()):
        return {"factor": draw(FACTORS)}
    words = {"cache_read": "cached_read", "cache_write": "cached_write",
             "cache_write_long": "cached_write_long"}  # fmt: skip
    names = [words.get(name, name) for name in (*BUCKETS, "request", "search")]
    return {name: draw(FIGURES) for name in names}


@st.composite
def statements(draw: st.DrawFn) -> PriceList:
    """Draw a list with bands, tiers of both kinds and a currency, perhaps with a discount."""
    stated: dict[str, Any] = draw(terms(may_scale=False))
    stated |= {"currency": draw(st.sampled_from(["USD", "CNY"])), **CHINA}
    if draw(st.booleans()):
        stated["above"] = [{"prompt_tokens": draw(st.integers(1, 400_000)), **draw(terms())}]
    stated["tiers"] = {name: draw(terms()) for name in ("batch", "priority")}
    stated["bands"] = [
        {
            "name": f"band {number}".replace(" ", "-"),
            "hours": draw(st.sampled_from([[], ["09:00-12:00", "14:00-14:05"], ["22:00-06:30"]])),
            "from": draw(st.sampled_from([None, "2026-11-26", "2026-11-26T10:01"])),
            "weekdays": draw(st.sampled_from([None, ["mon", "tue", "wed", "thu", "fri"]])),
            "holidays": draw(st.sampled_from(["only", "never"])),
            "tiers": {},
            **draw(terms()),
        }
        for number in range(draw(st.integers(0, 2)))
    ]
    prices = replace(from_statement(PriceForm.model_validate(stated).frozen()), exchange=RATES)
    if draw(st.booleans()):
        prices = changed(prices, Applies(since=date(2026, 11, 1)), D("0.85"))
    return prices


USAGES = st.builds(
    Usage,
    **dict.fromkeys(BUCKETS, st.integers(0, 300_000)),
    searches=st.integers(0, 3),
    tier=st.sampled_from(["", "batch", "priority"]),
)


@given(statements(), USAGES, MOMENTS, st.integers(0, int(HOLD_MOST.total_seconds())))
def test_no_call_costs_more_than_was_held_for_it(
    prices: PriceList, usage: Usage, when: datetime, later: int
) -> None:
    began = when + timedelta(seconds=later)
    found = cost(usage, prices, began)
    into, out = usage.prompt_tokens, usage.completion_tokens
    held = ceiling(prices, when, into, out, tier=usage.tier, searches=usage.searches)
    every = [price.in_service(usage.tier) for price in prices.about(when) if price is not None]
    # A band with figures of its own knows no tier that it does not name.
    assert (held is None) == (None in every)
    if held is None or found.pico is None or found.most is None:
        return
    assert found.pico <= found.most <= held
    least, most = bounds(prices, began, (into, out), (into, out), tier=usage.tier)
    assert least is not None
    assert most is not None
    assert least <= found.pico
    if not usage.searches:
        assert found.pico <= most


@given(statements(), USAGES, MOMENTS)
def test_an_entry_prices_again_to_the_same_cent_and_its_figures_give_the_cost(
    prices: PriceList, usage: Usage, when: datetime
) -> None:
    found = cost(usage, prices, when)
    if found.pico is None:
        assert usage.tier in found.why
        return
    again = cost(usage, replace(prices), when.astimezone())
    assert (again.pico, again.native_pico) == (found.pico, found.native_pico)
    assert abs(_by_hand(found, usage) - (found.native_pico or 0)) <= D("0.5")
    assert abs(_by_hand(found, usage) * D(found.rate) - found.pico) <= D("0.5")


def _by_hand(found: Cost, usage: Usage) -> Decimal:
    """Return 1e-12 of the currency by the unit prices that the ledger keeps."""
    assert found.price is not None
    units = json.loads(found.price.unit_prices)
    total = sum((getattr(usage, name) * D(units[name]) * 10**6 for name in BUCKETS), D(0))
    return total + (D(units.get("request", "0")) + usage.searches * D(units["search"])) * 10**12


@pytest.mark.parametrize("tier", ["", "batch", "priority", "auto", "nobody knows"])
def test_what_may_be_answered_in_the_usual_tier_is_held_for_it_too(tier: str) -> None:
    tiers = {"batch": {"factor": "0.5"}, "priority": {"factor": 2}}
    prices = from_statement(said(tiers=tiers))
    most = {"": 5, "batch": 5, "priority": 10, "auto": 10, "nobody knows": None}[tier]
    held = ceiling(prices, NOW, 10**6, 10**6, tier=tier)
    assert held == (None if most is None else most * 10**12)
    assert ceiling(prices, NOW, 1, 1, searches=1) is None, "its price is not known"
