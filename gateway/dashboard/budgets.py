"""How budgets stand, line by line, before it is HTML: the fullest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from billing.forecasts import Forecast, forecasts
from billing.limits import Standing
from billing.money import usd_text
from gateway import budget_told
from gateway.dashboard.figures import BAR_LEAST, Money, percent, places, usd

# Accounts that a page shows: each key or user may have one.
LINES_MOST = 100
DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60


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
    most: int = LINES_MOST,
) -> list[BudgetLine]:
    """Return accounts, the fullest first; ``late`` is what each spent of late, None: not known."""
    pairs = sorted(zip(found, late, strict=True), key=lambda pair: -fullness(pair[0]))
    return [_line(one, of_late, int(now_s), zone) for one, of_late in pairs[:most]]


def fullness(one: Standing) -> float:
    """Return which part of an account is spent or held, to put accounts in order by."""
    return (one.spent + one.held) / max(1, one.rule.limit)


def _line(one: Standing, late: int | None, now_s: int, zone: tzinfo) -> BudgetLine:
    rule, limit = one.rule, one.rule.limit
    rolls = rule.per.startswith("rolling")
    decimals = places([limit])
    state, words = _state(one)
    spent_bar = _part(one.spent, limit)
    scope = [f"{name} {value}" for name, value in budget_told.whose(rule).items()]
    account = [f"{rule.each} {one.account}"] if rule.each else []
    covers = [line for line in scope if line != f"{rule.each} each"]
    return BudgetLine(
        name=rule.name,
        of=", ".join([*covers, *account]) or "all calls",
        per=f"in any {rule.per.removeprefix('rolling ')}" if rolls else f"a {rule.per}",
        kind="soft" if rule.soft else "hard",
        state=state,
        words=words,
        limit=usd(limit, 2 if decimals < 6 else decimals),
        spent=_money(one.spent, decimals),
        held=_money(one.held, decimals),
        left=_money(max(0, limit - one.spent - one.held), decimals),
        share=percent(one.spent, limit) if one.spent <= limit else f"{100 * one.spent // limit} %",
        spent_bar=spent_bar,
        held_bar=min(100 - spent_bar, _part(one.held, limit)),
        forecasts=_forecasts(one, late, now_s, zone),
        notes=_notes(one),
    )


def _money(pico: int, decimals: int) -> Money:
    return Money(usd(pico, decimals), f"{usd_text(pico)} USD")


def _part(pico: int, limit: int) -> int:
    if pico <= 0:
        return 0
    return min(100, max(BAR_LEAST, 100 * pico // limit)) if limit else 100


def _state(one: Standing) -> tuple[str, str]:
    limit, passed = one.rule.limit, _passed(one)
    if not one.counted:
        return "odd", "what was spent before could not be read yet"
    if one.spent >= limit:
        return ("odd", "used up; calls go on") if one.rule.soft else ("bad", "used up")
    if one.spent + one.held >= limit:
        words = "calls under way may pass it" if one.rule.soft else "all of it is spent or held"
        return "odd", words
    if passed:
        return "odd", f"past {passed[-1]} %"
    return "good", "within it"


def _passed(one: Standing) -> list[int]:
    """Return the shares that an alert was told at."""
    return [at for at in sorted(one.rule.alert_at) if one.spent * 100 >= one.rule.limit * at]


def _notes(one: Standing) -> list[str]:
    found, passed, over = [], _passed(one), one.spent - one.rule.limit
    if over > 0:
        found.append(f"{usd(over, places([over]))} over it")
    if passed:
        found.append(f"alerts told: {', '.join(map(str, passed))} %")
    if ahead := [at for at in sorted(one.rule.alert_at) if at not in passed]:
        found.append(f"next alert: {ahead[0]} %")
    if one.unpriced:
        calls = "1 call" if one.unpriced == 1 else f"{one.unpriced:,} calls"
        found.append(f"{calls} of unknown cost")
    if one.overrun:
        found.append(f"calls cost {usd(one.overrun, places([one.overrun]))} over what was held")
    return found


def _forecasts(one: Standing, late: int | None, now_s: int, zone: tzinfo) -> list[str]:
    rule = one.rule
    if one.spent >= rule.limit:
        end = datetime.fromtimestamp(one.frame.end, UTC).astimezone(zone)
        rolls = rule.per.startswith("rolling")
        return ["frees as calls leave its window" if rolls else f"begins anew {_when(end)}"]
    whole, recent = forecasts(rule.per, one.frame, now_s, rule.limit, one.spent, late or 0)
    if late is None:
        return [_pace(whole, "its pace so far", zone)]
    of_late = f"the pace of the last {_span(recent.over_s)}"
    if whole.at is None and recent.at is None:
        return ["not used up before its end, at its pace"]
    return [_pace(whole, "its pace so far", zone), _pace(recent, of_late, zone)]


def _pace(one: Forecast, pace: str, zone: tzinfo) -> str:
    if one.at is None:
        return f"not used up at {pace}"
    return f"used up {_when(datetime.fromtimestamp(one.at, UTC).astimezone(zone))} at {pace}"


def _when(at: datetime) -> str:
    return f"{at:%-d %b, %H:%M}"


def _span(seconds: int) -> str:
    for size, word in ((DAY_S, "days"), (HOUR_S, "hours"), (MINUTE_S, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} seconds"
