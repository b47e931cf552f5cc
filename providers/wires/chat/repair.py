"""Puts the tool calls of a passing answer right, for hosts whose dialect says that they need it.

Of a stream only events with deltas of tool calls are written anew: index from 0, and id, type and
name once, with the first fragment of a call. Everything else passes byte for byte.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.errors import ErrorKind, UpstreamError
from providers.framing import event_data
from providers.wires.chat.calls import Call, Calls, settled
from providers.wires.chat.finish import MEANS
from providers.wires.wire import Json

MARK = b'"tool_calls"'

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Repair:
    """The calls of one stream. ``repaired`` turns True when a fragment came out otherwise."""

    __slots__ = ("_choices", "_used", "repaired")

    def __init__(self) -> None:
        self._choices: dict[int, Calls] = {}
        self._used: set[str] = set()
        self.repaired = False

    def event(self, event: bytes) -> tuple[bytes, UpstreamError | None]:
        """Return one whole event with its calls put right, and the fault that it ends in."""
        if MARK not in event and not self._choices:
            return event, None
        data = event_data(event)
        try:
            body = _decode(data) if data and data != b"[DONE]" else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            body = None
        choices = body.get("choices") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(choices, list):
            return event, None
        changed, late = False, False
        for choice in choices:
            if isinstance(choice, dict):
                calls = self._calls(choice, body)
                changed |= self._fragments(choice, calls)
                if choice.get("finish_reason") is not None and calls is not None:
                    late |= self._last(choice, calls)
                    fault = _fault(calls, choice["finish_reason"])
                    if fault is not None:
                        return b"", fault
        if not changed and not late:
            return event, None
        self.repaired = True
        return b"data: " + _encode(body) + b"\n\n", None

    def _calls(self, choice: Json, body: Json) -> Calls | None:
        place = choice.get("index")
        place = place if isinstance(place, int) else 0
        delta = choice.get("delta")
        if place not in self._choices and isinstance(delta, dict) and delta.get("tool_calls"):
            calls = self._choices[place] = Calls(place, self._used)
            seed = body.get("id")
            calls.seed = seed if isinstance(seed, str) else ""
        return self._choices.get(place)

    def _fragments(self, choice: Json, calls: Calls | None) -> bool:
        delta = choice.get("delta")
        raw = delta.get("tool_calls") if isinstance(delta, dict) else None
        if calls is None or not isinstance(delta, dict) or not isinstance(raw, list) or not raw:
            return False
        clean = []
        for fragment in raw:
            taken = calls.take(fragment, "")
            if taken is not None:
                clean += _fragment(fragment, *taken, calls)
        if clean == raw:
            return False
        delta["tool_calls"] = clean
        if not clean:
            del delta["tool_calls"]
        return True

    def _last(self, choice: Json, calls: Calls) -> bool:
        """Put what still waits (for an id, or to be whole) into the last delta."""
        late = []
        is_cut = _is_cut(choice["finish_reason"])
        for call in calls.all:
            if call.state == "new" and call.name:
                late.append(_first(call, calls))
            if call.state in ("started", "held"):
                arguments = settled(call, is_cut)
                call.state = "closed"
                if arguments:
                    late.append(_piece(call, arguments))
        if not late:
            return False
        delta = choice.get("delta")
        choice["delta"] = delta = delta if isinstance(delta, dict) else {}
        delta["tool_calls"] = [*(delta.get("tool_calls") or ()), *late]
        return True


def mended(raw: bytes) -> bytes:
    """Return a whole answer whose calls have an object as arguments, encoded once.

    It is ``raw`` itself where nothing is wrong, or where it is nothing that a repair could mend.
    """
    if MARK not in raw:
        return raw
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return raw
    choices = body.get("choices") if isinstance(body, dict) else None
    changed = False
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        said = message.get("tool_calls") if isinstance(message, dict) else None
        for call in said if isinstance(said, list) else ():
            changed |= _mend(call, is_cut=_is_cut(choice.get("finish_reason")))
    return _encode(body) if changed else raw


def _mend(said: Any, *, is_cut: bool) -> bool:
    taken = Calls(0, set()).take(said, "", whole=True)
    function = said.get("function") if isinstance(said, dict) else None
    if taken is None or not isinstance(function, dict):
        return False
    arguments = settled(taken[0], is_cut)
    if arguments is None or arguments == function.get("arguments"):
        return False
    function["arguments"] = arguments
    return True


def _fragment(raw: Any, call: Call, text: str, calls: Calls) -> list[Json]:
    if call.state == "open":
        return [_piece(call, text)] if text else []
    if call.state == "started":
        begun = call.begun()
        return [_piece(call, begun)] if begun else []
    if call.state != "new" or not call.name or not (call.id or call.pieces):
        return []
    # What the host says of the call beyond the form (a signature) stays with it.
    kept = {name: raw[name] for name in raw if name not in ("custom", "function")}
    return [{**kept, **_first(call, calls)}]


def _first(call: Call, calls: Calls) -> Json:
    calls.give_id(call)
    call.state = "started"
    begun = call.begun()
    if call.is_custom:
        body: Json = {"type": "custom", "custom": {"name": call.name, "input": begun}}
    else:
        body = {"type": "function", "function": {"name": call.name, "arguments": begun}}
    return {"index": call.index, "id": call.id, **body}


def _piece(call: Call, text: str) -> Json:
    body = {"custom": {"input": text}} if call.is_custom else {"function": {"arguments": text}}
    return {"index": call.index, **body}


def _is_cut(finish: Any) -> bool:
    return isinstance(finish, str) and MEANS.get(finish) == "length"


def _fault(calls: Calls, finish: Any) -> UpstreamError | None:
    if _is_cut(finish):
        return None
    for call in calls.all:
        if not call.name and not call.pieces:
            continue
        if not call.name or settled(call, False) is None:
            what = "a tool call of the answer is not whole"
            return UpstreamError(ErrorKind.MALFORMED, what, status=200, of_model=True)
    return None
