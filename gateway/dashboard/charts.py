"""What a chart is drawn from: lengths for the eye, and beside each the exact words for people.

A chart shows nothing that the table beside it does not have. ``static/charts.js`` draws it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from billing.money import PICO_PER_USD
from billing.sums import SpendRow
from gateway.dashboard.figures import places, short, spent

# As many groups have a colour of their own; what is left is drawn as one.
SLOTS = 8
OTHERS = -1
NAME_MAX_CHARS = 40
Measure = Callable[[SpendRow], int]
MEASURES: dict[str, Measure] = {
    "cost": lambda row: row.cost_pico,
    "tokens": lambda row: row.tokens,
    "requests": lambda row: row.requests,
}
# The numbers of a row that a chart needs: fewer are read faster.
NUMBERS = (
    "requests", "attempts", "cost_pico", "least_pico", "most_pico", "unbounded", "tokens_in",
    "tokens_out",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Before:
    """The sums of the time before, by time alone, all of its ``times``, and what to call them."""

    name: str
    times: Sequence[str]
    rows: Sequence[SpendRow]


def spec(content: dict[str, Any]) -> str:
    """Return JSON for a script, safe as it is within a page: no sign in it that HTML minds."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def stack(
    rows: Iterable[SpendRow],
    times: Sequence[str],
    measure: str,
    others: str,
    nobody: str,
    before: Before | None = None,
) -> str | None:
    """Return bars over ``times``, stacked by group; None where there is nothing to draw.

    ``rows`` are by time and group. The largest ``SLOTS`` groups of the whole have a colour each,
    ``others`` names what is left and ``nobody`` a group without a name. ``before`` is drawn as a
    line, its first time at the first of ``times``.
    """
    value = MEASURES[measure]
    groups: dict[str, dict[str, SpendRow]] = {}
    for row in rows:
        at, group = row.names
        groups.setdefault(group, {}).setdefault(at, SpendRow()).add(row)
    sums = {name: sum(value(row) for row in of.values()) for name, of in groups.items()}
    ranked = sorted((name for name in groups if sums[name]), key=lambda name: (-sums[name], name))
    if not ranked:
        return None
    rest: dict[str, SpendRow] = {}
    for name in ranked[SLOTS:]:
        for at, row in groups[name].items():
            rest.setdefault(at, SpendRow()).add(row)
    drawn = [
        _Drawn(short(name or nobody, NAME_MAX_CHARS), slot, [groups[name].get(at) for at in times])
        for slot, name in enumerate(ranked[:SLOTS])
    ]
    drawn += [_Drawn(others, OTHERS, [rest.get(at) for at in times])] if rest else []
    if before is not None:
        sums_then = {row.group: row for row in before.rows}
        late = [sums_then.get(at) for at in before.times[: len(times)]]
        late += [None] * (len(times) - len(late))
        drawn.append(_Drawn(before.name, OTHERS, late, is_before=True))
    decimals = places(row.most_pico for one in drawn for row in one.rows if row is not None)
    return spec(
        {
            "unit": "usd" if measure == "cost" else "count",
            "labels": list(times),
            "series": [_series(one, measure, decimals) for one in drawn],
        }
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One colour of a chart: a row, or none, for each of its times."""

    name: str
    slot: int
    rows: Sequence[SpendRow | None]
    is_before: bool = False


def _series(one: _Drawn, measure: str, decimals: int) -> dict[str, Any]:
    return {
        "name": one.name,
        "slot": one.slot,
        "values": [_length(row, measure) for row in one.rows],
        "texts": [_text(row, measure, decimals) for row in one.rows],
        **({"before": True} if one.is_before else {}),
    }


def _length(row: SpendRow | None, measure: str) -> float:
    if row is None:
        return 0
    value = MEASURES[measure](row)
    return value / PICO_PER_USD if measure == "cost" else value


def _text(row: SpendRow | None, measure: str, decimals: int) -> str:
    if row is None:
        return "$0" if measure == "cost" else "0"
    if measure != "cost":
        return f"{MEASURES[measure](row):,}"
    found = spent(row, decimals)
    return f"{found.text} + {found.unknown:,} ?" if found.unknown and found.exact else found.text
