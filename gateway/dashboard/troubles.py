"""What is not well at a provider at this moment, in a word and in lines that say why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.condition import Condition, RouteNow
from gateway.dashboard.figures import short
from gateway.dashboard.lasting import lasting
from gateway.dashboard.words import Words

LINES_MOST, NAMES_MOST = 4, 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """``state`` is how it is coloured: bad or odd; ``words`` are a few, ``lines`` say the rest."""

    state: str
    words: str
    lines: list[str]


def trouble(found: Condition, t: Words) -> Trouble | None:
    """Return what an operator should see of a provider; None where all is well."""
    lines = list(_lines(found, t))
    if not lines:
        return None
    out = [route for route in found.routes if is_out(route)]
    if out:
        whole = len(out) == len(found.routes)
        state, words = ("bad", "trouble.no_call") if whole else ("odd", "trouble.some_calls")
    elif any(route.blocked is not None for route in found.routes):
        state, words = "odd", "trouble.busy"
    else:
        state, words = "odd", "trouble.not_all_well"
    if len(lines) > LINES_MOST:
        lines[LINES_MOST - 1 :] = [t("trouble.more", n=len(lines) - LINES_MOST + 1)]
    return Trouble(state, t(words), lines)


def is_out(route: RouteNow) -> bool:
    """Whether a route gets no call now."""
    # A busy one goes last, and still gets what no other takes.
    return route.blocked is not None and route.blocked.why != "busy"


def _model(route: RouteNow) -> str:
    return short(route.name.partition("/")[2])


def _lines(found: Condition, t: Words) -> Iterator[str]:
    """Give a line for each reason: one that holds for all routes names none of them."""
    reasons: dict[str, list[str]] = {}
    for route in found.routes:
        if route.blocked is not None:
            reasons.setdefault(route.blocked.reason, []).append(_model(route))
        elif route.health.state != "closed":
            reasons.setdefault(t("trouble.tried_again"), []).append(_model(route))
    for reason, models in reasons.items():
        more = len(models) - NAMES_MOST
        named = ", ".join(models[:NAMES_MOST])
        if more > 0:
            named = t("trouble.names", names=named, n=more)
        yield reason if len(models) == len(found.routes) > 1 else f"{named}: {reason}"
    if found.cooling and not reasons:
        left = lasting(max(found.cooling.values()), t)
        yield t("trouble.cools", n=len(found.cooling), left=left)
