"""Try: the routes of a call in order, as often as a wait may help, until one has answered.

The next route is tried only while the client has got nothing. A route that must not be asked now
(its breaker is open, its quota group cools) is passed over; where all have failed with something
that a wait may cure, the routes are gone through again within the call's deadline.
"""

from __future__ import annotations

import asyncio

from gateway.asking import NotAllowedError
from gateway.attempt import Attempt
from gateway.call import Call
from gateway.choosing import not_tried
from gateway.continuing import continued
from gateway.errors import Refusal, from_upstream
from gateway.front import Send
from gateway.hedging import Door, raced
from gateway.house import House
from gateway.lanes import Cannot
from gateway.relay import break_off, relay
from gateway.route_holds import NoRoomError, held_at
from gateway.tries import Tries
from gateway.watching import watched
from providers.client import StaleConnectionError
from providers.errors import ErrorKind, UpstreamError
from routing import retry
from routing.route import Route

# Faults of one key, which cools: another key of the route may be good.
OF_ITS_KEY = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.QUOTA, ErrorKind.AUTH})


async def attempts(house: House, call: Call, send: Send) -> None:
    """Answer the client by the first route that does. Raises ``Refusal`` where none did."""
    tries = Tries(house, call, asyncio.get_running_loop().time() + call.setup.total_s)
    routes = call.plan.routes
    for number in range(call.setup.retries + 1):
        before = len(tries.faults), len(tries.passed)
        if await _round(tries, routes, send, is_first=number == 0):
            return
        if tries.over or number == call.setup.retries:
            break
        routes = _again(tries, routes, *before)
        blocked = map(house.outlook.blocked, routes)
        frees_in = [found.frees_in_s if found is not None else 0.0 for found in blocked]
        wait = retry.wait_s(number, frees_in, tries.left_s)
        if wait is None:
            break
        # A client that leaves cancels this task, and so ends the sleep at once.
        await asyncio.sleep(wait)
    raise _exhausted(tries)


def _again(tries: Tries, routes: tuple[Route, ...], faults: int, passed: int) -> tuple[Route, ...]:
    """Return those of a round's routes that may be asked again; the counts are from before it."""
    failed = {route.name: fault.kind for route, fault in tries.faults[faults:]}
    names = retry.repeatable(failed) | {route.name for route, _, _ in tries.passed[passed:]}
    return tuple(route for route in routes if route.name in names)


async def _round(tries: Tries, routes: tuple[Route, ...], send: Send, *, is_first: bool) -> bool:
    """Try each of ``routes`` once; True where one has answered."""
    rest = list(routes)
    hedge = tries.call.hedge if is_first and len(rest) > 1 else None
    if hedge is not None:
        after_s = tries.house.health.hedge_after_s(rest[0], hedge)
        if after_s is not None:
            first, second = rest.pop(0), rest[0]

            async def run(route: Route, door: Door) -> bool:
                return await _try(tries, route, door.send, door)

            answered, begun_both = await raced(tries.house, run, send, first, second, after_s)
            if answered:
                return True
            if begun_both:
                rest.pop(0)
    for route in rest:
        if tries.over:
            return False
        if await _try(tries, route, send):
            return True
    return False


async def _try(tries: Tries, route: Route, send: Send, door: Door | None = None) -> bool:
    """Ask one route; True where the client has its answer, or the part that there is.

    It is asked once more where the fault was the pool's or a state's, and with each of its other
    keys where it was the key's.
    """
    house, call, may_repeat = tries.house, tries.call, True
    # Once with each key, and the one repeat.
    for _ in range(1 + max(1, len(route.endpoints))):
        lane = call.lanes.of(route)
        if isinstance(lane, Cannot):
            tries.cannot.append((route, lane))
            return False
        try:
            held = await held_at(house, call, route)
        except NoRoomError as full:
            tries.passed.append((route, str(full), full.frees_in_s))
            return False
        endpoint = house.health.choose(route, call.stay)
        if endpoint is None:
            held.settle(0, 0)
            blocked = house.health.blocked(route)
            reason = blocked.reason if blocked is not None else "others are asking it just now"
            frees_in_s = blocked.frees_in_s if blocked is not None else 1.0
            tries.passed.append((route, reason, frees_in_s))
            return False
        tries.number += 1
        attempt = Attempt(call, route, lane, tries.number, endpoint, held=held)
        if door is not None:
            door.attempt = attempt
        try:
            work = relay(house, attempt, send, tries.total_at)
            await watched(house, attempt, work, repeats=not may_repeat)
        except UpstreamError as fault:
            if attempt.committed:
                if not await continued(tries, attempt, send):
                    await break_off(attempt, fault, send)
                return True
            if may_repeat and _is_cured(call, fault):
                may_repeat = False
                continue
            tries.faults.append((route, fault))
            if not _has_another_key(tries, route, fault):
                return False
        else:
            return True
    return False


def _is_cured(call: Call, fault: UpstreamError) -> bool:
    """Return whether the same once more is another call: on a new connection, or without state."""
    if fault.kind is ErrorKind.OPAQUE_STATE:
        call.lanes.forget_state()
        return True
    return isinstance(fault, StaleConnectionError)


def _has_another_key(tries: Tries, route: Route, fault: UpstreamError) -> bool:
    """Return whether the fault was that of one key, and another one may be asked now."""
    if len(route.endpoints) < 2 or fault.kind not in OF_ITS_KEY or tries.left_s <= 0:
        return False
    return tries.house.health.blocked(route) is None


def _exhausted(tries: Tries) -> Refusal:
    """Return what the client reads when no attempt gave an answer."""
    faults = tries.faults
    said = [f"{route.name}: {_words(fault)}" for route, fault in faults]
    said += [f"{route.name}: {lane.reason}" for route, lane in tries.cannot]
    said += [f"{route.name}: {reason}" for route, reason, _ in tries.passed]
    text = f"{'; '.join(dict.fromkeys(said))}{not_tried(tries.call.plan)}"
    waits = [fault.retry_after_s for _, fault in faults if fault.retry_after_s is not None]
    waits += [frees_in_s for _, _, frees_in_s in tries.passed]
    if not tries.passed and all(isinstance(fault, NotAllowedError) for _, fault in faults):
        return Refusal("policy_denied", f"no route may answer this request now: {text}")
    last = faults[-1][1] if faults else None
    kinds = {fault.kind for _, fault in faults}
    # Those that were not asked cool, mostly for the same reason.
    alike = len(kinds) == 1 and (not tries.passed or ErrorKind.RATE_LIMITED in kinds)
    if last is not None and (alike or not retry.CURES[last.kind].other):
        last.retry_after_s = min(waits, default=None)
        return from_upstream(last, text)
    return Refusal(
        "no_healthy_route",
        f"every route failed: {text}",
        retry_after_s=min(waits, default=1.0),
    )


def _words(fault: UpstreamError) -> str:
    told = [f"HTTP {fault.status}"] if fault.status else []
    told += [f"code {fault.code}"] if fault.code else []
    status = f" ({', '.join(told)})" if told else ""
    if fault.kind is ErrorKind.AUTH:
        # The host's own words may hold a part of the key.
        return f"the host refused this gateway's credential{status}; check its api_key"
    return f"{fault.message}{status}"
