"""Where a request may go and what is set aside for it: the plan of its routes, and its refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches

from billing.budgets import Holder
from billing.limits import Hold, OverLimitError, StateAwayError
from billing.money import usd_text
from gateway.config_models import ModelForm
from gateway.conversations import cache_marks
from gateway.debt import DebtError, Owing
from gateway.errors import Refusal
from gateway.house import House
from gateway.setup import Candidates, Setup
from providers import tokens
from providers.wires.wire import Peek
from routing import route as routes
from routing.expected import Expected, View, Warm
from routing.facts import RequestFacts
from routing.outlook import Outlook
from routing.plan import Dropped, Plan, plan
from routing.route import Route, Size
from routing.wish import Wish

# The most that each route can cost, by its name; None: nobody knows.
Costs = dict[str, int | None]
MostOf = Callable[[Route, datetime, Size], int | None]
UNPRICED = "no known price, under a budget"
AWAY_RETRY_S = 2.0


def candidates_for(setup: Setup, model: str) -> Candidates:
    """Return who may be asked for ``model``, before policy. Raises ``Refusal`` where nobody."""
    found = setup.candidates(model)
    if found is None:
        near = get_close_matches(model, setup.model_names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise Refusal(
            "unknown_model",
            f"there is no model {model[:200]!r} here; {hint}GET /v1/models lists them",
            param="model",
        )
    return found


def consider(
    setup: Setup,
    facts: RequestFacts,
    size: Size,
    prefer: Wish | None,
    outlook: Outlook | None = None,
    view: View | None = None,
) -> Plan:
    """Plan the routes of a request; the plan may be empty. Raises ``Refusal`` for no such model.

    ``prefer`` is the client's own wish. Without an ``outlook`` every route counts as well.
    """
    found = candidates_for(setup, facts.model)
    wish = prefer or found.wish
    now = datetime.now(UTC)
    return plan(found.routes, wish, setup.policy, facts, now, size, outlook, view)


def view_of(
    house: House,
    facts: RequestFacts,
    peek: Peek,
    size: Size,
    raw: bytes,
    warm: Mapping[str, Warm],
) -> View:
    """Return what an order looks at for one request; ``warm`` is which routes have it cached."""
    output = house.answers.expect(facts.key, peek.model, peek.n, size.output_tokens)
    expected = Expected(tokens.estimate(peek.text_bytes), output, *cache_marks(raw))
    shadow = house.windows.shadow
    return View(datetime.now(UTC), expected, house.outlook.speed, warm, house.draw(), shadow)


def no_route(planned: Plan) -> Refusal:
    """Return the refusal of a plan without routes: 403 where rules alone left none, else 503."""
    refused = [dropped for dropped in planned.dropped if dropped.why in ("policy", "terms")]
    reasons = "; ".join(_why(dropped) for dropped in planned.dropped)
    if planned.dropped and len(refused) == len(planned.dropped):
        named = (d.rule or "the plan's terms" for d in refused)
        rules = ", ".join(repr(name) for name in dict.fromkeys(named))
        return Refusal(
            "policy_denied",
            f"no route may answer this request, by rule {rules}: {reasons}. Ask for another model, "
            "or have the policy's owner allow a route",
        )
    if planned.dropped and all(d.why in ("policy", "terms", "capability") for d in planned.dropped):
        return Refusal("context_too_long", f"no route's window is large enough: {reasons}")
    waits = [drop.frees_in_s for drop in planned.dropped if drop.frees_in_s is not None]
    return Refusal(
        "no_healthy_route",
        f"no route can answer now: {reasons}. `POST /api/explain` and `entrepot doctor` say more",
        retry_after_s=min(waits, default=30),
    )


def _why(dropped: Dropped) -> str:
    if not dropped.rule:
        return f"{dropped.route.name}: {dropped.reason}"
    # Its sources and dates are for `explain`: an error's reader wants the fact.
    breach = f"{dropped.fact} is {dropped.value}" if dropped.fact else dropped.reason
    return f"{dropped.route.name}: rule {dropped.rule!r}, {breach}"


def not_tried(planned: Plan) -> str:
    """Return which routes were kept out of a plan, "" where none; for an error's text."""
    kept_out = [
        _why(dropped)
        for dropped in planned.dropped
        if dropped.why in ("policy", "health", "window")
    ]
    return f" (not tried: {'; '.join(kept_out)})" if kept_out else ""


