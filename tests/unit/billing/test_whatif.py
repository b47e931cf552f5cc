"""The same tokens at another price: tier by tier, hour by hour, exactly what each call would cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from billing import pricing
from billing.bands import ALWAYS, Applies
from billing.bill import QUARTER_S
from billing.price import Price
from billing.price_list import PriceList
from billing.whatif import Used, elsewhere, thresholds
from providers.usage import BUCKETS, Usage

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUARTER = int(NOON.timestamp()) // QUARTER_S
BASE = Price(
    Decimal("2.5"), Decimal(15), cache_read=Decimal("0.25"), request=Decimal("0.001"),
    search=Decimal("0.01"),
)  # fmt: skip
LONG = replace(BASE, input=Decimal(5), output=Decimal("22.5"), cache_read=Decimal("0.5"))
TIERED = replace(BASE, above_prompt_tokens=((200_000, LONG),))
NIGHT = PriceList(
    ((ALWAYS, TIERED), (Applies(start=time(0), end=time(6)), BASE.times(Decimal("0.5"))))
)


def used(usage: Usage, quarter: int, starts: list[int]) -> Used:
    tokens = tuple(getattr(usage, name) for name in BUCKETS)
    # The shortest length of its tier stands for a prompt's, as the query of past_use says it.
    length = max((start + 1 for start in starts if usage.prompt_tokens > start), default=0)
    return Used(quarter, length, 1, usage.searches, tokens)


a_usage = st.builds(
    Usage,
    input=st.integers(0, 400_000),
    cache_read=st.integers(0, 100_000),
    output=st.integers(0, 50_000),
    reasoning=st.integers(0, 50_000),
    searches=st.integers(0, 3),
)


@given(st.lists(st.tuples(a_usage, st.integers(-96, 96)), max_size=12))
@settings(deadline=None)
def test_the_sum_is_what_each_call_would_have_cost(calls: list[tuple[Usage, int]]) -> None:
    starts = thresholds([NIGHT])
    assert starts == [200_000]
    each = 0
    for usage, away in calls:
        when = datetime.fromtimestamp((QUARTER + away) * QUARTER_S, UTC)
        cost = pricing.cost(usage, NIGHT, when)
        assert cost.pico is not None
        each += cost.pico
    found = elsewhere((used(usage, QUARTER + away, starts) for usage, away in calls), NIGHT)
    assert (found.pico, found.requests, found.unknown) == (each, len(calls), 0)


def test_calls_of_a_tier_may_be_summed_before_they_are_priced() -> None:
    short, long = Usage(input=1_000, output=10), Usage(input=300_000, output=10)
    starts = thresholds([NIGHT])
    one_by_one = elsewhere(
        [used(short, QUARTER, starts)] * 3 + [used(long, QUARTER, starts)] * 2, NIGHT
    )
    triple = replace(
        used(short, QUARTER, starts), requests=3, tokens=(3_000, *[0] * 5, 30, 0, 0, 0)
    )
    double = replace(
        used(long, QUARTER, starts), requests=2, tokens=(600_000, *[0] * 5, 20, 0, 0, 0)
    )
    assert elsewhere([triple, double], NIGHT) == one_by_one


def test_a_host_without_a_cache_charges_its_tokens_in_full_and_that_is_said() -> None:
    plain = PriceList(((ALWAYS, Price(Decimal(1), Decimal(4))),))
    found = elsewhere([used(Usage(cache_read=1_000_000, output=1), QUARTER, [])], plain)
    assert found.pico == 1_000_000 * 10**6 + 4 * 10**6
    assert found.assumed == ("cached tokens cost there as fresh ones",)


def test_what_has_no_price_there_is_counted_and_never_0() -> None:
    plain = PriceList(((ALWAYS, Price(Decimal(1), Decimal(4))),))
    heard = used(Usage(audio_input=10), QUARTER, [])
    found = elsewhere([heard, used(Usage(input=1_000_000), QUARTER, [])], plain)
    assert (found.pico, found.requests, found.unknown) == (10**12, 1, 1)
    assert elsewhere([heard], None) == elsewhere([heard], PriceList((), lapses=True))
    euro = PriceList(((ALWAYS, Price(Decimal(1), Decimal(4), currency="EUR", rate=None)),))
    assert elsewhere([used(Usage(input=5), QUARTER, [])], euro).unknown == 1


def test_a_surcharge_is_on_tokens_and_not_on_fees() -> None:
    one = used(Usage(input=1_000_000, searches=2), QUARTER, [])
    found = elsewhere([one], PriceList(((ALWAYS, BASE),)), Decimal("1.1"))
    assert found.pico == int((Decimal("2.5") * Decimal("1.1") + Decimal("0.021")) * 10**12)
