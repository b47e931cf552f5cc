"""What each subscription of the config took in, cost and saved over a span, and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from billing import plan_use, plans
from billing.money import half_even, usd_text
from billing.plan_use import Hour
from billing.plans import Account, Elsewhere, PriceOf
from billing.store import Store
from gateway import home_report, plan_fee
from gateway.condition import told_window
from gateway.plan_fee import FeeSaid
from gateway.plan_terms import terms_against
from gateway.routes import Provider
from gateway.setup import Setup
from gateway.told import share
from providers.plan import Plan
from routing.windows import Used, Windows

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Report:
    """One plan: its account over the span, and its windows now.

    ``fee`` says what is paid and who says so, "" where no fee in dollars is known; then ``why_not``
    says why. ``fee_said`` is the same before it is words. ``keys`` are as many plans. ``terms`` is
    why it must not be used here, "" for nothing.
    """

    provider: str
    plan: Plan
    tier: str
    keys: int
    fee: str
    why_not: str
    fee_said: FeeSaid
    account: Account
    windows: tuple[Used, ...]
    terms: str


def reports(
    setup: Setup, store: Store | None, windows: Windows, span: Span, beside: str = ""
) -> list[Report]:
    """Return a report of every plan in the config; ``beside`` is a route to price the same at.

    Raises ``StoreError``, and ``KeyError`` for a route that is none.
    """
    owners = {name: one for name, one in setup.providers.items() if one.host.plan is not None}
    hours: dict[str, list[Hour]] = {name: [] for name in owners}
    # Without a plan there is nothing to look for, in however many hours.
    if store is not None and owners:
        for hour in plan_use.by_hour(store, owners, *span):
            hours[hour.provider].append(hour)
    zone = setup.config.server.zone
    other, per_token = _beside(setup, store, span, beside)
    found = []
    for name, owner in owners.items():
        paid, said = plan_fee.fee(owner, _plan(owner), zone, span[1])
        words, why_not = plan_fee.in_words(said)
        account = plans.account(hours[name], paid, span, zone, _by_token(setup, owner), other)
        if per_token is not None:
            account.other = _at_home(per_token, account.tokens)
        found.append(
            Report(
                provider=name,
                plan=_plan(owner),
                tier=owner.form.tier or "",
                keys=len({key.quota for key in owner.endpoints}),
                fee=words,
                why_not=why_not,
                fee_said=said,
                account=account,
                windows=windows.of(name),
                terms=terms_against(_plan(owner), owner.form),
            )
        )
    return found


def _plan(owner: Provider) -> Plan:
    if owner.host.plan is None:
        raise ValueError(f"{owner.name} is no plan")
    return owner.host.plan


def _by_token(setup: Setup, owner: Provider) -> PriceOf:
    def price_of(model: str) -> Any:
        plan = setup.route(f"{owner.name}/{model}").plan
        return plan.payg if plan is not None else None

    return price_of


def _beside(
    setup: Setup, store: Store | None, span: Span, route: str
) -> tuple[PriceOf | None, tuple[int, int] | None]:
    """Return the prices of another route, or at home the full cost and the tokens of the span."""
    if not route:
        return None, None
    there = setup.route(route)
    if there.usd_per_hour is None:
        return (lambda _model: there.prices), None
    found = home_report.reports(setup, store, span, only=there.provider)
    tokens = sum(one.tokens_in + one.tokens_out for one in found)
    return None, (sum(one.costs.full for one in found), tokens)


def _at_home(per_token: tuple[int, int], tokens: int) -> Elsewhere:
    cost, of = per_token
    if not of:
        return Elsewhere(unpriced=tokens)
    return Elsewhere(half_even(cost * tokens, of), tokens)


def told(found: Report, zone: tzinfo) -> dict[str, Any]:
    """Return a report as plain data for JSON; money exact, as text."""
    account = found.account
    by_token = account.by_token
    return {
        "provider": found.provider,
        "plan": found.plan.name,
        "tier": found.tier or None,
        "keys": found.keys,
        "fee": found.fee or None,
        "fee_unknown": found.why_not or None,
        "fee_usd": _usd(account.fee),
        "requests": account.requests,
        "answers": account.answers,
        "tokens": account.tokens,
        "tokens_in": account.usage.prompt_tokens,
        "tokens_cached": account.usage.cache_read,
        "tokens_out": account.usage.completion_tokens,
        "estimated_usage": account.estimated,
        "usd_per_million": _usd(account.per_million),
        "by_the_token": _elsewhere(by_token),
        "beside": None if account.other is None else _elsewhere(account.other),
        "saved_usd": _usd(account.saved),
        "pays": None if account.saved is None else account.saved > 0,
        "break_even_tokens": account.break_even_tokens,
        "trend": trend(account),
        "billed_beside": {
            "usd": usd_text(account.extra),
            "tokens": account.extra_tokens,
            "unknown_cost": account.extra_unknown,
        },
        "concurrency": found.plan.concurrency,
        "windows": [told_window(one, zone) for one in found.windows],
        "terms": found.terms or None,
    }


def trend(account: Account) -> str | None:
    """Return how much was used in the second half of the span, for each token of the first."""
    return share(account.second_half, account.first_half)


def _elsewhere(found: Elsewhere) -> dict[str, Any]:
    return {
        "usd": usd_text(found.pico),
        "tokens": found.tokens,
        "unpriced_tokens": found.unpriced,
        "by_mean_prompt": found.by_mean,
    }


def _usd(pico: int | None) -> str | None:
    return None if pico is None else usd_text(pico)
