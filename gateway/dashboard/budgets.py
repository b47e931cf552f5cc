"""How budgets stand, line by line, before it is HTML: the fullest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from billing.budgets import ROLLING, BudgetRule
from billing.forecasts import Forecast, forecasts
from billing.limits import Standing
from billing.money import PICO_PER_USD
from gateway import budget_told
from gateway.dashboard.figures import BAR_LEAST, Money, percent, places, usd
from gateway.dashboard.lasting import lasting
from gateway.dashboard.words import Words

# Accounts that a page shows: each key or user may have one.
LINES_MOST = 100
CENT = PICO_PER_USD // 100


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One account of a budget. ``state`` is good, bad or odd; ``words`` say how it stands.

    ``of`` are what it covers and its account, ``notes`` what else has to be known. ``spent_bar``
    and ``held_bar`` are shares of the limit in hundredths, together 100 at most.
    """

    name: str
    of: str
    per: str
    kind: str
    state: str
    words: str
    limit: str
    spent: Money
    held: Money
    left: Money
    share: str
    spent_bar: int
    held_bar: int
    forecasts: list[str]
    notes: list[str]


def lines(
    found: Sequence[Standing],
    late: Sequence[int | None],
    now_s: float,
    zone: tzinfo,
    t: Words,
    most: int = LINES_MOST,
) -> list[BudgetLine]:
    """Return accounts, the fullest first; ``late`` is what each spent of late, None: not known."""
    pairs = sorted(zip(found, late, strict=True), key=lambda pair: -fullness(pair[0]))
    return [_line(one, of_late, int(now_s), zone, t) for one, of_late in pairs[:most]]


def fullness(one: Standing) -> float:
    """Return which part of an account is spent or held, to put accounts in order by."""
    return (one.spent + one.held) / max(1, one.rule.limit)


def _line(one: Standing, late: int | None, now_s: int, zone: tzinfo, t: Words) -> BudgetLine:
    rule, limit = one.rule, one.rule.limit
    decimals = places([limit])
    state, words = _state(one, t)
    spent_bar = _part(one.spent, limit)
    scope = [f"{t(f'dimension.{name}')} {value}" for name, value in _scope(rule).items()]
    account = [f"{t(f'dimension.{rule.each}')} {one.account}"] if rule.each else []
    return BudgetLine(
        name=rule.name,
        of=", ".join([*scope, *account]) or t("budget.all_calls"),
        per=_per(rule.per, t),
        kind=t("budget.soft" if rule.soft else "budget.hard"),
        state=state,
        words=words,
        limit=usd(limit, decimals if limit % CENT else 2),
        spent=_money(one.spent, decimals),
        held=_money(one.held, decimals),
        left=_money(max(0, limit - one.spent - one.held), decimals),
        share=percent(one.spent, limit) if one.spent <= limit else f"{100 * one.spent // limit} %",
        spent_bar=spent_bar,
        held_bar=min(100 - spent_bar, _part(one.held, limit)),
        forecasts=_forecasts(one, late, now_s, zone, t),
        notes=list(_notes(one, t)),
    )


def _scope(rule: BudgetRule) -> dict[str, str]:
    """Return which calls a budget is for; the accounts it has apart are said by themselves."""
    return {name: value for name, value in budget_told.whose(rule).items() if name != rule.each}


def _per(per: str, t: Words) -> str:
    if per.startswith(ROLLING):
        return t("budget.rolling", window=per.removeprefix(ROLLING))
    return t(f"budget.per_{per}")


def _money(pico: int, decimals: int) -> Money:
    return Money(usd(pico, decimals), Money.exactly(pico))


def _part(pico: int, limit: int) -> int:
    if pico <= 0:
        return 0
    return min(100, max(BAR_LEAST, 100 * pico // limit)) if limit else 100


def _state(one: Standing, t: Words) -> tuple[str, str]:
    limit, passed, soft = one.rule.limit, _passed(one), one.rule.soft
    if not one.counted:
        return "odd", t("budget.not_counted")
    if one.spent >= limit:
        return ("odd", t("budget.used_up_soft")) if soft else ("bad", t("budget.used_up"))
    if one.spent + one.held >= limit:
        return "odd", t("budget.may_pass" if soft else "budget.all_held")
    if passed:
        return "odd", t("budget.past", percent=passed[-1])
    return "good", t("budget.within")


def _passed(one: Standing) -> list[int]:
    """Return the shares that an alert was told at."""
    return [at for at in sorted(one.rule.alert_at) if one.spent * 100 >= one.rule.limit * at]


def _notes(one: Standing, t: Words) -> Iterator[str]:
    passed, over = _passed(one), one.spent - one.rule.limit
    if over > 0:
        yield t("budget.over", amount=usd(over, places([over])))
    if passed:
        yield t("budget.alerts", percents=", ".join(map(str, passed)))
    if ahead := [at for at in sorted(one.rule.alert_at) if at not in passed]:
        yield t("budget.next_alert", percent=ahead[0])
    if one.unpriced:
        yield t("budget.unpriced", n=one.unpriced)
    if one.overrun:
        yield t("budget.overrun", amount=usd(one.overrun, places([one.overrun])))


def _forecasts(one: Standing, late: int | None, now_s: int, zone: tzinfo, t: Words) -> list[str]:
    rule = one.rule
    if one.spent >= rule.limit:
        if rule.per.startswith(ROLLING):
            return [t("budget.frees")]
        return [t("budget.begins_anew", when=_when(one.frame.end, zone))]
    whole, recent = forecasts(rule.per, one.frame, now_s, rule.limit, one.spent, late or 0)
    if late is None:
        return [_pace(whole, t("budget.pace"), zone, t)]
    if whole.at is None and recent.at is None:
        return [t("budget.lasts")]
    of_late = t("budget.pace_of_late", span=lasting(recent.over_s, t))
    return [_pace(whole, t("budget.pace"), zone, t), _pace(recent, of_late, zone, t)]


def _pace(one: Forecast, pace: str, zone: tzinfo, t: Words) -> str:
    if one.at is None:
        return t("budget.lasts_at", pace=pace)
    return t("budget.gone_at", when=_when(one.at, zone), pace=pace)


def _when(at_s: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC).astimezone(zone):%Y-%m-%d %H:%M}"
