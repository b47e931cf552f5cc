"""The Cohere v2 wire, spoken by hosts only."""

from __future__ import annotations

from providers.wires.cohere.errors import read_error
from providers.wires.cohere.request import write
from providers.wires.cohere.response import NAME, read
from providers.wires.cohere.stream import StreamReader
from providers.wires.wire import HostSide, Wire

WIRE = Wire(
    name=NAME,
    host=HostSide(write=write, read=read, reader=StreamReader, read_error=read_error),
)
