"""What is not paid by the token, and how the ledger is, line by line, before it is HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal

from billing import home_cost
from billing.money import PICO_PER_USD
from billing.plans import Account
from billing.store import Store
from gateway import home_report, plan_report
from gateway.dashboard.figures import Money, percent, places, usd
from gateway.dashboard.lasting import lasting
from gateway.dashboard.windows import WindowLine, amount, part, window_line
from gateway.dashboard.words import Words
from gateway.house import House
from gateway.plan_fee import FeeSaid
from gateway.plan_report import Span

HOUR_MS = 3_600_000
BESIDE_MOST = 3
UNKNOWN = Money("", "")


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


def read(house: House, store: Store, span: Span, t: Words) -> tuple[list[PlanLine], list[HomeLine]]:
    """Return plans and servers at home over a span. In a thread. Raises ``StoreError``."""
    zone = house.books.zone
    plans = plan_report.reports(house.setup, store, house.windows, span)
    at_home = home_report.reports(house.setup, store, span)
    return [_plan(one, zone, t) for one in plans], [_home(one, t) for one in at_home]


def ledger(house: House, t: Words) -> list[LedgerLine]:
    """Return how what keeps the books is at this moment."""
    waiting, trouble = house.books.waiting, house.books.trouble
    entries = t("books.none_waits")
    if waiting:
        entries = t("books.waits", n=waiting, age=lasting(house.journal.oldest_s, t))
    refused = house.trouble if house.unsaved else ""
    found = [
        LedgerLine(
            t("books.database"),
            "bad" if trouble else "good",
            t("books.takes_none", why=trouble) if trouble else t("books.takes"),
        ),
        LedgerLine(t("books.journal"), "odd" if waiting and trouble else "good", entries),
        LedgerLine(
            t("books.disk"),
            "bad" if refused else "good",
            t("books.unwritten", n=len(house.unsaved), why=refused)
            if refused
            else t("books.takes"),
        ),
        LedgerLine(t("books.debt"), *_debt(house, t)),
    ]
    if house.limits.some_uncounted:
        found.append(LedgerLine(t("books.budgets"), "odd", t("books.uncounted")))
    return found


def _debt(house: House, t: Words) -> tuple[str, str]:
    owed = house.debt.owed_pico
    most = int(house.setup.config.debt_usd * PICO_PER_USD)
    if owed:
        return "odd", t("books.owed", owed=usd(owed, places([owed])), most=usd(most, 2))
    return "good", t("books.may_owe", most=usd(most, 2)) if most else t("books.may_owe_none")


def _plan(found: plan_report.Report, zone: tzinfo, t: Words) -> PlanLine:
    account = found.account
    state, words = _pays(found, t)
    name = [found.plan.name, found.tier, t("subscription.keys", n=found.keys)]
    return PlanLine(
        name=found.provider,
        plan=", ".join(filter(None, name if found.keys > 1 else name[:2])),
        state=state,
        words=words,
        fee=money(account.fee),
        fee_words=fee_in_words(found.fee_said, t),
        tokens=account.tokens,
        answers=account.answers,
        per_million=money(account.per_million),
        by_token=money(account.by_token.pico if account.by_token.tokens else None),
        notes=list(_plan_notes(account, t)),
        windows=[window_line(one, zone, t) for one in found.windows],
    )


def fee_in_words(said: FeeSaid, t: Words) -> str:
    """Return what is paid for a plan and who says so, or why that is not known."""
    if said.amount is None:
        if said.tiers:
            return t("subscription.no_tier", tiers=", ".join(said.tiers))
        known = ", ".join(_fee(one.amount, one.currency, one.per, t) for one in said.known)
        if known:
            return t("subscription.no_rate", fees=known)
        return t("subscription.no_fee")
    told = _fee(said.amount, said.currency, said.per, t)
    if said.note:
        told = t("subscription.noted", fee=told, note=said.note)
    if said.times > 1:
        told = t("subscription.times", fee=told, n=said.times)
    return t(f"subscription.by_{said.by}", fee=told)


def _fee(paid: Decimal, currency: str, per: str, t: Words) -> str:
    return t(f"subscription.a_{per}", amount=f"{paid:f}", currency=currency)


def _pays(found: plan_report.Report, t: Words) -> tuple[str, str]:
    saved = found.account.saved
    if found.terms:
        return "bad", t("subscription.not_used", why=found.terms)
    if saved is None:
        key = "nothing_used" if not found.account.tokens else "price_unknown"
        return "odd", t(f"subscription.{key}")
    shown = usd(abs(saved), places([saved]))
    if saved > 0:
        return "good", t("subscription.pays", saved=shown)
    return "odd", t("subscription.pays_not", more=shown) if saved else t("subscription.even")


def _plan_notes(account: Account, t: Words) -> Iterator[str]:
    if account.by_token.unpriced:
        yield t("subscription.unpriced", n=account.by_token.unpriced)
    if account.estimated:
        yield t("subscription.estimated", n=account.estimated)
    even = account.break_even_tokens
    if even is not None:
        yield t("subscription.break_even", n=even)
    if account.extra_tokens:
        beside = usd(account.extra, places([account.extra]))
        yield t("subscription.beside", amount=beside, n=account.extra_tokens)
    if account.extra_unknown:
        yield t("subscription.beside_unknown", n=account.extra_unknown)


def _home(found: home_report.Report, t: Words) -> HomeLine:
    costs, tokens = found.costs, found.tokens_in + found.tokens_out
    busy = t(
        "machine.busy" if found.busy_ms is not None else "machine.busy_at_most",
        share=percent(found.at_most_busy_ms, found.wall_ms),
        hours=f"{found.at_most_busy_ms / HOUR_MS:,.1f}",
        of=f"{found.wall_ms / HOUR_MS:,.1f}",
    )
    return HomeLine(
        name=found.provider,
        busy=busy,
        busy_bar=part(Decimal(found.utilisation or 0), Decimal(1)),
        tokens=tokens,
        answers=found.answers,
        energy="" if costs.joules is None else f"{home_report.kwh(costs.joules)} kWh",
        marginal=money(costs.marginal),
        marginal_per_million=money(home_cost.per_million(costs.marginal, tokens)),
        full=money(costs.full),
        full_per_million=money(home_cost.per_million(costs.full, tokens)),
        fixed=t("machine.fixed", idle=money(costs.idle).text, hardware=money(costs.hardware).text),
        beside=[_beside(one, t) for one in found.beside[:BESIDE_MOST]],
    )


def _beside(one: home_report.Beside, t: Words) -> str:
    each = home_cost.per_million(one.cost.pico, one.cost.tokens)
    cost = t("money.unknown") if each is None else money(each).text
    even = one.break_even
    if even is None:
        return t("machine.never_pays", name=one.name, cost=cost)
    share = amount(Decimal(100 * even.numerator) / even.denominator)
    return t("machine.pays_from", name=one.name, cost=cost, percent=share)


def money(pico: int | None) -> Money:
    """Return an amount of its own, not of a column."""
    return UNKNOWN if pico is None else Money(usd(pico, places([pico])), Money.exactly(pico))
