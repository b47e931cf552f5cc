"""A call beside the client's own: planned, held and settled like it, its answer read in memory.

Nothing of it reaches a client, and nothing of it is stored but the entry in the ledger. It goes
where policy, plan terms, health and budgets let the request itself go, and waits for nothing: what
has no room now is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace as copied

from billing.limits import Both, Hold, OverLimitError, StateAwayError
from gateway.asking import asked
from gateway.attempt import Attempt
from gateway.call import Call
from gateway.errors import Refusal
from gateway.house import House
from gateway.lanes import Cannot, Lanes, able
from gateway.watching import watched
from gateway.words import words
from providers import ir
from providers.assemble import collected, events_of
from providers.errors import ErrorKind, UpstreamError
from providers.wires.wire import Json, Peek, Wire
from routing import explain
from routing.plan import plan
from routing.route import Route, ceiling
from routing.wish import Wish

ANSWER_MAX_BYTES = 8 * 1024 * 1024


class NotAskedError(Exception):
    """Why nothing was sent, in a word for a metric: policy, terms, health, budget and the like."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def lanes_for(call: Call, wire: Wire, body: Json, peek: Peek) -> Lanes:
    """Return lanes for another body that the caller of ``call`` is the cause of, none made yet."""
    given = call.lanes
    return Lanes(
        wire=wire,
        body=body,
        has_state=given.has_state,
        peek=peek,
        rules=given.rules,
        recall=given.recall,
        key=given.key,
        label=given.label,
        labels=given.labels,
        sole_issuer=given.sole_issuer,
    )


async def ready(
    house: House, call: Call, routes: Sequence[Route], wish: Wish, purpose: str, number: int = 1
) -> Attempt:
    """Plan ``call`` over ``routes``, set aside what it can cost, and return its one attempt.

    ``call`` has facts, body and size of its own. Raises ``NotAskedError``. Whoever gets the attempt
    must make it with ``answered`` and settle its hold.
    """
    if house.unsaved:
        raise NotAskedError("ledger")
    policy, now = call.setup.policy, datetime.now(UTC)
    planned = plan(routes, wish, policy, call.facts, now, call.size, house.outlook)
    if not planned.routes:
        raise NotAskedError(planned.dropped[0].why if planned.dropped else "unavailable")
    try:
        planned = able(planned, call.lanes)
        route = planned.routes[0]
        lane = call.lanes.of(route)
    except Refusal:
        raise NotAskedError("capability") from None
    if isinstance(lane, Cannot):
        raise NotAskedError("capability")
    blocked = house.outlook.blocked(route)
    if blocked is not None:
        # Also where a route is only busy: who waits there now is a client.
        raise NotAskedError(blocked.why)
    hold = await _held(house, call, route, now)
    # Last, since it may take the place of a probe.
    endpoint = house.health.choose(route, call.stay)
    if endpoint is None:
        hold.settle(0, 0)
        raise NotAskedError("health")
    told = copied(
        call, plan=planned, hold=hold, decision=explain.compact(planned, call.facts, policy)
    )
    return Attempt(told, route, lane, number, endpoint, purpose)


async def _held(house: House, call: Call, route: Route, now: datetime) -> Hold:
    """Set aside what one attempt can cost, in every budget. Raises ``NotAskedError``."""
    who, limits = call.who, house.limits
    most = ceiling(route, now, call.size) if limits.has_budgets else 0
    if most is None and call.setup.config.unpriced == "allow":
        most = 0
    try:
        hold = await limits.hold(who, 0, most, rated=False)
        if not limits.per_route:
            return hold
        at_route: Hold | None = None
        try:
            at_route = await limits.hold_route(who, route.provider, most)
        finally:
            if at_route is None:
                hold.settle(0, 0)
        return Both(hold, at_route)
    except (OverLimitError, StateAwayError):
        raise NotAskedError("budget") from None


async def answered(house: House, attempt: Attempt) -> str | None:
    """Make ``attempt``, which is then to be settled; return what was answered, in words.

    None where no answer came; "" where it has none, as on a wire that is only relayed.
    """
    try:
        return await watched(house, attempt, _answered(house, attempt))
    except UpstreamError as fault:
        attempt.fail(fault)
        return None
    except asyncio.CancelledError:
        attempt.outcome = "cancelled"
        raise


async def _answered(house: House, attempt: Attempt) -> str:
    limits, lane = attempt.endpoint.timeouts, attempt.lane
    try:
        async with asyncio.timeout(min(limits.total_s, attempt.call.setup.total_s)):
            raw = await _read(house, attempt)
    except TimeoutError:
        raise UpstreamError(ErrorKind.TIMEOUT, "the host took too long") from None
    if not lane.wire.neutral:
        tap = lane.wire.passing.tap(raw, lane.dialect)
        attempt.finish, attempt.served = tap.finish, tap.model
        attempt.usage, attempt.text_bytes = tap.usage, tap.text_bytes
        said = ""
    else:
        answer = lane.wire.host.read(raw, lane.dialect, attempt.route.name)
        if lane.schema is not None:
            answer = collected(lane.schema.checking()(events_of(answer)), answer)
        said = _taken(attempt, answer)
    attempt.outcome = "completed"
    return said


def _taken(attempt: Attempt, answer: ir.Answer) -> str:
    """Note what an answer says of itself, and return its words."""
    said = words(events_of(answer))
    attempt.finish, attempt.served = answer.native_finish, answer.model
    attempt.usage, attempt.text_bytes = answer.usage, len(said.encode())
    return said


async def _read(house: House, attempt: Attempt) -> bytes:
    limits = attempt.endpoint.timeouts
    payload = attempt.lane.payload(attempt.route.model)
    async with asyncio.timeout(limits.answer_s):
        answer = await asked(house, attempt, payload, limits.answer_s)
    parts: list[bytes] = []
    size = 0
    try:
        while True:
            async with asyncio.timeout(limits.between_s):
                data = await answer.chunk()
            if not data:
                break
            parts.append(data)
            size += len(data)
            if size > ANSWER_MAX_BYTES:
                what = f"the answer is larger than {ANSWER_MAX_BYTES} bytes"
                raise UpstreamError(ErrorKind.MALFORMED, what)
    finally:
        answer.close()
    attempt.first_content_ms = attempt.elapsed_ms()
    return b"".join(parts)


def over(attempt: Attempt) -> None:
    """Give back what was set aside for a side call that was settled, less what it cost."""
    entry = attempt.entry
    if entry is not None:
        attempt.call.hold.settle(entry.cost_pico, 0)
