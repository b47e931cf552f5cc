"""Asks a host on one lane: address, credential, the client's headers that go on, and its no.

Whatever a request of a client causes to be sent to a host goes through here: attempts, retries,
hedges, shadows, judges, counts. So policy is asked here, in the last line before the send.
"""

from __future__ import annotations

from gateway.attempt import Attempt
from gateway.call import Call
from gateway.conversations import hint, hint_header
from gateway.house import House
from gateway.opening import begun
from providers.client import Answer
from providers.errors import ErrorKind, UpstreamError
from routing.route import Route


class NotAllowedError(UpstreamError):
    """The policy does not let this request go to the route: nothing was sent."""


async def asked(
    house: House, attempt: Attempt, payload: bytes, within_s: float, *, count: bool = False
) -> Answer:
    """Send ``payload`` and return the host's answer, a good one, when its headers are here.

    ``count`` asks for a number of tokens only, which no host bills. ``within_s`` seconds are waited
    for a launched server. Raises ``UpstreamError``, also for an answer that is no 2xx.
    """
    call, route, lane = attempt.call, attempt.route, attempt.lane
    endpoint, wire = attempt.endpoint, lane.wire.name
    extra = endpoint.client_headers(wire, call.headers, relayed=lane.relayed)
    named = hint_header(route.cache, wire) if call.conversation is not None and not count else None
    if named is not None and call.conversation is not None:
        extra.setdefault(named, hint(call.conversation, route.provider))
    base_url = await house.base_url(endpoint, within_s)
    if endpoint.server is not None and not count:
        _ask_policy(call, route)  # the server may be asked how many tokens the prompt has
        attempt.route = await house.at_home.check(
            route, call.setup, call.lanes, lane, call.may, base_url
        )
    stream = call.peek.stream and not count
    target = endpoint.target(wire, route.model, stream=stream, count=count, base_url=base_url)
    if endpoint.signer is not None:
        extra |= await endpoint.signer.sign("POST", str(target.url), dict(target.headers), payload)
    _ask_policy(call, attempt.route)
    attempt.sent = not count
    if not count:
        begun(house, attempt)
    answer = await house.client.post(target, payload, extra)
    attempt.status = answer.status
    if limits := answer.limits:
        house.health.told(attempt.route, endpoint, limits)
        if attempt.route.plan is not None:
            house.plan_reading.headers(attempt.route, endpoint, limits)
    if 200 <= answer.status < 300:
        return answer
    try:
        raw = await answer.read_some()
        fault = lane.wire.host.read_error(answer.status, answer.headers, raw, lane.dialect)
    finally:
        answer.close()
    if not lane.relayed:
        # Another wire's own form of an error means nothing to this client.
        fault.body = None
    raise fault


def _ask_policy(call: Call, route: Route) -> None:
    if not call.may(route):
        # Planned while it was allowed: what a rule asks of prices or of ages has changed since.
        raise NotAllowedError(ErrorKind.FORBIDDEN, "the policy does not allow this route any more")
