"""Which routes may answer a request, in which order, and why each other one may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from routing import strategies
from routing.expected import View
from routing.facts import NO_MONEY, UNKNOWN_MONEY, RequestFacts
from routing.outlook import Outlook
from routing.policy import Policy, Verdict
from routing.route import Route, Size, money
from routing.rules import fits
from routing.wish import Wish

DropReason = Literal[
    "policy", "unavailable", "terms", "capability", "budget", "price", "window", "health"
]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A route that was considered and left out.

    ``rule``, ``fact``, ``value`` and ``evidence`` are "" unless the policy refused it.
    ``frees_in_s`` is in how many seconds a route that is left out for now may be asked again.
    """

    route: Route
    why: DropReason
    rule: str
    reason: str
    fact: str = ""
    value: str = ""
    evidence: str = ""
    frees_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The routes to try, in order, with one text each in ``reasons``; and the ones left out.

    ``busy`` are those among the routes that go last because of their queue.
    """

    routes: tuple[Route, ...]
    dropped: tuple[Dropped, ...]
    prefer: str
    reasons: tuple[str, ...]
    busy: tuple[Route, ...] = ()


def plan(
    candidates: Sequence[Route],
    wish: Wish,
    policy: Policy,
    request: RequestFacts,
    now: datetime,
    size: Size | None = None,
    outlook: Outlook | None = None,
    view: View | None = None,
) -> Plan:
    """Return who may answer ``request``, in the order to try them.

    ``wish`` is the client's or the model's own; a rule's wish goes before it. Without ``size`` the
    request's cost is unknown, and a rule on ``request_usd`` refuses. Without an ``outlook`` every
    route counts as well and free, and without a ``view`` nothing is known of the request's cost.
    """
    kept, dropped = _admitted(candidates, policy, request, now, size)
    busy: list[tuple[Route, str]] = []
    late: list[tuple[Route, str]] = []
    if size is not None:
        kept = _fitting(kept, size, dropped, late)
    if outlook is not None and not outlook.is_clear:
        kept = _standing(kept, outlook, dropped, busy)
    order = policy.preference(request)
    wish = Wish(order) if order is not None else wish
    routes, reasons = strategies.order(kept, wish, view or View(now))
    if late or busy:
        routes += tuple(route for route, _ in (*busy, *late))
        reasons += tuple(reason for _, reason in (*busy, *late))
    waited_for = tuple(route for route, _ in busy)
    return Plan(routes, tuple(dropped), wish.text, reasons, waited_for)


def _admitted(
    candidates: Sequence[Route],
    policy: Policy,
    request: RequestFacts,
    now: datetime,
    size: Size | None,
) -> tuple[list[Route], list[Dropped]]:
    """Return the routes that policy and contracts allow and that are there, and the others."""
    kept: list[Route] = []
    dropped: list[Dropped] = []
    limited = policy.limited(request)
    for route in candidates:
        # Policy speaks first: that a route is down must not hide that it is forbidden. What a call
        # would cost there is not asked of a route that takes none.
        cost = UNKNOWN_MONEY
        if limited:
            cost = NO_MONEY if route.available else money(route, now, size, limited)
        verdict = policy.judge(request, route.facts, cost)
        if not verdict.allowed:
            dropped.append(_refused(route, verdict))
        elif route.available:
            dropped.append(Dropped(route, "unavailable", "", route.available))
        elif request.client is not None and not _is_for(route, request.client):
            dropped.append(Dropped(route, "terms", "", _not_for(route, request.client)))
        else:
            kept.append(route)
    return kept, dropped


def _fitting(
    routes: list[Route], size: Size, dropped: list[Dropped], late: list[tuple[Route, str]]
) -> list[Route]:
    """Leave out the routes whose window is certainly too small; probably too small ones go last."""
    longest = max(size.prompt_likely, size.prompt_least)
    if all(route.context is None or longest <= route.context for route in routes):
        return routes
    kept = []
    for route in routes:
        if route.context is None or longest <= route.context:
            kept.append(route)
        elif size.prompt_least > route.context:
            what = f"the prompt has at least {size.prompt_least} tokens, its window {route.context}"
            dropped.append(Dropped(route, "capability", "", what))
        else:
            what = f"about {size.prompt_likely} tokens are more than its window of {route.context}"
            late.append((route, f"{what}, so last"))
    return kept


def _standing(
    routes: list[Route], outlook: Outlook, dropped: list[Dropped], busy: list[tuple[Route, str]]
) -> list[Route]:
    """Leave out the routes that must not be asked now; those that are only busy go last."""
    kept = []
    for route in routes:
        blocked = outlook.blocked(route)
        if blocked is None:
            kept.append(route)
        elif blocked.why == "busy":
            busy.append((route, f"{blocked.reason}, so last"))
        else:
            left_out = Dropped(
                route, blocked.why, "", blocked.reason, frees_in_s=blocked.frees_in_s
            )
            dropped.append(left_out)
    return kept


def _is_for(route: Route, client: str) -> bool:
    return not route.clients or any(fits(name, client) for name in route.clients)


def _not_for(route: Route, client: str) -> str:
    who = f"a client that calls itself {client[:80]!r}" if client else "a client without a name"
    return f"its plan's terms are for {', '.join(route.clients)}, not for {who}"


def _refused(route: Route, verdict: Verdict) -> Dropped:
    return Dropped(
        route,
        "policy",
        verdict.rule,
        verdict.reason,
        verdict.fact,
        verdict.value,
        verdict.evidence,
    )
