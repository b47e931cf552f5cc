"""What a subscription really cost: fees by the calendar, prices by the token, whether it pays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import plans
from billing.list_prices import stated
from billing.plan_use import Hour
from billing.plans import Account, Paid
from billing.price_list import PriceList
from providers.usage import Usage

USD = 10**12
BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")
NOVEMBER = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
EIGHTEEN = Paid(Decimal(18), "month")
PRICES = stated({"input": Decimal(1), "output": Decimal(4), "cache_read": Decimal("0.2")}, "", "")


def price_of(model: str) -> PriceList | None:
    return PRICES if model == "m" else None


def hour(
    day: int, usage: Usage, *, model: str = "m", plan: str = "A Plan", answers: int = 1
) -> Hour:
    at = int(datetime(2026, 11, day, tzinfo=UTC).timestamp())
    return Hour(at, "p", model, plan, answers, answers, usage, 0 if plan else 7, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("paid", "since", "until", "usd"),
    [
        (EIGHTEEN, "2026-11-01", "2026-12-01", "18"),
        (EIGHTEEN, "2026-11-01", "2026-11-11", "6"),
        (EIGHTEEN, "2026-10-01", "2027-01-01", "54"),
        (Paid(Decimal(18), "month", times=2), "2026-11-01", "2026-12-01", "36"),
        (Paid(Decimal(300), "quarter"), "2026-10-01", "2027-01-01", "300"),
        (Paid(Decimal(365), "year"), "2026-03-01", "2026-03-11", "10"),
        (Paid(Decimal(30), "month", datetime(2026, 11, 21, tzinfo=UTC)), "2026-11-01", "2026-12-01", "10"),
        (Paid(Decimal(30), "month", datetime(2026, 12, 21, tzinfo=UTC)), "2026-11-01", "2026-12-01", "0"),
    ],
)  # fmt: skip
def test_fees_by_hand(paid: Paid, since: str, until: str, usd: str) -> None:
    first, last = (datetime.fromisoformat(f"{day}T00:00Z") for day in (since, until))
    assert plans.prorated(paid, first, last, UTC) == Decimal(usd) * USD


@given(
    st.integers(0, 800).map(lambda days: datetime(2026, 1, 1, 7, tzinfo=UTC) + timedelta(days)),
    st.lists(st.integers(0, 5_000_000), min_size=1, max_size=6),
    st.sampled_from(["month", "quarter", "year"]),
    st.sampled_from([UTC, BERLIN, KOLKATA]),
)
def test_spans_of_a_fee_add_up_in_every_zone(
    since: datetime, lengths: list[int], per: str, zone: ZoneInfo
) -> None:
    paid = Paid(Decimal("17.99"), per)
    at, parts = since, 0
    for length in lengths:
        after = at + timedelta(seconds=length)
        parts += plans.prorated(paid, at, after, zone)
        at = after
    assert abs(parts - plans.prorated(paid, since, at, zone)) <= len(lengths)


def test_a_month_in_berlin_begins_there() -> None:
    since = datetime(2026, 10, 1, tzinfo=BERLIN)
    assert plans.prorated(EIGHTEEN, since, datetime(2026, 11, 1, tzinfo=BERLIN), BERLIN) == 18 * USD


def test_the_account_of_a_month() -> None:
    heavy = Usage(input=6_000_000, cache_read=30_000_000, output=1_000_000, reasoning=500_000)
    hours = [hour(3, heavy, answers=100), hour(20, heavy, answers=50)]
    found = plans.account(hours, EIGHTEEN, NOVEMBER, UTC, price_of)
    assert (found.requests, found.tokens) == (150, 75_000_000)
    # 6 + 6 + 6 USD each time by the token.
    assert found.by_token.pico == 36 * USD
    assert found.saved == 18 * USD
    assert found.per_million == 240_000_000_000
    assert found.break_even_tokens == 37_500_000
    assert (found.first_half, found.second_half) == (37_500_000, 37_500_000)


def test_what_no_plan_paid_and_what_has_no_price_stand_apart() -> None:
    usage = Usage(input=1_000_000)
    hours = [hour(3, usage), hour(4, usage, plan=""), hour(5, usage, model="strange")]
    found = plans.account(hours, EIGHTEEN, NOVEMBER, UTC, price_of)
    assert (found.tokens, found.extra_tokens, found.extra) == (2_000_000, 1_000_000, 7)
    assert (found.by_token.tokens, found.by_token.unpriced) == (1_000_000, 1_000_000)
    assert found.saved is None, "one that is not known is not guessed"


def test_without_a_fee_nothing_is_said_of_its_worth() -> None:
    found = plans.account([hour(3, Usage(input=1))], None, NOVEMBER, UTC, price_of)
    assert (found.fee, found.per_million, found.saved, found.break_even_tokens) == (None,) * 4
    assert Account(fee=USD).per_million is None


def test_a_long_sum_is_no_long_prompt() -> None:
    long = stated({"input": Decimal(2), "output": Decimal(8)}, "", "")
    tiers = ((200_000, long.bands[0][1]),)
    short = stated({"input": Decimal(1), "output": Decimal(4)}, "", "")
    tiered = PriceList(
        ((short.bands[0][0], replace(short.bands[0][1], above_prompt_tokens=tiers)),)
    )
    many = hour(3, Usage(input=1_000_000), answers=10)
    few = hour(3, Usage(input=1_000_000), answers=2)
    for one, usd in ((many, 1), (few, 2)):
        into = plans.Elsewhere()
        plans.reprice(into, one, tiered)
        assert (into.pico, into.by_mean) == (usd * USD, True)


def test_a_price_by_the_request_counts_for_each() -> None:
    each = stated({"input": Decimal(1), "output": Decimal(1), "request": Decimal("0.01")}, "", "")
    into = plans.Elsewhere()
    plans.reprice(into, hour(3, Usage(input=1_000_000), answers=100), each)
    assert into.pico == 2 * USD
