"""How long things last and took, as people read it."""

from __future__ import annotations

from math import ceil

from gateway.dashboard.words import Words

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
SECOND_MS = 1_000


def lasting(seconds: float, t: Words) -> str:
    """Return a time in one unit: "40 s", "3 min", "5 h", "2 days"."""
    whole = ceil(seconds)
    for size, unit in ((DAY_S, "days"), (HOUR_S, "hours"), (MINUTE_S, "minutes")):
        if whole >= 2 * size:
            return t(f"unit.{unit}", n=whole // size)
    return t("unit.seconds", n=whole)


def took(ms: int | None) -> str:
    """Return milliseconds as "850 ms" or "12.3 s"; "–" where there are none."""
    if ms is None:
        return "–"
    return f"{ms} ms" if ms < SECOND_MS else f"{ms / SECOND_MS:,.2f} s"
