"""State of one host in the pocket of another wire: how a client carries what it cannot read.

A client keeps the reasoning fields of its own wire and sends them back. Where the host behind was
of another wire, its state travels in such a field as a seal: a fixed beginning, then the states as
base64 of JSON. It is neither secret nor signed: the client had the state's text anyway, and whoever
forges one only sends a host what he could have sent it without us.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import msgspec

from providers.ir import Opaque

# "entrepot1" in base64: nine bytes are twelve signs, so that a seal is base64 from end to end.
BEGINNING = "ZW50cmVwb3Qx"
SEAL_MAX_CHARS = 4 * 1024 * 1024

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Opaque]).decode


def seal(states: Iterable[Opaque]) -> str:
    """Return one text that holds ``states`` with their issuers."""
    return BEGINNING + base64.b64encode(_encode(list(states))).decode()


def open_seal(text: str) -> tuple[Opaque, ...] | None:
    """Return the states of a seal; None where ``text`` is no seal of ours or is broken."""
    if not text.startswith(BEGINNING) or len(text) > SEAL_MAX_CHARS:
        return None
    try:
        return tuple(_decode(base64.b64decode(text[len(BEGINNING) :], validate=True)))
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return None
