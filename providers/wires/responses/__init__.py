"""The Responses wire, read and written on both sides."""

from __future__ import annotations

from providers.wires.chat import errors as chat
from providers.wires.responses import errors, read, request, response, stream, write, writer
from providers.wires.responses.counting import COUNTING
from providers.wires.wire import ClientSide, HostSide, RelaySide, Wire

WIRE = Wire(
    name="responses",
    host=HostSide(
        write=write.write,
        read=response.read,
        reader=stream.StreamReader,
        read_error=errors.read_error,
    ),
    client=ClientSide(
        peek=request.peek,
        read=read.read,
        names=read.NAMES,
        advice=read.ADVICE,
        write=writer.write,
        writer=writer.StreamWriter,
        write_error=chat.write_error,
        thinking_fields=frozenset({"reasoning"}),
        ping=writer.PING,
    ),
    relay=RelaySide(
        patch=request.patch,
        refused=request.refused,
        tap=response.tap,
        without_state=request.without_state,
        state_marks=(b"encrypted_content",),
        effort=("reasoning", "effort"),
    ),
    custom_tools=True,
    counting=COUNTING,
)
