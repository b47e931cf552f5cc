"""Where a request may go and what is set aside for it: the plan of its routes, and its refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches

from billing.limits import Hold, OverLimitError
from billing.money import usd_text
from gateway.auth import Principal
from gateway.config_models import ModelForm
from gateway.conversations import cache_marks
from gateway.errors import Refusal
from gateway.house import House
from gateway.setup import Candidates, Setup
from providers import tokens
from providers.wires.wire import Peek
from routing import route as routes
from routing.expected import Expected, View
from routing.facts import RequestFacts
from routing.outlook import Outlook
from routing.plan import Dropped, Plan, plan
from routing.route import Size
from routing.wish import Wish


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
    house: House, facts: RequestFacts, peek: Peek, size: Size, raw: bytes, key: bytes | None
) -> View:
    """Return what an order looks at for one request, of the conversation ``key``."""
    now = datetime.now(UTC)
    output = house.answers.expect(facts.key, peek.model, peek.n, size.output_tokens)
    expected = Expected(tokens.estimate(peek.text_bytes), output, *cache_marks(raw))
    warm = house.affinity.warm(key, now)
    return View(now, expected, house.outlook.speed, warm, house.draw())


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


def set_aside(
    house: House,
    principal: Principal,
    planned: Plan,
    size: Size,
    peek: Peek,
    form: ModelForm | None,
    *,
    rated: bool = True,
) -> tuple[Plan, Hold]:
    """Hold the most that this call can cost: twice where two may answer. Raises ``Refusal``.

    ``rated`` False: it does not count as one of the key's requests.
    Under a budget a route without a known price is left out: what cannot be priced cannot be held.
    So is one that may cost more than is left, as long as another costs less: a model at home stays
    there when the money is spent.
    """
    limits = house.limits
    most: int | None = 0
    if limits.has_budgets and limits.budgeted(principal.name, principal.team):
        two = form is not None and (form.hedge is not None or form.continue_streams)
        planned, most = affordable(house, principal, planned, size, 2 if two else 1)
    likely = tokens.estimate(peek.text_bytes) + (size.output_tokens or 0)
    try:
        hold = limits.hold(principal.name, principal.team, likely, most, rated=rated)
    except OverLimitError as over:
        raise Refusal(over.code, over.message, retry_after_s=over.retry_after_s) from None
    return planned, hold


def affordable(
    house: House, principal: Principal, planned: Plan, size: Size, times: int
) -> tuple[Plan, int | None]:
    """Return the plan less the routes that a budget keeps out, and the most that it can cost.

    ``times`` is how many answers may have to be paid.
    """
    now = datetime.now(UTC)
    left = house.limits.left(principal.name, principal.team)
    most = {route.name: routes.ceiling(route, now, size) for route in planned.routes}
    known = {name: usd * times for name, usd in most.items() if usd is not None}
    cheapest = min(known.values(), default=None)
    dropped = []
    for route in planned.routes:
        usd = most[route.name]
        if usd is None:
            dropped.append(Dropped(route, "price", "", "no known price, under a budget"))
        elif usd * times > left and cheapest is not None and cheapest <= left:
            what = (
                f"it may cost up to {usd_text(usd)} USD, and the budget has {usd_text(left)} left"
            )
            dropped.append(Dropped(route, "budget", "", what))
            del known[route.name]
    return without(planned, dropped), max(known.values(), default=None)


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
