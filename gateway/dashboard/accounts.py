"""What is not paid by the token, and how the ledger is, line by line, before it is HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from math import ceil

from billing import home_cost
from billing.money import PICO_PER_USD, usd_text
from billing.plans import Account
from billing.store import Store
from gateway import home_report, plan_report
from gateway.dashboard.figures import BAR_LEAST, Money, percent, places, usd
from gateway.house import House
from gateway.plan_report import Span
from routing.windows import Used

HOUR_MS = 3_600_000
BESIDE_MOST = 3
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
UNKNOWN = Money("unknown", "")


@dataclass(frozen=True, slots=True)
class WindowLine:
    """One window of a plan: what is used of it, and by whose word. ``bar`` None: nobody knows."""

    per: str
    used: str
    bar: int | None
    by: str
    notes: list[str]


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One subscription over the period. ``state`` and ``words`` say whether it pays."""

    name: str
    plan: str
    state: str
    words: str
    fee: Money
    fee_words: str
    tokens: int
    answers: int
    per_million: Money
    by_token: Money
    notes: list[str]
    windows: list[WindowLine]


@dataclass(frozen=True, slots=True)
class HomeLine:
    """One server at home over the period; ``busy`` is its utilisation in words."""

    name: str
    busy: str
    busy_bar: int
    tokens: int
    answers: int
    energy: str
    marginal: Money
    marginal_per_million: Money
    full: Money
    full_per_million: Money
    fixed: str
    beside: list[str]


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One thing of the ledger's own health."""

    what: str
    state: str
    words: str


def read(house: House, store: Store, span: Span) -> tuple[list[PlanLine], list[HomeLine]]:
    """Return plans and servers at home over a span. In a thread. Raises ``StoreError``."""
    zone = house.books.zone
    plans = plan_report.reports(house.setup, store, house.windows, span)
    at_home = home_report.reports(house.setup, store, span)
    return [_plan(one, zone) for one in plans], [_home(one) for one in at_home]


def ledger(house: House) -> list[LedgerLine]:
    """Return how what keeps the books is at this moment."""
    waiting, trouble = house.books.waiting, house.books.trouble
    age = f", the oldest for {age_of(house.journal.oldest_s)}" if waiting else ""
    entries = "no entry waits" if not waiting else f"{_entries(waiting)} {_wait(waiting)}{age}"
    refused = house.trouble if house.unsaved else ""
    found = [
        LedgerLine(
            "Database",
            "bad" if trouble else "good",
            f"takes no entries: {trouble}" if trouble else "takes entries",
        ),
        LedgerLine("Journal", "odd" if waiting and trouble else "good", entries),
        LedgerLine(
            "Its disk",
            "bad" if refused else "good",
            f"{_entries(len(house.unsaved))} could not be written: {refused}"
            if refused
            else "takes entries",
        ),
        LedgerLine("Debt", *_debt(house)),
    ]
    if house.limits.some_uncounted:
        what = "what some had spent before could not be read yet"
        found.append(LedgerLine("Budgets", "odd", what))
    return found


