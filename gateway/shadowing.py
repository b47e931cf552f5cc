"""A copy of some calls goes to another route as well, so that a switch can be decided by numbers.

The client has its answer first: nothing here delays, alters or fails it. The copy is asked without
a stream, through every check of a call of its own, and its answer is thrown away once a judge, if
one is named, has read it. What could act twice (tools that the host runs itself) is not copied.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from msgspec.structs import replace as copied

from gateway.attempt import Attempt
from gateway.call import Call
from gateway.config_models import ShadowForm
from gateway.errors import Refusal
from gateway.front import Send
from gateway.house import House
from gateway.judging import judged
from gateway.record import Record
from gateway.settle import settle
from gateway.side_call import NotAskedError, answered, lanes_for, over, ready
from gateway.words import Heard
from providers.errors import ErrorKind
from routing.wish import LISTED

OF_STREAMS = ("stream", "stream_options")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A call that was drawn for a shadow; ``heard`` is None where no judge will read its answer."""

    form: ShadowForm
    heard: Heard | None

    def listening(self, send: Send) -> Send:
        """Return the ``send`` that the call is to be answered through."""
        return send if self.heard is None else self.heard.listening(send)


def drawn(house: House, call: Call) -> Drawn | None:
    """Return how ``call`` is shadowed; None for nearly every call."""
    asked = call.candidates.form
    if asked is None or asked.shadow is None or call.entrance.answer is not None:
        return None
    form = asked.shadow
    if house.shadows.draw() >= form.share:
        return None
    reads = form.judge is not None and call.wire.neutral and not call.peek.json_stream
    return Drawn(form, Heard(call.wire, stream=call.peek.stream) if reads else None)


def follow(house: House, call: Call, which: Drawn) -> None:
    """Begin the shadow of a call that is over, if there is something to compare and room now."""
    name = which.form.route
    tried = call.record.attempts
    if all(entry.outcome == "cancelled" for entry in tried):
        return  # none was made, or the client left
    if any(f"{entry.provider}/{entry.model}" == name for entry in tried):
        return  # it has been asked already, and does not stand against itself
    if house.shadows.full:
        house.metrics.count("shadows", (name, "full"))
        return
    house.shadows.begin(_shadowed(house, call, which))


async def _shadowed(house: House, call: Call, which: Drawn) -> None:
    """Ask the shadow route, and then the judge."""
    name = which.form.route
    said = None
    try:
        copy = _copy(call)
        # A pooled connection may have died meanwhile: as with a client's own call, once more.
        for number in (1, 2):
            attempt = await ready(house, copy, (call.setup.route(name),), LISTED, "shadow", number)
            said = await _asked(house, attempt)
            if attempt.error != ErrorKind.CONNECT:
                break
    except NotAskedError as reason:
        house.metrics.count("shadows", (name, reason.why))
    theirs = which.heard.text() if said and which.heard is not None else None
    if which.form.judge is not None and said and theirs:
        await judged(house, call, which.form.judge, theirs, said)


async def _asked(house: House, attempt: Attempt) -> str | None:
    try:
        return await answered(house, attempt)
    finally:
        settle(house, attempt)
        over(attempt)
        house.metrics.count("shadows", (attempt.route.name, attempt.outcome))


def _copy(call: Call) -> Call:
    """Return ``call`` as one of its own, asked without a stream. Raises ``NotAskedError``."""
    body = {name: value for name, value in call.body.items() if name not in OF_STREAMS}
    peek = copied(call.peek, stream=False, json_stream=False)
    lanes = lanes_for(call, call.wire, body, peek)
    if call.wire.neutral and "tools" in call.body:
        try:
            tools = lanes.neutral().tools
        except Refusal:
            raise NotAskedError("capability") from None
        if any(tool.kind == "hosted" for tool in tools):
            raise NotAskedError("hosted_tools")
    record = Record(call.record.request_id, time.perf_counter(), call.record.wire)
    return copied(call, body=body, peek=peek, lanes=lanes, record=record)
