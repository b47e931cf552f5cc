"""How budgets stand, in plain values: for the API, the command line and the dashboard."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from billing.budgets import BudgetRule, frame
from billing.forecasts import Forecast, forecasts, recent_s
from billing.limits import Standing
from billing.money import usd_text
from gateway.counters import LedgerSums

LINES = ("key", "team", "user", "tag", "label", "model", "provider")


def recent(sums: LedgerSums, found: list[Standing], now_s: float) -> list[int]:
    """Return what each account spent of late, 1e-12 dollars. In a thread. Raises ``StoreError``."""
    return [
        sums(one.rule.of(one.account), datetime.fromtimestamp(now_s - recent_s(one.frame), UTC))
        for one in found
    ]


def told(one: Standing, of_late: int | None, now_s: float, zone: tzinfo) -> dict[str, Any]:
    """Return how an account stands; ``of_late`` is what it spent of late, None: not known."""
    rule, limit = one.rule, one.rule.limit
    left = limit - one.spent - one.held
    late = of_late or 0
    by_period, by_recent = forecasts(rule.per, one.frame, int(now_s), limit, one.spent, late)
    return {
        "name": rule.name,
        "account": one.account,
        "of": whose(rule),
        "usd": f"{rule.usd:f}",
        "per": rule.per,
        "soft": rule.soft,
        "since": _moment(one.frame.oldest, zone),
        "until": _moment(one.frame.end, zone),
        "spent_usd": usd_text(one.spent),
        "held_usd": usd_text(one.held),
        "left_usd": usd_text(max(0, left)),
        "over_usd": usd_text(max(0, one.spent - limit)),
        "spent_percent": one.spent * 100 // limit if limit else 100,
        "overrun_usd": usd_text(one.overrun),
        "unpriced": one.unpriced,
        "counted": one.counted,
        "alerts_at_percent": list(rule.alert_at),
        "used_up": {
            "at_pace_of_period": _forecast(by_period, zone),
            "at_recent_pace": _forecast(by_recent, zone) if of_late is not None else None,
        },
    }


def whose(rule: BudgetRule) -> dict[str, str]:
    """Return the lines of a rule; ``each`` where each key or user has an account."""
    lines = {name: getattr(rule, name) for name in LINES}
    lines |= {rule.each: "each"} if rule.each else {}
    return {name: value for name, value in lines.items() if value is not None}


def from_ledger(
    rules: tuple[BudgetRule, ...], sums: LedgerSums, now_s: float, zone: tzinfo
) -> list[Standing]:
    """Return how budgets stand by the ledger alone, without what is held now.

    Of a budget with accounts it has those that spent something. Raises ``StoreError``.
    """
    found = []
    for rule in rules:
        at = frame(rule.per, now_s, zone)
        since = datetime.fromtimestamp(at.oldest, UTC)
        accounts = sums.accounts(rule, since) if rule.each else [""]
        found += [
            Standing(rule, account, at, sums(rule.of(account), since), 0, 0, 0)
            for account in accounts
        ]
    return found


def _forecast(one: Forecast, zone: tzinfo) -> dict[str, Any]:
    return {"over_seconds": one.over_s, "at": _moment(one.at, zone) if one.at else None}


def _moment(at: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).isoformat()
