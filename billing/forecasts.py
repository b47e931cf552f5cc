"""When a budget will be used up, at two paces: that of its period so far, and that of late.

A forecast is no promise: it goes on with a straight line, and says which one. In windows that roll,
what was spent leaves again: there the pace of late is set against what leaves in the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from billing.budgets import Frame, rolling_s

Basis = Literal["period", "recent"]
# Too early in a period to tell a pace: its first hundredth.
EARLY = 100


@dataclass(frozen=True, slots=True)
class Forecast:
    """``at`` is when the budget is used up (seconds since 1970), None: not before the period ends.

    ``basis`` is the pace that it goes by: of the period so far, or of the last ``over_s`` seconds.
    """

    basis: Basis
    over_s: int
    at: int | None


def recent_s(at: Frame) -> int:
    """Return how many seconds "of late" are: a twentieth of the period, at least a minute."""
    return max(60, (at.end - at.oldest) // 20)


def forecasts(
    per: str, at: Frame, now_s: int, limit: int, spent: int, recent: int
) -> tuple[Forecast, Forecast]:
    """Return the forecasts by both paces. Money is 1e-12 dollars.

    ``recent`` is what was spent in the last ``recent_s`` seconds of the frame ``at``.
    """
    left, late_s = limit - spent, recent_s(at)
    window_s = rolling_s(per)
    end = None if window_s else at.end
    so_far_s = window_s or now_s - at.current
    # Of a window that rolls, as much leaves as came: at its own pace it stays as full as it is.
    leaves = spent * late_s // window_s if window_s else 0
    gained = 0 if window_s or so_far_s * EARLY < at.end - at.current else spent
    return (
        Forecast("period", so_far_s, _used_up(now_s, left, gained, max(1, so_far_s), end)),
        Forecast("recent", late_s, _used_up(now_s, left, recent - leaves, late_s, end)),
    )


def _used_up(now_s: int, left: int, gained: int, in_s: int, end: int | None) -> int | None:
    if left <= 0:
        return now_s
    if gained <= 0:
        return None
    at = now_s + -(-left * in_s // gained)
    return at if end is None or at < end else None
