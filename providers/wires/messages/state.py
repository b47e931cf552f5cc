"""Opaque state in the thinking blocks of this wire: its own as it is, that of others in a seal.

A client hands thinking blocks back as they came. State of another host's reasoning stands in the
``signature`` of one. State that belongs to a tool call or to a text gets an empty thinking block
beside it, and its ``id`` says where it belongs, so that it finds its way back.
"""

from __future__ import annotations

from msgspec.structs import replace

from providers.carrier import open_seal, seal
from providers.ir import Opaque, Part, Reasoning, Text, ToolCall

SIGNATURE = "messages.signature"
REDACTED = "messages.redacted"
OF_CALL = "call:"
OF_TEXT = "text:"


def signature_of(states: tuple[Opaque, ...]) -> str:
    """Return the signature of a block of reasoning: clients want one even where there is none."""
    if len(states) == 1 and states[0].kind == SIGNATURE:
        return states[0].data
    return seal(states)


def redacted_only(states: tuple[Opaque, ...]) -> bool:
    """Whether this wire has a block of its own for ``states`` that come without words."""
    return bool(states) and all(state.kind == REDACTED for state in states)


def states_of(data: str, kind: str) -> tuple[Opaque, ...]:
    """Return the state in a block's ``signature`` or ``data``, out of its seal if it has one."""
    if not data:
        return ()
    sealed = open_seal(data)
    return (Opaque(kind, data),) if sealed is None else sealed


def belonging(states: tuple[Opaque, ...], to: str) -> tuple[Opaque, ...]:
    """Return ``states`` marked as those of what stands beside them (``OF_CALL``, ``OF_TEXT``)."""
    return tuple([replace(state, id=to + state.id) for state in states])


def attached(parts: list[Part]) -> tuple[Part, ...]:
    """Return an assistant turn with marked states back on the calls and texts they came on."""
    out: list[Part] = []
    waiting: tuple[Opaque, ...] = ()
    for part in parts:
        if isinstance(part, Reasoning):
            of_call = _marked(part.opaque, OF_CALL)
            of_text = _marked(part.opaque, OF_TEXT)
            own = tuple([s for s in part.opaque if not s.id.startswith((OF_CALL, OF_TEXT))])
            waiting += of_call
            if of_text and out and isinstance(out[-1], Text):
                out[-1] = replace(out[-1], opaque=out[-1].opaque + of_text)
            if own or part.text:
                out.append(replace(part, opaque=own))
        elif isinstance(part, ToolCall) and waiting:
            out.append(replace(part, opaque=waiting))
            waiting = ()
        else:
            out.append(part)
    return tuple(out)


def _marked(states: tuple[Opaque, ...], to: str) -> tuple[Opaque, ...]:
    return tuple([replace(s, id=s.id[len(to) :]) for s in states if s.id.startswith(to)])
