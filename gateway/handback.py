"""Prepares a conversation for one route: its own state goes back to it, nobody else's does.

A conversation may have passed through several hosts. What only its issuer can read (signatures,
encrypted thoughts) is handed back to that very route, byte for byte, and left out for all others.
Where the client's SDK dropped the reasoning of a turn that called tools, it is put back from
memory. Pure but for that memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.recall import Turn
from providers import ir
from providers.ir import Message, Opaque, Part, Reasoning, Text, ToolCall


@dataclass(slots=True)
class Handback:
    """What was done: states left out, and turns whose reasoning was put back."""

    left_out: int = 0
    restored: int = 0

    def words(self) -> list[str]:
        """Say it for the ledger."""
        told = []
        if self.left_out:
            told.append(f"left out {self.left_out} states of other hosts")
        if self.restored:
            told.append(f"put back the reasoning of {self.restored} turns")
        return told


def for_route(
    request: ir.Request,
    route: str,
    issuer: Callable[[str], str | None],
    turn: Callable[[str], Turn | None],
) -> tuple[ir.Request, Handback]:
    """Return ``request`` as ``route`` may see it, and what was done to it.

    ``issuer(state)`` names the route that gave a state out, "" where nobody knows, and None where
    this request must not have it. ``turn(id)`` gives the remembered turn of a tool call. A
    ``route`` of "" gets no state at all.
    """
    done = Handback()
    messages: list[Message] = []
    for message in request.messages:
        if message.role != "assistant":
            messages.append(message)
            continue
        recalled = _recalled(message, turn, done)
        parts = [_owned(part, route, issuer, done) for part in recalled]
        messages.append(replace(message, parts=tuple(part for part in parts if part is not None)))
    return replace(request, messages=tuple(messages)), done


def _recalled(
    message: Message, turn: Callable[[str], Turn | None], done: Handback
) -> tuple[Part, ...]:
    """Put back what the client dropped from a turn that called tools."""
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if not calls:
        return message.parts
    found = next((kept for call in calls if (kept := turn(call.id)) is not None), None)
    if found is None:
        return message.parts
    parts = message.parts
    has_state = any(isinstance(part, Reasoning) and part.opaque for part in parts)
    has_text = any(isinstance(part, Reasoning) and part.text for part in parts)
    whole = any(part.opaque for part in found.reasoning)
    if found.reasoning and not has_state and (whole or not has_text):
        # What the client kept of them (the text alone) gives way to the whole.
        parts = (*found.reasoning, *(part for part in parts if not isinstance(part, Reasoning)))
        done.restored += 1
    states = dict(found.calls)
    return tuple(
        replace(part, opaque=states[part.id])
        if isinstance(part, ToolCall) and not part.opaque and states.get(part.id)
        else part
        for part in parts
    )


def _owned(
    part: Part, route: str, issuer: Callable[[str], str | None], done: Handback
) -> Part | None:
    """Leave in a part only the states that ``route`` issued; None where nothing else is in it."""
    if not isinstance(part, Reasoning | Text | ToolCall) or not part.opaque:
        return part
    own = tuple(state for state in part.opaque if _is_own(state, route, issuer(state.data)))
    if len(own) == len(part.opaque):
        return part
    done.left_out += len(part.opaque) - len(own)
    if isinstance(part, Reasoning) and not own and not part.text:
        return None
    return replace(part, opaque=own)


def _is_own(state: Opaque, route: str, issuer: str | None) -> bool:
    # A client that carries the state of another wire sends the issuer's name with it: a word of the
    # client's, which opens nothing that the memory closes.
    return issuer is not None and bool(route) and (state.issuer or issuer) == route