def _debt(house: House) -> tuple[str, str]:
    owed = house.debt.owed_pico
    most = int(house.setup.config.debt_usd * PICO_PER_USD)
    if not owed:
        allowed = f"up to {usd(most, 2)} is allowed" if most else "none is allowed"
        return "good", f"nothing is owed; {allowed}"
    return "odd", f"{usd(owed, places([owed]))} of {usd(most, 2)} is owed"


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def age_of(seconds: float) -> str:
    """Return a time in one unit: "40 s", "3 min", "5 h", "2 days"."""
    whole = ceil(seconds)
    for size, word in ((DAY_S, "days"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {word}"
    return f"{whole} s"


def _plan(found: plan_report.Report, zone: tzinfo) -> PlanLine:
    account = found.account
    state, words = _pays(found)
    keys = f", {found.keys} keys" if found.keys > 1 else ""
    return PlanLine(
        name=found.provider,
        plan=f"{found.plan.name}{f', {found.tier}' if found.tier else ''}{keys}",
        state=state,
        words=words,
        fee=money(account.fee),
        fee_words=found.fee or found.why_not,
        tokens=account.tokens,
        answers=account.answers,
        per_million=money(account.per_million),
        by_token=money(account.by_token.pico if account.by_token.tokens else None),
        notes=list(_plan_notes(account)),
        windows=[_window(one, zone) for one in found.windows],
    )


def _pays(found: plan_report.Report) -> tuple[str, str]:
    saved = found.account.saved
    if found.terms:
        return "bad", f"not used: {found.terms}"
    if saved is None:
        why = "nothing was used" if not found.account.tokens else "a price is unknown"
        return "odd", f"whether it pays is unknown: {why}"
    if saved > 0:
        return "good", f"pays: {usd(saved, places([saved]))} less than by the token"
    more = f": {usd(-saved, places([saved]))} more than by the token" if saved else ""
    return "odd", f"does not pay{more}"


def _plan_notes(account: Account) -> Iterator[str]:
    if account.by_token.unpriced:
        yield f"{account.by_token.unpriced:,} tokens have no price by the token"
    if account.estimated:
        yield f"{account.estimated:,} answers with estimated tokens"
    even = account.break_even_tokens
    if even is not None:
        yield f"breaks even at {even:,} tokens of this mix"
    if account.extra_tokens:
        beside = (
            f"{usd(account.extra, places([account.extra]))} for {account.extra_tokens:,} tokens"
        )
        unknown = f", {account.extra_unknown:,} calls unknown" if account.extra_unknown else ""
        yield f"billed by the token beside it: {beside}{unknown}"


def _window(one: Used, zone: tzinfo) -> WindowLine:
    window = one.window
    whole = one.most if one.most is not None else window.amount
    if one.used is None:
        used, bar = "unknown", None
    elif window.unit == "share":
        used, bar = f"{_amount(100 * one.used)} %", _bar(one.used, Decimal(1))
    elif whole is None:
        used, bar = f"{_amount(one.used)} {window.unit} of an unpublished sum", None
    else:
        left = _amount(max(Decimal(0), whole - one.used))
        used = f"{_amount(one.used)} of {_amount(whole)} {window.unit}, {left} left"
        bar = _bar(one.used, whole)
    notes = []
    if one.frees_in_s:
        notes.append(f"used up; free in {age_of(one.frees_in_s)}")
    elif one.full_in_s is not None:
        notes.append(f"used up in {age_of(one.full_in_s)} at its pace")
    if one.ends_in_s is not None:
        notes.append(f"begins anew in {age_of(one.ends_in_s)}")
    if one.unweighed:
        notes.append(f"without {one.unweighed:,} calls of unknown weight")
    return WindowLine(window.per, used, bar, _by(one, zone), notes)


def _by(one: Used, zone: tzinfo) -> str:
    if one.used is None:
        return "only its vendor can count these"
    if one.told_at is None:
        return "counted here"
    return f"the vendor's word at {datetime.fromtimestamp(one.told_at, zone):%H:%M}"


def _amount(number: Decimal) -> str:
    return f"{number.quantize(Decimal('0.01')).normalize():,f}"


def _bar(used: Decimal, whole: Decimal) -> int:
    if used <= 0:
        return 0
    return min(100, max(BAR_LEAST, int(100 * used / whole))) if whole else 100


def _home(found: home_report.Report) -> HomeLine:
    costs, tokens = found.costs, found.tokens_in + found.tokens_out
    share = Decimal(found.utilisation or 0) * 100
    at_most = "" if found.busy_ms is not None else "at most "
    hours = f"{found.at_most_busy_ms / HOUR_MS:,.1f} of {found.wall_ms / HOUR_MS:,.1f} hours"
    return HomeLine(
        name=found.provider,
        busy=f"{at_most}{percent(found.at_most_busy_ms, found.wall_ms)} busy, {hours}",
        busy_bar=_bar(share, Decimal(100)),
        tokens=tokens,
        answers=found.answers,
        energy="" if costs.joules is None else f"{home_report.kwh(costs.joules)} kWh",
        marginal=money(costs.marginal),
        marginal_per_million=money(home_cost.per_million(costs.marginal, tokens)),
        full=money(costs.full),
        full_per_million=money(home_cost.per_million(costs.full, tokens)),
        fixed=f"idling {money(costs.idle).text}, hardware {money(costs.hardware).text}",
        beside=[_beside(one) for one in found.beside[:BESIDE_MOST]],
    )


def _beside(one: home_report.Beside) -> str:
    each = money(home_cost.per_million(one.cost.pico, one.cost.tokens)).text
    even = one.break_even
    if even is None:
        return f"{one.name}: {each} a million; home never pays"
    share = _amount(Decimal(100 * even.numerator) / even.denominator)
    return f"{one.name}: {each} a million; home pays from {share} % busy on"


def money(pico: int | None) -> Money:
    """Return an amount of its own, not of a column."""
    return UNKNOWN if pico is None else Money(usd(pico, places([pico])), f"{usd_text(pico)} USD")
