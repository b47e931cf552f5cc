"""The Converse wire, spoken by hosts only: JSON requests, a binary event stream of answers."""

from __future__ import annotations

from providers.wires.converse.errors import read_error
from providers.wires.converse.request import write
from providers.wires.converse.response import NAME, read
from providers.wires.converse.stream import StreamReader
from providers.wires.wire import HostSide, Wire

WIRE = Wire(
    name=NAME,
    host=HostSide(
        write=write,
        read=read,
        reader=StreamReader,
        read_error=read_error,
        stream_type="application/vnd.amazon.eventstream",
    ),
)
