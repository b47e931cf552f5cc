"""One admitted request, and what a request says of itself: its body's look, its headers, its facts.

Every function here is pure but for the clock; ``admission`` goes through the stations in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from billing.budgets import Holder
from billing.limits import Hold
from gateway.auth import Principal
from gateway.debt import NOT_OWING, Owing
from gateway.entrance import Entrance
from gateway.errors import Refusal
from gateway.lanes import Lanes
from gateway.recall import Recall
from gateway.record import Record
from gateway.setup import Candidates, Setup
from providers import json_body, tokens
from providers.usage import TOKENS_MAX
from providers.wires.wire import BadRequestError, Json, Peek, Wire
from routing.expected import COLD, Warm
from routing.facts import UNKNOWN_MONEY, RequestFacts
from routing.plan import Plan
from routing.route import Route, Size, money

NO_TEXT = frozenset({"images", "files", "audio"})
# No host gives so many answers to one call, nor searches so often for it.
ANSWERS_MAX, SEARCHES_MAX = 10**6, 10**4
USER_MAX_CHARS = 128


class Call(Struct, eq=False):
    """One admitted request: what every attempt at it needs.

    ``candidates`` is what the config says of the model asked for, ``decision`` how its routes were
    chosen, in the ledger's form. ``who`` is whose call it is, as budgets tell them apart.
    ``conversation`` is the key of the one that it belongs to, None where that does not matter, and
    ``warm`` what of it was in which route's cache.
    """

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
    candidates: Candidates
    plan: Plan
    lanes: Lanes
    size: Size
    who: Holder
    hold: Hold
    decision: str
    owing: Owing = NOT_OWING
    conversation: bytes | None = None
    warm: Mapping[str, Warm] = COLD

    @property
    def user(self) -> str:
        """For whom the client says that it asks, where its key is believed; else ""."""
        return self.who.user or ""

    @property
    def stay(self) -> str:
        """What keeps a conversation at one of a provider's keys, whose cache it is; "" for none."""
        return self.conversation.hex() if self.conversation is not None else self.session

    @property
    def hedge(self) -> int | None:
        """After which percentile of a route's usual wait a second is asked too; None: never.

        For streams only: how long an answer takes that comes whole is for its length to say.
        """
        form = self.candidates.form
        if form is None or form.hedge is None or not self.peek.stream:
            return None
        return form.hedge.percentile

    @property
    def continues(self) -> bool:
        """Whether another route may go on with a stream that breaks off in its text."""
        return goes_on(self.candidates, self.peek, self.wire)

    def may(self, route: Route) -> bool:
        """Whether policy lets this request go to ``route``; asked again right before each send."""
        policy = self.setup.policy
        cost = UNKNOWN_MONEY
        limited = policy.limited(self.facts)
        if limited:
            cost = money(route, datetime.now(UTC), self.size, limited)
        return policy.judge(self.facts, route.facts, cost).allowed


def holder(principal: Principal, facts: RequestFacts, peek: Peek) -> Holder:
    """Return whose call it is, as budgets tell them apart."""
    user = None
    if principal.trust_user:
        user = peek.user[:USER_MAX_CHARS]
        if not user.isprintable():
            user = "".join(sign for sign in user if sign.isprintable())
    return Holder(
        principal.name,
        principal.team,
        user,
        facts.tags,
        facts.label,
        facts.model,
        facts.entry or "",
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
    setup: Setup,
    recall: Recall,
    wire: Wire,
    facts: RequestFacts,
    body: Json,
    raw: bytes,
    peek: Peek,
) -> Lanes:
    """Return the lanes of one request, none of them made yet.

    ``setup`` is the one that the request's label was judged by, whatever is in force meanwhile.
    """
    candidates = setup.candidates(peek.model)
    routes = candidates.routes if candidates is not None else ()
    return Lanes(
        wire=wire,
        body=body,
        # Looked for once and in the bytes, so that the common body is not walked through.
        has_state=wire.relay is not None and any(mark in raw for mark in wire.relay.state_marks),
        peek=peek,
        rules=setup.config.translate,
        recall=recall,
        key=facts.key,
        label=facts.label,
        labels=setup.policy.labels,
        sole_issuer=routes[0].name if len(routes) == 1 else "",
    )


def goes_on(candidates: Candidates, peek: Peek, wire: Wire) -> bool:
    """Tell whether a stream of this request is gone on with where it breaks off in its text."""
    form = candidates.form
    if form is None or not form.continue_streams:
        return False
    return peek.stream and not peek.json_stream and peek.n == 1 and wire.neutral


def size_of(peek: Peek) -> Size:
    """Return the most tokens that a request can cost, and how long its prompt is at least."""
    # Clients state any number, and a host may take a smaller one for it: the ledger has to hold it.
    answers, searches = min(peek.n, ANSWERS_MAX), min(peek.searches, SEARCHES_MAX)
    limit = peek.max_output
    output = min(limit * answers, TOKENS_MAX) if limit is not None else None
    size = peek.text_bytes
    # The bytes of pictures and files say nothing of tokens.
    tells = not peek.needs & NO_TEXT
    likely, least = (tokens.estimate(size), tokens.at_least(size)) if tells else (0, 0)
    most = tokens.at_most(size)
    return Size(most, output, answers, likely, least, peek.tier, searches, is_open=not tells)
