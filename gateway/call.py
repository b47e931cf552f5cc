"""The first stations of a request: who, what, may, where, hold. Gives a ``Call`` or a refusal."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches

from billing.limits import Hold, OverLimitError
from gateway import auth
from gateway.auth import Principal
from gateway.entrance import Entrance
from gateway.errors import Refusal
from gateway.front import Receive, read_body
from gateway.house import House
from gateway.lanes import Lanes, able
from gateway.record import Record
from gateway.setup import Setup
from providers import json_body, tokens
from providers.wires.wire import BadRequestError, Json, Peek, Wire
from routing import plan as plans
from routing.facts import RequestFacts
from routing.plan import Dropped, Plan, Route, Size
from routing.policy import LabelError

TAGS_MAX, TAG_MAX_CHARS, SESSION_MAX_CHARS = 16, 64, 128
PREFERENCES = ("listed", "cheapest")


@dataclass(slots=True)
class Call:
    """One admitted request: what every attempt at it needs."""

    entrance: Entrance
    wire: Wire
    setup: Setup
    record: Record
    principal: Principal
    headers: Mapping[bytes, bytes]
    body: Json
    peek: Peek
    facts: RequestFacts
    session: str
    plan: Plan
    lanes: Lanes
    size: Size
    hold: Hold

    def may(self, route: Route) -> bool:
        """Whether policy lets this request go to ``route``; asked again right before each send."""
        policy = self.setup.policy
        most = None
        if policy.counts_money(self.facts):
            most = plans.ceiling_usd(route, datetime.now(UTC), self.size)
        return policy.judge(self.facts, route.facts, most).allowed


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's headers say of itself."""

    label: str | None
    tags: frozenset[str]
    session: str
    prefer: str | None


def new_id() -> str:
    """Return an id that is ours, sorts by time, and cannot be guessed."""
    return f"req_{time.time_ns() // 1_000_000:x}{secrets.token_hex(8)}"


async def admit(
    house: House,
    entrance: Entrance,
    headers: Mapping[bytes, bytes],
    receive: Receive,
    record: Record,
) -> Call:
    """Take a request through every station before a host is called. Raises ``Refusal``.

    Also raises ``ClientGoneError`` where the client left while sending.
    """
    setup = house.setup
    principal = auth.principal(headers, setup.principals, setup.local)
    record.key = principal.name
    raw = await read_body(receive, setup.body_max_bytes, headers.get(b"content-length"))
    sent = decode(raw)
    body = entrance.prepare(sent, house.stored, principal.name)
    peek = look(entrance, body, len(raw))
    record.model_asked, record.stream = peek.model, peek.stream
    facts, asked = request_facts(setup, principal, headers, peek.model)
    size = size_of(peek)
    planned = await where(house, setup, facts, size, asked.prefer)
    lanes = lanes_of(house, entrance.wire, principal, body, raw, peek)
    # What was kept and is put in again was not among the bytes.
    lanes.has_state = lanes.has_state or (entrance.keep is not None and body is not sent)
    planned = able(planned, lanes)
    if house.unsaved and not house.ledger_works():
        raise Refusal(
            "ledger_unavailable",
            f"the gateway cannot write its journal ({house.trouble}), and takes no call that it "
            "could not account for",
            retry_after_s=5,
        )
    planned, hold = set_aside(house, principal, planned, size, peek)
    return Call(
        entrance=entrance,
        wire=entrance.wire,
        setup=setup,
        record=record,
        principal=principal,
        headers=headers,
        body=body,
        peek=peek,
        facts=facts,
        session=asked.session,
        plan=planned,
        lanes=lanes,
        size=size,
        hold=hold,
    )


def decode(raw: bytes) -> Json:
    """Return a body as plain values. Raises ``Refusal`` where it is no JSON object."""
    try:
        return json_body.decode(raw)
    except BadRequestError as fault:
        raise Refusal("invalid_request", fault.message, param=fault.param) from None


def look(entrance: Entrance, body: Json, text_bytes: int) -> Peek:
    """Look at a body on its wire. Raises ``Refusal`` naming the field at fault."""
    client = entrance.wire.front
    try:
        return client.peek(body, text_bytes, entrance.path)
    except BadRequestError as fault:
        raise Refusal("invalid_request", fault.message, param=fault.param) from None


def lanes_of(
    house: House, wire: Wire, principal: Principal, body: Json, raw: bytes, peek: Peek
) -> Lanes:
    """Return the lanes of one request, none of them made yet."""
    setup = house.setup
    candidates = setup.candidates(peek.model)
    routes = candidates.routes if candidates is not None else ()
    return Lanes(
        wire=wire,
        body=body,
        # Looked for once and in the bytes, so that the common body is not walked through.
        has_state=wire.relay is not None and any(mark in raw for mark in wire.relay.state_marks),
        peek=peek,
        rules=setup.config.translate,
        recall=house.recall,
        key=principal.name,
        sole_issuer=routes[0].name if len(routes) == 1 else "",
    )


