"""Groups of a report as lines of a table, each with its share and a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing.sums import SpendRow
from gateway.dashboard.figures import Money, lengths, percent, places, spent


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One group's sums; ``bar`` is its share of the most, in hundredths."""

    name: str
    row: SpendRow
    money: Money
    share: str
    bar: int


def group_lines(rows: Sequence[SpendRow], total: SpendRow, most: int) -> list[GroupLine]:
    """Return all groups; amounts have as many decimals as the ``most`` dearest of them need.

    Bars and shares are of costs, or of tokens where nothing cost anything.
    """
    by_cost = bool(total.cost_pico)
    values = [row.cost_pico if by_cost else row.tokens for row in rows]
    whole = total.cost_pico if by_cost else total.tokens
    decimals = places(row.most_pico for row in rows[:most])
    return [
        GroupLine(row.group, row, spent(row, decimals), percent(value, whole), bar)
        for row, value, bar in zip(rows, values, lengths(values), strict=True)
    ]
