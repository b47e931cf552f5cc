"""How much of a plan's windows is used, as gauges with their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from gateway.dashboard.figures import BAR_LEAST, percent
from gateway.dashboard.lasting import lasting
from gateway.dashboard.words import Words
from routing.windows import SHARE, Used

FULL = 100
NEARLY = 80  # hundredths from which on a window is marked
_FINE = 10**6  # shares are worked out in whole numbers of these parts


@dataclass(frozen=True, slots=True)
class WindowLine:
    """One window of a plan. ``bar`` is the used part in hundredths, None: nobody knows it.

    ``share`` is the same in words, ``used`` how much that is and ``by`` whose word it is; ``state``
    is how it is coloured: good, odd, bad or unknown.
    """

    per: str
    share: str
    used: str
    bar: int | None
    state: str
    by: str
    notes: list[str]


def window_line(one: Used, zone: tzinfo, t: Words) -> WindowLine:
    """Return a window as it is shown."""
    whole = one.most if one.most is not None else one.window.amount
    bar = None
    share = t("fact.unknown")
    if one.used is not None and whole:
        bar = part(one.used, whole)
        share = percent(int(one.used * _FINE), int(whole * _FINE))
    state = "good"
    if one.frees_in_s:
        state = "bad"
    elif bar is None:
        state = "unknown"
    elif bar >= NEARLY or one.full_in_s is not None:
        state = "odd"
    return WindowLine(
        per=_per(one.window.per, t),
        share=share,
        used=_used(one, whole, t),
        bar=bar,
        state=state,
        by=_by(one, zone, t),
        notes=list(_notes(one, t)),
    )


def part(used: Decimal, whole: Decimal) -> int:
    """Return a part as a bar's length in hundredths; what is not nothing can be seen."""
    if used <= 0:
        return 0
    return min(FULL, max(BAR_LEAST, int(FULL * used / whole))) if whole else FULL


def amount(number: Decimal) -> str:
    """Return an amount with two decimals at most."""
    return f"{number.quantize(Decimal('0.01')).normalize():,f}"


def _per(per: str, t: Words) -> str:
    for unit in ("month", "h", "d"):
        count = per.removesuffix(unit)
        if count != per and count.isdigit():
            return t(f"plan_window.per_{unit}", n=int(count))
    return per


def _used(one: Used, whole: Decimal | None, t: Words) -> str:
    unit = t.known("plan_window", f"unit_{one.window.unit}").removeprefix("unit_")
    if one.used is None:
        return t("plan_window.unknown")
    if one.window.unit == SHARE:
        return t("plan_window.share", percent=amount(100 * one.used))
    if whole is None:
        return t("plan_window.unpublished", used=amount(one.used), unit=unit)
    left = amount(max(Decimal(0), whole - one.used))
    return t("plan_window.used", used=amount(one.used), most=amount(whole), unit=unit, left=left)


def _by(one: Used, zone: tzinfo, t: Words) -> str:
    if one.used is None:
        return t("plan_window.by_nobody")
    if one.told_at is None:
        return t("plan_window.by_count")
    return t("plan_window.by_vendor", at=f"{datetime.fromtimestamp(one.told_at, zone):%H:%M}")


def _notes(one: Used, t: Words) -> Iterator[str]:
    if one.frees_in_s:
        yield t("plan_window.frees", left=lasting(one.frees_in_s, t))
    elif one.full_in_s is not None:
        yield t("plan_window.full_in", left=lasting(one.full_in_s, t))
    if one.ends_in_s is not None:
        yield t("plan_window.anew", left=lasting(one.ends_in_s, t))
    if one.unweighed:
        yield t("plan_window.unweighed", n=one.unweighed)
