"""What a request's key, headers and model say of it: made out once, looked up for the next alike.

Agents send thousands of requests that differ in nothing but their bodies. What policy, terms and
the list make of them is the same each time, so it is kept with the setup, and goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.auth import Principal
from gateway.choosing import candidates_for
from gateway.conversations import matters
from gateway.errors import Refusal
from gateway.setup import Setup, Standing
from routing.facts import RequestFacts
from routing.plan import Plan, plan
from routing.policy import LabelError
from routing.route import Route, Size
from routing.wish import ASKABLE, Wish

TAGS_MAX, TAG_MAX_CHARS, SESSION_MAX_CHARS = 16, 64, 128
# Headers of more bytes in all are looked at each time: what is kept is bounded.
KEPT_MAX_BYTES = 1024
# By what a route is left out for what the request would cost there (``routing.rules.Limit``).
MONEY_FACTS = frozenset({"request_usd", "price", "input price", "output price"})


def standing(
    setup: Setup, principal: Principal, headers: Mapping[bytes, bytes], model: str
) -> Standing:
    """Return how a request for ``model`` stands. Raises ``Refusal``.

    That is for a label or a wish that is none, and for a model that there is not, or not for this
    key.
    """
    given = headers.get
    label, tags = given(b"x-entrepot-label"), given(b"x-entrepot-tags")
    prefer, client = given(b"x-entrepot-prefer"), given(b"user-agent")
    key = (principal.name, model, label, tags, prefer, client)
    found = setup.standing(key)
    if found is None:
        facts = request_facts(setup, principal, headers, model)
        found = _made(setup, facts, wish_of(prefer))
        size = len(model) + sum(len(one) for one in (label, tags, prefer, client) if one)
        if size <= KEPT_MAX_BYTES:
            setup.stand(key, found)
    return found


def session_of(headers: Mapping[bytes, bytes]) -> str:
    """Return the session that the client names, "" where it names none."""
    named = headers.get(b"x-entrepot-session")
    return named.decode("latin-1")[:SESSION_MAX_CHARS] if named is not None else ""


def _made(setup: Setup, facts: RequestFacts, prefer: Wish | None) -> Standing:
    candidates = candidates_for(setup, facts.model)
    policy = setup.policy
    order = policy.preference(facts) or (prefer or candidates.wish).order
    made = Standing(facts, prefer, candidates, matters(candidates.routes), None, 0, frozenset())
    made.limited = bool(policy.limited(facts))
    made.lasts = order == "listed" and not policy.ages
    if made.limited:
        # Within limits now is within limits always, where no price ever changes.
        made.lasts = made.lasts and all(map(_has_one_price, candidates.routes))
    elif made.lasts:
        wish = prefer or candidates.wish
        _stand(made, plan(candidates.routes, wish, policy, facts, datetime.now(UTC)))
    return made


def _has_one_price(route: Route) -> bool:
    return bool(route.available) or (route.prices is not None and route.prices.is_constant)


def _stand(made: Standing, planned: Plan) -> None:
    routes = planned.routes
    made.plan = planned
    made.window = min((route.context for route in routes if route.context), default=0)
    quiet = [{name for name, said in one.dialects.items() if said.quiet} for one in routes]
    made.quiet = frozenset.intersection(*map(frozenset, quiet)) if quiet else frozenset()


def is_proven(made: Standing, size: Size) -> bool:
    """Whether a request of ``size`` is within every limit of money, as far as was found out.

    More tokens never cost less, so that what holds of a size holds of all that are smaller.
    """
    known = made.proven.get(size.output_tokens is None)
    if known is None or size.prompt_tokens > known[0] or (size.output_tokens or 0) > known[1]:
        return False
    return _is_plain(size)


def prove(made: Standing, size: Size, planned: Plan) -> None:
    """Take note that ``planned`` was made for ``size``, of a request that nothing else bears on."""
    if not (made.lasts and made.limited and _is_plain(size)):
        return
    longest = max(size.prompt_likely, size.prompt_least)
    if any(route.context is not None and longest > route.context for route in planned.routes):
        return
    if any(drop.why == "capability" or drop.fact in MONEY_FACTS for drop in planned.dropped):
        return
    if made.plan is None:
        _stand(made, planned)
    elif made.plan.routes != planned.routes:
        return
    sets_none, found = size.output_tokens is None, (size.prompt_tokens, size.output_tokens or 0)
    known = made.proven.get(sets_none)
    if known is None or (found[0] >= known[0] and found[1] >= known[1]):
        made.proven[sets_none] = found


def _is_plain(size: Size) -> bool:
    return size.answers == 1 and not (size.tier or size.searches or size.is_open)


def request_facts(
    setup: Setup, principal: Principal, headers: Mapping[bytes, bytes], model: str
) -> RequestFacts:
    """Return what policy may know of a request. Raises ``Refusal`` for a label that is none."""
    given = headers.get(b"x-entrepot-label")
    label = given.decode("latin-1").strip() if given else None
    tags = _tags(headers.get(b"x-entrepot-tags", b""))
    try:
        label = setup.policy.raise_label(principal.label, label, tags)
    except LabelError as fault:
        raise Refusal("invalid_request", str(fault), param="x-entrepot-label") from None
    if not setup.may_ask(principal, model):
        raise Refusal(
            "unknown_model",
            f"key {principal.name!r} may not use model {model!r}; it may use: "
            f"{', '.join(sorted(principal.models or ()))}",
            param="model",
        )
    client = headers.get(b"user-agent", b"").decode("latin-1")
    candidates = setup.candidates(model)
    entry = candidates.entry if candidates is not None else ""
    return RequestFacts(label, principal.team, principal.name, tags, model, client, entry)


def _tags(given: bytes) -> frozenset[str]:
    names = given.decode("latin-1").split(",")
    tags = frozenset(name.strip() for name in names if name.strip())
    if len(tags) > TAGS_MAX or any(len(tag) > TAG_MAX_CHARS for tag in tags):
        raise Refusal(
            "invalid_request",
            f"x-entrepot-tags takes at most {TAGS_MAX} tags of {TAG_MAX_CHARS} characters",
            param="x-entrepot-tags",
        )
    return tags


def wish_of(given: bytes | None) -> Wish | None:
    """Return the order that a client asks for. Raises ``Refusal`` for one that is none."""
    if not given:
        return None
    prefer = given.decode("latin-1")
    if prefer not in ASKABLE:
        raise Refusal(
            "invalid_request",
            f"x-entrepot-prefer must be one of {', '.join(ASKABLE)}, not {prefer[:40]!r}",
            param="x-entrepot-prefer",
        )
    return ASKABLE[prefer]
