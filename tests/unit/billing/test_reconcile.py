"""A bill against the ledger: planted faults are named, and rounding is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.bill import QUARTER_S, BillLine, Booked, Quarter
from billing.bill_clock import day_of
from billing.reconcile import Reconciled, reconcile

FIRST = date(2026, 11, 2)
DAYS = 10
PRICE_IN, PRICE_OUT = Decimal(2), Decimal(8)  # per million tokens


def quarter_of(day: date, hour: int) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()) // QUARTER_S


def traffic(
    model: str, key: str = "", days: int = DAYS, currency: str = "USD", rate: Decimal = Decimal(1)
) -> list[Quarter]:
    """Some calls at four hours of each day, other ones each time; and a day beyond both ends."""
    found = []
    for n in range(-1, days + 1):
        for hour in (2, 11, 15, 16):
            tokens_in, tokens_out = 10_000 + 700 * n + 13 * hour, 2_000 + 90 * hour
            native = int(tokens_in * PRICE_IN + tokens_out * PRICE_OUT) * 10**6
            booked = Booked(
                requests=5 + hour % 3,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                in_least=tokens_in,
                in_most=tokens_in,
                out_least=tokens_out,
                out_most=tokens_out,
                cost=int(native * rate),
                cost_least=int(native * rate),
                cost_most=int(native * rate),
                native=native,
            )
            day = FIRST + timedelta(days=n)
            found.append(Quarter(quarter_of(day, hour), model, key, currency, booked))
    return found


def bill_of(
    booked: Iterable[Quarter], offset: int = 0, currency: str = "USD", *, native: bool = False
) -> list[BillLine]:
    """The bill that agrees with what was booked, its days beginning `offset` quarters early."""
    lines: dict[tuple[date, str, str], BillLine] = {}
    for quarter in booked:
        day, sums = day_of(quarter.quarter, offset), quarter.booked
        if not FIRST <= day < FIRST + timedelta(days=DAYS):
            continue
        name = (day, quarter.model, quarter.key)
        old = lines.get(name, BillLine(*name, 0, 0, 0, Decimal(0), currency))
        lines[name] = replace(
            old,
            requests=(old.requests or 0) + sums.requests,
            tokens_in=(old.tokens_in or 0) + sums.tokens_in,
            tokens_out=(old.tokens_out or 0) + sums.tokens_out,
            cost=(old.cost or 0) + Decimal(sums.native if native else sums.cost) / 10**12,
        )
    return list(lines.values())


def kinds(found: Reconciled) -> set[str]:
    of_cells = {cause.kind for cell in found.cells for cause in cell.causes}
    return of_cells | {cause.kind for cause in found.causes}


def test_a_bill_that_agrees_matches_in_every_cell() -> None:
    booked = traffic("a") + traffic("b", "k")
    found = reconcile(bill_of(booked), booked)
    assert found.agrees
    assert len(found.cells) == 2 * DAYS
    assert found.error_percent == 0


def test_five_planted_faults_are_each_named() -> None:
    """One bill, five models: each has another fault, and a sixth has none."""
    past, price, missing = traffic("past"), traffic("price"), traffic("missing")
    zone, money = traffic("zone"), traffic("money", currency="CNY", rate=Decimal("0.14"))
    good = traffic("good")
    day = FIRST + timedelta(days=4)
    bill = bill_of([*past, *price, *missing, *good])
    bill += bill_of(zone, offset=8 * 4)
    bill += [replace(line, cost=(line.cost or 0) * Decimal("1.03")) for line in bill_of(money)]
    bill = [_spoilt(line, day) for line in bill]
    booked = [*past, *price, *_without_usage(missing, day), *zone, *money, *good]

    found = reconcile(bill, booked)

    causes = {cell.model: cell.causes for cell in found.cells if cell.causes}
    assert causes["past"][0].kind == "past the gateway"
    assert causes["price"][0].kind == "price drift"
    assert causes["missing"][0].kind == "missing usage"
    assert {cause.kind for cause in found.causes if "zone" in cause.text} == {"time zone"}
    assert "UTC+8:00" in next(c.text for c in found.causes if c.kind == "time zone")
    assert causes["money"][0].kind == "currency"
    assert "0.144200" in causes["money"][0].text
    assert "good" not in causes
    assert {cell.state for cell in found.cells if cell.model in ("good", "zone")} == {"matched"}
    spoilt = [cell for cell in found.cells if cell.model in ("past", "missing") and cell.causes]
    assert {(cell.model, cell.day) for cell in spoilt} == {("past", day), ("missing", day)}
    assert found.error_percent is not None
    assert found.error_percent < 0


def _spoilt(line: BillLine, day: date) -> BillLine:
    assert line.tokens_in is not None
    assert line.cost is not None
    if line.model == "price":
        late = line.day is not None and line.day >= day
        return replace(line, cost=line.cost * Decimal("1.25")) if late else line
    if line.model == "past" and line.day == day:
        more = replace(line, tokens_in=line.tokens_in + 50_000, cost=line.cost + Decimal("0.1"))
        return replace(more, requests=(line.requests or 0) + 7)
    return line


def _without_usage(booked: list[Quarter], day: date) -> list[Quarter]:
    """One call of that day came without usage: nothing of it is counted, but it has its bounds."""
    first = quarter_of(day, 11)
    return [
        quarter
        if quarter.quarter != first
        else replace(
            quarter,
            booked=replace(
                quarter.booked,
                tokens_in=quarter.booked.tokens_in - 4_000,
                tokens_out=quarter.booked.tokens_out - 1_000,
                in_least=quarter.booked.in_least - 3_900,
                in_most=quarter.booked.in_most + 6_000,
                out_least=quarter.booked.out_least - 1_000,
                out_most=quarter.booked.out_most + 9_000,
                guessed=1,
                unknown=0,
            ),
        )
        for quarter in booked
    ]


def test_a_bill_in_the_currency_of_the_prices_is_compared_in_it() -> None:
    booked = traffic("m", currency="CNY", rate=Decimal("0.14"))
    bill = bill_of(booked, currency="CNY", native=True)
    assert reconcile(bill, booked).agrees


def test_a_bill_in_a_currency_that_no_price_is_in_says_so_and_never_matches() -> None:
    booked = traffic("m")
    bill = [replace(line, currency="EUR") for line in bill_of(booked)]
    found = reconcile(bill, booked)
    assert not found.agrees
    assert kinds(found) == {"currency"}
    assert all(cell.cost is None for cell in found.cells)


def test_what_only_one_side_has_is_told_apart() -> None:
    booked = traffic("ours")
    bill = [line for line in bill_of(booked) if line.day != FIRST + timedelta(days=2)]
    bill.append(BillLine(FIRST, "theirs", "", 3, 100, 10, Decimal("0.5")))
    states = {(cell.model, cell.day): cell.state for cell in reconcile(bill, booked).cells}
    assert states["ours", FIRST + timedelta(days=2)] == "unbilled"
    assert states["theirs", FIRST] == "missing"


def test_entries_without_a_price_are_the_cause_where_the_tokens_agree() -> None:
    booked = [
        replace(q, booked=replace(q.booked, cost=0, cost_least=0, cost_most=0, native=0, unknown=5))
        for q in traffic("m")
    ]
    assert kinds(reconcile(bill_of(traffic("m")), booked)) == {"no known price"}


def test_a_balance_is_compared_over_its_whole_time() -> None:
    booked = traffic("m", days=3)
    cost = sum(Decimal(q.booked.cost) for q in booked) / 10**12
    assert reconcile([BillLine(None, cost=cost)], booked).agrees
    more = reconcile([BillLine(None, cost=cost + 1)], booked)
    assert not more.agrees
    assert more.error_percent is not None
    assert more.error_percent < 0


@pytest.mark.parametrize(
    ("bill", "words"),
    [
        ([], "no lines"),
        ([BillLine(None, currency="EUR"), BillLine(None)], "EUR and USD"),
        ([BillLine(None), BillLine(FIRST)], "some have none"),
    ],
)
def test_what_is_no_bill_is_refused(bill: list[BillLine], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        reconcile(bill, [])


@settings(max_examples=15)
@given(st.integers(-24, 28), st.integers(2, 40), st.randoms(use_true_random=False))
def test_any_half_hour_of_a_days_beginning_is_found(half: int, calls: int, random) -> None:
    """Where calls come at all hours, the bill's own clock makes every cell match."""
    booked = []
    for quarter in range(quarter_of(FIRST, 0) - 96, quarter_of(FIRST, 0) + 96 * (DAYS + 1)):
        tokens = random.randrange(1, calls * 100)
        sums = Booked(1, tokens, 0, tokens, tokens, cost=tokens * 10**9, native=tokens * 10**9)
        booked.append(Quarter(quarter, "m", "", "USD", sums))
    found = reconcile(bill_of(booked, offset=half * 2), booked)
    assert {cell.state for cell in found.cells} == {"matched"}
    assert bool(found.causes) == (half != 0) or found.agrees


@given(
    st.lists(
        st.tuples(st.integers(0, DAYS - 1), st.integers(0, 10**7), st.integers(0, 10**7)),
        min_size=1,
    )
)
def test_the_error_is_the_difference_of_the_sums(spoilt: list[tuple[int, int, int]]) -> None:
    booked = traffic("m")
    bill = bill_of(booked)
    for day, tokens, micro in spoilt:
        line = bill[day]
        assert line.tokens_in is not None
        assert line.cost is not None
        more = Decimal(micro) / 10**6
        bill[day] = replace(line, tokens_in=line.tokens_in + tokens, cost=line.cost + more)
    found = reconcile(bill, booked)
    ours = sum((cell.cost or Decimal(0) for cell in found.cells), Decimal(0))
    theirs = sum((line.cost or Decimal(0) for line in bill), Decimal(0))
    assert (found.booked, found.billed) == (ours, theirs)
    assert found.error_percent == 100 * (ours - theirs) / theirs
