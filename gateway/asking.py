"""Asks a host on one lane: address, credential, the client's headers that go on, and its no."""

from __future__ import annotations

from gateway.house import House
from gateway.settle import Attempt
from providers.client import Answer


async def asked(
    house: House, attempt: Attempt, payload: bytes, within_s: float, *, count: bool = False
) -> Answer:
    """Send ``payload`` and return the host's answer, a good one, when its headers are here.

    ``count`` asks for a number of tokens only, which no host bills. ``within_s`` seconds are waited
    for a launched server. Raises ``UpstreamError``, also for an answer that is no 2xx.
    """
    call, route, lane = attempt.call, attempt.route, attempt.lane
    endpoint, wire = route.endpoint, lane.wire.name
    extra = endpoint.client_headers(wire, call.headers, relayed=lane.relayed)
    base_url = await house.base_url(endpoint, within_s)
    if endpoint.server is not None and not count:
        attempt.route = await house.at_home.check(
            route, call.setup, call.lanes, lane, call.may, base_url
        )
    stream = call.peek.stream and not count
    target = endpoint.target(wire, route.model, stream=stream, count=count, base_url=base_url)
    if endpoint.signer is not None:
        extra |= await endpoint.signer.sign("POST", str(target.url), dict(target.headers), payload)
    attempt.sent = not count
    answer = await house.client.post(target, payload, extra)
    attempt.status = answer.status
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