async def set_aside(
    house: House,
    who: Holder,
    planned: Plan,
    size: Size,
    peek: Peek,
    form: ModelForm | None,
    *,
    rated: bool = True,
) -> tuple[Plan, Hold]:
    """Hold the most that this call can cost: twice where two may answer. Raises ``Refusal``.

    ``rated`` False: it does not count as one of the key's requests.
    Under a budget a route without a known price is left out: what cannot be priced cannot be held,
    unless the config allows it. So is one that may cost more than is left, as long as another costs
    less: a model at home stays there when the money is spent. What is of one provider alone is held
    by each attempt; here its routes are left out where there is no room.
    """
    limits = house.limits
    costs: Costs = {}
    if limits.has_budgets:
        two = form is not None and (form.hedge is not None or form.continue_streams)
        most_of = routes.hold_most if house.setup.config.unpriced == "allow" else routes.ceiling
        costs = _costs(planned, size, 2 if two else 1, most_of)
        planned = _within_providers(house, who, planned, costs)
    is_bound = limits.has_budgets and limits.budgeted(who)
    if is_bound and house.setup.config.unpriced == "refuse":
        planned = _priced(planned, costs)
    likely = tokens.estimate(peek.text_bytes) + (size.output_tokens or 0)
    while True:
        most: int | None = 0
        if is_bound:
            known = [usd for route in planned.routes if (usd := costs[route.name]) is not None]
            # Allowed without a price: it is counted when it is known.
            most = max(known, default=0 if planned.routes else None)
        try:
            return planned, await limits.hold(who, likely, most, rated=rated)
        except OverLimitError as over:
            cheaper = _under(planned, costs, over.left)
            if cheaper is planned:
                raise Refusal(over.code, over.message, retry_after_s=over.retry_after_s) from None
            planned = cheaper
        except StateAwayError as away:
            return planned, on_debt(house, who, most, away)


def on_debt(house: House, who: Holder, most: int | None, away: StateAwayError) -> Hold:
    """Return a hold on debt, while what is left cannot be known. Raises ``Refusal``."""
    try:
        return OnDebt(house.debt.take(who.key, most, uncounted=True))
    except DebtError as fault:
        raise Refusal(
            "ledger_unavailable",
            f"the server that limits are counted at cannot be reached ({away}), and a call that "
            f"cannot be counted is not let in: {fault}",
            retry_after_s=AWAY_RETRY_S,
        ) from None


class OnDebt(Hold):
    """What a call owes that was let in uncounted, settled like any hold."""

    __slots__ = ("_owing",)

    def __init__(self, owing: Owing) -> None:
        self._owing = owing

    def settle(self, cost: int | None, tokens: int) -> int:
        """Put what it cost in the place of the most that it might have."""
        del tokens
        self._owing.settle(cost)
        return 0


def _costs(planned: Plan, size: Size, times: int, most_of: MostOf) -> Costs:
    """Return the most that each route can cost, 1e-12 dollars, None where that is unknown."""
    now = datetime.now(UTC)
    most = {route.name: most_of(route, now, size) for route in planned.routes}
    return {name: usd * times if usd is not None else None for name, usd in most.items()}


def _priced(planned: Plan, costs: Costs) -> Plan:
    unknown = [route for route in planned.routes if costs[route.name] is None]
    return without(planned, [Dropped(route, "price", "", UNPRICED) for route in unknown])


def _within_providers(house: House, who: Holder, planned: Plan, costs: Costs) -> Plan:
    """Return the plan less the routes whose provider's own budget has no room for them."""
    if not house.limits.per_route:
        return planned
    dropped = []
    for route in planned.routes:
        left, most = house.limits.room(who, route.provider), costs[route.name]
        if left is None:
            continue
        if most is None and house.setup.config.unpriced == "refuse":
            dropped.append(Dropped(route, "price", "", UNPRICED))
        elif (most or 0) > left:
            whose = f"the budget of {route.provider}"
            dropped.append(Dropped(route, "budget", "", _too_dear(most or 0, left, whose)))
    if dropped and len(dropped) == len(planned.routes):
        said = "; ".join(f"{drop.route.name}: {drop.reason}" for drop in dropped)
        raise Refusal("budget_exceeded", f"no route is within its provider's budget: {said}")
    return without(planned, dropped)


def _under(planned: Plan, costs: Costs, left: int | None) -> Plan:
    """Return the plan less the routes that may cost more than is left, if another costs less."""
    if left is None:
        return planned
    fitting = [name for route in planned.routes if (costs.get(name := route.name) or 0) <= left]
    if not fitting:
        return planned
    dropped = [
        Dropped(route, "budget", "", _too_dear(costs[route.name] or 0, left, "the budget"))
        for route in planned.routes
        if route.name not in fitting
    ]
    return without(planned, dropped)


def _too_dear(usd: int, left: int, whose: str) -> str:
    return f"it may cost up to {usd_text(usd)} USD, and {whose} has {usd_text(left)} left"


def without(planned: Plan, dropped: list[Dropped]) -> Plan:
    """Return ``planned`` less the routes of ``dropped``, which are kept with their reasons."""
    if not dropped:
        return planned
    gone = {drop.route.name for drop in dropped}
    kept = [
        (route, why)
        for route, why in zip(planned.routes, planned.reasons, strict=True)
        if route.name not in gone
    ]
    return replace(
        planned,
        routes=tuple(route for route, _ in kept),
        reasons=tuple(why for _, why in kept),
        dropped=(*planned.dropped, *dropped),
    )
