"""Thought signatures: this wire's opaque state, and the pocket for everybody else's.

A signature is base64 on the part that it came with. Clients decode and encode it, some in the other
alphabet of base64, so that a state is told by its ``plain`` form. State of other wires travels in
the same field as one seal (``providers/carrier``). In a seal a mark says what the states after it
belong to: a block of thinking, whose text the mark holds, since clients of this wire throw thoughts
away and keep the signature, or the part itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from providers.carrier import BEGINNING, open_seal, seal
from providers.ir import Opaque, Reasoning

SIGNATURE = "gemini.signature"
# Documented values that stand for no state: they tell the host not to look for one. The second of
# each pair is what a client makes of it that takes the field for bytes.
ESCAPE = "skip_thought_signature_validator"
ESCAPES = frozenset(
    {
        ESCAPE,
        "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
        "context_engineering_is_the_way_to_go",
        "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
    }
)

_THOUGHT = "gemini.thought"
_SUMMARY = "gemini.summary"
_PART = "gemini.part"
_ALPHABETS = str.maketrans("-_", "+/")


def plain(signature: str) -> str:
    """Return a signature in the alphabet of base64 in which hosts give it out."""
    out = signature
    if "-" in out or "_" in out:
        out = out.translate(_ALPHABETS)
    return out + "=" * (-len(out) % 4) if out.startswith(BEGINNING) else out


def native(opaque: tuple[Opaque, ...]) -> str:
    """Return the state of this wire among ``opaque``, "" where there is none."""
    return next((state.data for state in opaque if state.kind == SIGNATURE), "")


def packed_reasoning(part: Reasoning) -> list[Opaque]:
    """Return what of a block of thinking goes into a seal."""
    return [Opaque(_SUMMARY if part.summary else _THOUGHT, part.text), *part.opaque]


def packed_part(opaque: Iterable[Opaque]) -> list[Opaque]:
    """Return what of a part's own state goes into a seal."""
    return [Opaque(_PART, ""), *opaque]


def sealed(states: list[Opaque]) -> str:
    """Return the text for the signature's field."""
    return seal(states)


def opened(signature: str) -> tuple[list[Reasoning], tuple[Opaque, ...]]:
    """Return the thinking that a signature brings and the state of the part that it stands on."""
    if signature in ESCAPES:
        return [], ()
    signature = plain(signature)
    states = open_seal(signature)
    if states is None:
        return [], (Opaque(SIGNATURE, signature),)
    blocks: list[Reasoning] = []
    own: list[Opaque] = []
    held: list[Opaque] = own
    begun: list[tuple[Opaque, list[Opaque]]] = []
    for state in states:
        if state.kind in (_THOUGHT, _SUMMARY):
            held = []
            begun.append((state, held))
        elif state.kind == _PART:
            held = own
        else:
            held.append(state)
    blocks += [Reasoning(mark.data, mark.kind == _SUMMARY, tuple(of)) for mark, of in begun]
    return blocks, tuple(own)
