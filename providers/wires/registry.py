"""Every wire by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from providers.wires import chat, cohere, converse, gemini, messages, plain, responses
from providers.wires.wire import Wire

WIRES: Mapping[str, Wire] = MappingProxyType(
    {
        wire.name: wire
        for wire in (
            chat.WIRE,
            responses.WIRE,
            messages.WIRE,
            gemini.WIRE,
            converse.WIRE,
            cohere.WIRE,
            *plain.WIRES,
        )
    }
)