def asked_for(headers: Mapping[bytes, bytes]) -> Asked:
    """Read the ``x-entrepot-*`` request headers. Raises ``Refusal``."""
    label = headers.get(b"x-entrepot-label")
    names = headers.get(b"x-entrepot-tags", b"").decode("latin-1").split(",")
    tags = frozenset(name.strip() for name in names if name.strip())
    if len(tags) > TAGS_MAX or any(len(tag) > TAG_MAX_CHARS for tag in tags):
        raise Refusal(
            "invalid_request",
            f"x-entrepot-tags takes at most {TAGS_MAX} tags of {TAG_MAX_CHARS} characters",
            param="x-entrepot-tags",
        )
    session = headers.get(b"x-entrepot-session", b"").decode("latin-1")
    prefer = headers.get(b"x-entrepot-prefer", b"").decode("latin-1") or None
    if prefer is not None and prefer not in PREFERENCES:
        raise Refusal(
            "invalid_request",
            f"x-entrepot-prefer must be one of {', '.join(PREFERENCES)}, not {prefer[:40]!r}",
            param="x-entrepot-prefer",
        )
    return Asked(
        label.decode("latin-1").strip() if label else None,
        tags,
        session[:SESSION_MAX_CHARS],
        prefer,
    )


def request_facts(
    setup: Setup, principal: Principal, headers: Mapping[bytes, bytes], model: str
) -> tuple[RequestFacts, Asked]:
    """Return what policy may know of a request. Raises ``Refusal`` for a label that is none."""
    asked = asked_for(headers)
    try:
        label = setup.policy.raise_label(principal.label, asked.label)
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
    return RequestFacts(label, principal.team, principal.name, asked.tags, model, client), asked


def consider(setup: Setup, facts: RequestFacts, size: Size, prefer: str | None) -> Plan:
    """Plan the routes of a request; the plan may be empty. Raises ``Refusal`` for no such model."""
    candidates = setup.candidates(facts.model)
    if candidates is None:
        raise _unknown_model(setup, facts.model)
    wish = prefer or candidates.prefer
    return plans.plan(candidates.routes, wish, setup.policy, facts, datetime.now(UTC), size)


def size_of(peek: Peek) -> Size:
    """Return the most tokens that a request can cost."""
    output = peek.max_output * peek.n if peek.max_output is not None else None
    return Size(tokens.at_most(peek.text_bytes), output, peek.n)


async def where(
    house: House, setup: Setup, facts: RequestFacts, size: Size, prefer: str | None
) -> Plan:
    """Plan the routes, by what servers at home say of themselves where that is to be asked.

    Raises ``Refusal`` where there is no such model or no route is left.
    """
    planned = consider(setup, facts, size, prefer)
    if (
        setup.servers_tell
        and house.at_home.due(setup, planned)
        and await house.at_home.meet(setup, planned)
    ):
        planned = consider(setup, facts, size, prefer)
    if not planned.routes:
        raise no_route(planned)
    return planned


def _without(planned: Plan, dropped: list[Dropped]) -> Plan:
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
    return Refusal(
        "no_healthy_route",
        f"no route can answer now: {reasons}. `entrepot explain` and `doctor` say more",
        retry_after_s=30,
    )


def _why(dropped: Dropped) -> str:
    if not dropped.rule:
        return f"{dropped.route.name}: {dropped.reason}"
    # Its sources and dates are for `explain`: an error's reader wants the fact.
    breach = f"{dropped.fact} is {dropped.value}" if dropped.fact else dropped.reason
    return f"{dropped.route.name}: rule {dropped.rule!r}, {breach}"


def not_tried(planned: Plan) -> str:
    """Return which routes the policy kept out of a plan, "" where none; for an error's text."""
    kept_out = [_why(dropped) for dropped in planned.dropped if dropped.why == "policy"]
    return f" (not tried: {'; '.join(kept_out)})" if kept_out else ""


def _unknown_model(setup: Setup, model: str) -> Refusal:
    near = get_close_matches(model, setup.model_names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return Refusal(
        "unknown_model",
        f"there is no model {model[:200]!r} here; {hint}GET /v1/models lists them",
        param="model",
    )


def set_aside(
    house: House, principal: Principal, planned: Plan, size: Size, peek: Peek
) -> tuple[Plan, Hold]:
    """Hold the most that this call can cost. Raises ``Refusal``.

    Under a budget a route without a known price is left out: what cannot be priced cannot be held.
    """
    limits = house.limits
    ceiling: int | None = 0
    if limits.has_budgets and limits.budgeted(principal.name, principal.team):
        now = datetime.now(UTC)
        most = {route.name: plans.ceiling(route, now, size) for route in planned.routes}
        ceiling = max((usd for usd in most.values() if usd is not None), default=None)
        unpriced = [
            Dropped(route, "price", "", "no known price, under a budget")
            for route in planned.routes
            if most[route.name] is None
        ]
        planned = _without(planned, unpriced)
    likely = tokens.estimate(peek.text_bytes) + (size.output_tokens or 0)
    try:
        return planned, limits.hold(principal.name, principal.team, likely, ceiling)
    except OverLimitError as over:
        raise Refusal(over.code, over.message, retry_after_s=over.retry_after_s) from None
