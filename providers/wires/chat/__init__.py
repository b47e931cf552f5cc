"""The OpenAI chat completions wire, read and written on both sides."""

from __future__ import annotations

from providers.wires.chat.errors import read_error, write_error
from providers.wires.chat.read import ADVICE, NAMES, read
from providers.wires.chat.repair import mended
from providers.wires.chat.replay import with_reasoning
from providers.wires.chat.request import patch, peek, refused
from providers.wires.chat.response import read as read_answer
from providers.wires.chat.response import tap, thoughts
from providers.wires.chat.response import write as write_answer
from providers.wires.chat.states import MARKS, without_state
from providers.wires.chat.stream import StreamReader
from providers.wires.chat.write import write
from providers.wires.chat.writer import PING, StreamWriter
from providers.wires.wire import ClientSide, HostSide, RelaySide, Wire

WIRE = Wire(
    name="chat",
    host=HostSide(write=write, read=read_answer, reader=StreamReader, read_error=read_error),
    client=ClientSide(
        peek=peek,
        read=read,
        names=NAMES,
        advice=ADVICE,
        write=write_answer,
        writer=StreamWriter,
        write_error=write_error,
        thinking_fields=frozenset(
            {"reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget"}
        ),
        ping=PING,
    ),
    relay=RelaySide(
        patch=patch,
        refused=refused,
        tap=tap,
        without_state=without_state,
        state_marks=MARKS,
        with_reasoning=with_reasoning,
        thoughts=thoughts,
        mended=mended,
        effort=("reasoning_effort",),
    ),
)
