"""What is not well at a provider at this moment, in a word and in lines that say why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from gateway.condition import Condition, RouteNow
from gateway.dashboard.figures import short

LINES_MOST, NAMES_MOST = 4, 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """``state`` is how it is coloured: bad or odd; ``words`` are a few, ``lines`` say the rest."""

    state: str
    words: str
    lines: list[str]


def trouble(found: Condition) -> Trouble | None:
    """Return what an operator should see of a provider; None where all is well."""
    lines = list(_lines(found))
    if not lines:
        return None
    out = [route for route in found.routes if _is_out(route)]
    if out:
        whole = len(out) == len(found.routes)
        state, words = ("bad", "gets no call now") if whole else ("odd", "gets only some calls now")
    elif any(route.blocked is not None for route in found.routes):
        state, words = "odd", "busy"
    else:
        state, words = "odd", "available, not all well"
    if len(lines) > LINES_MOST:
        lines[LINES_MOST - 1 :] = [f"and {len(lines) - LINES_MOST + 1} more"]
    return Trouble(state, words, lines)


def _is_out(route: RouteNow) -> bool:
    # A busy one goes last, and still gets what no other takes.
    return route.blocked is not None and route.blocked.why != "busy"


def _model(route: RouteNow) -> str:
    return short(route.name.partition("/")[2])


def _lines(found: Condition) -> Iterator[str]:
    """Give a line for each reason: one that holds for all routes names none of them."""
    reasons: dict[str, list[str]] = {}
    for route in found.routes:
        if route.blocked is not None:
            reasons.setdefault(route.blocked.reason, []).append(_model(route))
        elif route.health.state != "closed":
            words = "failed too often; the next call tries it again"
            reasons.setdefault(words, []).append(_model(route))
    for reason, models in reasons.items():
        more = len(models) - NAMES_MOST
        named = ", ".join(models[:NAMES_MOST]) + (f" and {more} more" if more > 0 else "")
        yield reason if len(models) == len(found.routes) > 1 else f"{named}: {reason}"
    if found.cooling and not reasons:
        cool = "a quota group cools"
        if len(found.cooling) > 1:
            cool = f"{len(found.cooling)} quota groups cool"
        left = ceil(max(found.cooling.values()))
        yield f"{cool} for another {left} s; the other keys go on"
