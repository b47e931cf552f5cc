"""The Gemini wire (``generateContent``), read and written on both sides."""

from __future__ import annotations

from types import MappingProxyType

from providers.wires.gemini import errors, read, request, response, settings, stream, write, writer
from providers.wires.gemini.counting import COUNTING
from providers.wires.wire import ClientSide, HostSide, RelaySide, Wire

WIRE = Wire(
    name="gemini",
    host=HostSide(
        write=write.write,
        read=response.read,
        reader=stream.StreamReader,
        read_error=errors.read_error,
    ),
    client=ClientSide(
        peek=request.peek,
        read=read.read,
        names=MappingProxyType(settings.NAMES),
        advice=settings.ADVICE,
        write=response.write,
        writer=writer.StreamWriter,
        write_error=errors.write_error,
        thinking_fields=frozenset({"generationConfig", "generation_config"}),
        ping=writer.PING,
    ),
    relay=RelaySide(
        patch=request.patch,
        refused=request.refused,
        tap=response.tap,
        without_state=request.without_state,
        state_marks=request.STATE_MARKS,
    ),
    counting=COUNTING,
)
