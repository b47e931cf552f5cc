"""The Messages wire, read and written on both sides."""

from __future__ import annotations

from providers.wires.messages.errors import read_error, write_error
from providers.wires.messages.read import ADVICE, NAMES, read
from providers.wires.messages.request import (
    STATE_MARKS,
    as_call,
    count_body,
    patch,
    peek,
    read_count,
    refused,
    without_state,
    write_count,
)
from providers.wires.messages.response import read as read_answer
from providers.wires.messages.response import tap
from providers.wires.messages.stream import StreamReader
from providers.wires.messages.write import write
from providers.wires.messages.writer import PING, StreamWriter
from providers.wires.messages.writer import write as write_answer
from providers.wires.wire import ClientSide, Counting, HostSide, RelaySide, Wire

WIRE = Wire(
    name="messages",
    host=HostSide(
        write=write,
        read=read_answer,
        reader=StreamReader,
        read_error=read_error,
    ),
    client=ClientSide(
        peek=peek,
        read=read,
        names=NAMES,
        advice=ADVICE,
        write=write_answer,
        writer=StreamWriter,
        write_error=write_error,
        thinking_fields=frozenset({"thinking", "output_config"}),
        ping=PING,
    ),
    relay=RelaySide(
        patch=patch,
        refused=refused,
        tap=tap,
        without_state=without_state,
        state_marks=STATE_MARKS,
        effort=("output_config", "effort"),
    ),
    counting=Counting(
        prepare=as_call,
        body=count_body,
        read=read_count,
        write=write_count,
    ),
)
