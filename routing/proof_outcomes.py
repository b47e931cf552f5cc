"""What becomes of one kind of request: who may answer, who may be first, who else gets a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from billing.bands import turns
from routing.facts import UNKNOWN_MONEY, RequestFacts
from routing.policy import Policy, Verdict
from routing.proof_cases import Asked, Resolve
from routing.route import Route, Size, money
from routing.wish import Order, Wish

_SMALLEST = Size(prompt_tokens=1, output_tokens=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The routes that may answer, in the order listed, and those that may not, with every reason.

    ``firsts`` are the routes that can be the first to be asked. ``copied`` are those that get the
    data of the request without answering it, each with what for. ``order`` is what is wanted, and
    ``ordering`` the rule that wants it, "" where none does. ``at`` is when.
    """

    routes: tuple[Route, ...]
    refused: tuple[tuple[Route, tuple[Verdict, ...]], ...]
    firsts: tuple[Route, ...]
    copied: tuple[tuple[Route, str], ...]
    order: Order
    ordering: str
    at: datetime


@dataclass(slots=True)
class Outcomes:
    """Finds outcomes under one policy, as of ``now`` and of every moment when a price changes."""

    policy: Policy
    resolve: Resolve
    now: datetime
    _moments: dict[str, tuple[datetime, ...]] = field(default_factory=dict)

    def of(self, request: RequestFacts, asked: Asked) -> Iterator[Outcome]:
        """Give what becomes of ``request``, the outcome at this moment first."""
        rule = next((one for one in self.policy.applies(request) if one.prefer), None)
        wish = Wish(rule.prefer) if rule is not None and rule.prefer else asked.wish
        judging = self._judging(request, asked)
        timed = wish.order == "cheapest" or any(map(self.policy.limited, (request, *judging)))
        for at in self._when(asked) if timed else (self.now,):
            routes, refused = self._judged(request, asked.routes, at)
            yield Outcome(
                routes=routes,
                refused=refused,
                firsts=firsts(wish, routes, at),
                copied=tuple(self._copied(request, asked, at)) if routes else (),
                order=wish.order,
                ordering=rule.name if rule is not None else "",
                at=at,
            )

    def _judged(
        self, request: RequestFacts, routes: Sequence[Route], at: datetime
    ) -> tuple[tuple[Route, ...], tuple[tuple[Route, tuple[Verdict, ...]], ...]]:
        limited = self.policy.limited(request)
        kept = []
        refused = []
        for route in routes:
            cost = money(route, at, _SMALLEST, limited) if limited else UNKNOWN_MONEY
            breaches = tuple(self.policy.breaches(request, route.facts, cost))
            if breaches:
                refused.append((route, breaches))
            else:
                kept.append(route)
        return tuple(kept), tuple(refused)

    def _copied(
        self, request: RequestFacts, asked: Asked, at: datetime
    ) -> Iterator[tuple[Route, str]]:
        if asked.shadow is None:
            return
        shadows, _ = self._judged(request, (asked.shadow,), at)
        yield from ((route, "gets a copy") for route in shadows)
        judge = self.resolve(asked.judge) if asked.judge and shadows else None
        if judge is not None:
            # A judge reads the request too: both it and the question to the judge must be allowed.
            judges = judge.routes
            for call in (request, *self._judging(request, asked)):
                judges, _ = self._judged(call, judges, at)
            yield from ((route, "may judge the answers") for route in judges)

    def _judging(self, request: RequestFacts, asked: Asked) -> tuple[RequestFacts, ...]:
        """Return the question to the judge of a request, as policy sees it; none where none is."""
        judge = self.resolve(asked.judge) if asked.judge and asked.shadow is not None else None
        if judge is None:
            return ()
        return (replace(request, model=asked.judge, entry=judge.entry),)

    def _when(self, asked: Asked) -> tuple[datetime, ...]:
        """Return this moment, and those at which a price of the routes begins or ends to hold."""
        routes = [*asked.routes, *([asked.shadow] if asked.shadow is not None else [])]
        judge = self.resolve(asked.judge) if asked.judge else None
        routes += judge.routes if judge is not None else ()
        bands = (
            applies
            for route in routes
            for applies, _ in (route.prices.bands if route.prices is not None else ())
        )
        return (self.now, *turns(bands, self.now))


def firsts(wish: Wish, routes: Sequence[Route], at: datetime) -> tuple[Route, ...]:
    """Return those of ``routes`` that can be the first under ``wish``.

    What is cheapest depends on how many tokens go in and come out: only a route that another one
    undercuts in both cannot be it. Speed is measured, and weights draw lots: any can be first.
    """
    if wish.order == "listed":
        return tuple(routes[:1])
    if wish.order == "cheapest":
        return _cheapest(routes, at)
    if wish.order == "weighted":
        weighing = tuple(route for route in routes if wish.weights.get(route.name, 1))
        return weighing or tuple(routes[:1])
    return tuple(routes)


def _cheapest(routes: Sequence[Route], at: datetime) -> tuple[Route, ...]:
    prices = []
    for route in routes:
        cost = money(route, at, _SMALLEST)
        if cost.input is not None and cost.output is not None:
            prices.append((route, cost.input, cost.output))
    found = []
    for place, (route, into, out) in enumerate(prices):
        undercut = any(
            other_in <= into
            and other_out <= out
            and (other_in < into or other_out < out or other_place < place)
            for other_place, (_, other_in, other_out) in enumerate(prices)
            if other_place != place
        )
        if not undercut:
            found.append(route)
    return tuple(found) or tuple(routes[:1])
