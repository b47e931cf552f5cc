"""Goes on with a stream that broke off in its text, on another route, where the config says so.

The other route is asked the same with the text so far, and told to go on from there. Its words are
written into the same stream, after a comment that says so; each attempt has its own entry.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace as copied

from gateway.attempt import Attempt
from gateway.front import ClientGoneError, Send, plain_header
from gateway.house import House
from gateway.lanes import Cannot
from gateway.relay import relay
from gateway.route_holds import NoRoomError, held_at
from gateway.translate import Translated
from gateway.tries import Tries
from gateway.watching import watched
from providers.errors import UpstreamError
from providers.ir import Message, Request, Text

GO_ON = (
    "Your answer was cut off by a fault of the network. Go on exactly where it ends, in the middle "
    "of a word if need be. Repeat nothing of it, and say nothing about this."
)


async def continued(tries: Tries, broken: Attempt, send: Send) -> bool:
    """Go on with ``broken`` on the other routes of the call; False where none could."""
    call, house = tries.call, tries.house
    if not call.continues or not _in_its_text(broken):
        return False
    tried = {broken.route.name}
    last = broken
    for route in call.plan.routes:
        reader = last.reader
        if route.name in tried or not isinstance(reader, Translated):
            continue
        tried.add(route.name)
        lane = call.lanes.with_request(so_far(call.lanes.neutral(), reader.text)).of(route)
        if isinstance(lane, Cannot):
            continue
        try:
            held = await held_at(house, call, route)
        except NoRoomError as full:
            tries.passed.append((route, str(full), full.frees_in_s))
            continue
        endpoint = house.health.choose(route, call.stay)
        if endpoint is None:
            held.settle(0, 0)
            continue
        tries.number += 1
        attempt = Attempt(
            call, route, lane, tries.number, endpoint, purpose="continue", resumes=reader
        )
        attempt.held = held
        attempt.committed = True
        attempt.notes.append(f"goes on after {broken.route.name} broke off")
        mark = b": continued by " + plain_header(route.name) + b"\n\n"
        work = _marked(house, attempt, mark, send, tries.total_at)
        try:
            await watched(house, attempt, work)
        except UpstreamError as fault:
            tries.faults.append((route, fault))
            if attempt.reader is not None:
                last = attempt
            if not _in_its_text(last):
                return False
            continue
        house.metrics.count("continued", (route.name,))
        return True
    return False


async def _marked(house: House, attempt: Attempt, mark: bytes, send: Send, total_at: float) -> None:
    """Make the attempt after ``mark``, which a client must take in time."""
    try:
        async with asyncio.timeout(attempt.endpoint.timeouts.between_s):
            await send({"type": "http.response.body", "body": mark, "more_body": True})
    except TimeoutError:
        raise ClientGoneError from None
    await relay(house, attempt, send, total_at)


def _in_its_text(attempt: Attempt) -> bool:
    """Whether the stream broke off in plain text, so that there is a place to go on from."""
    reader = attempt.reader
    return isinstance(reader, Translated) and reader.only_text and bool(reader.text)


def so_far(request: Request, text: str) -> Request:
    """Return ``request`` with the text that is there already, and the wish for the rest."""
    said = Message("assistant", (Text(text),))
    return copied(request, messages=(*request.messages, said, Message("user", (Text(GO_ON),))))
