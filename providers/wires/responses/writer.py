"""Writes a client's stream: each event numbered, each item begun, filled and ended.

The same object, told to be silent, puts a whole answer together: what a stream adds up to and what
a client gets at once are one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace

from providers import ir
from providers.assemble import events_of
from providers.carrier import seal
from providers.usage import Usage
from providers.wires.responses import client_tools
from providers.wires.responses.answer import (
    STATE,
    TIERS,
    annotation,
    beginning,
    ending,
    logprob,
    response_id,
)
from providers.wires.responses.errors import STREAM_CODES
from providers.wires.responses.read_parts import NATIVE, OF_CALL, OF_TEXT
from providers.wires.responses.read_tools import WIRE
from providers.wires.wire import Context, Json

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

# The type of a call of the client's own tools before its arguments are there.
PENDING = "pending"
PING = b": ping\n\n"


def write(answer: ir.Answer, context: Context) -> bytes:
    """Return a whole answer as the client's response object; only its first choice has a place."""
    writer = StreamWriter(context, silent=True)
    for event in events_of(answer):
        writer.write(event)
    writer.end()
    response = writer.response
    response["model"] = answer.model or context.model
    if answer.service_tier in TIERS:
        response["service_tier"] = answer.service_tier
    return _encode(response)


class StreamWriter:
    """The state of one stream; ``response`` is the response object, whole after ``end``."""

    def __init__(self, context: Context, *, silent: bool = False) -> None:
        self._silent = silent
        self._name = response_id(context).removeprefix("resp_")
        include = context.body.get("include")
        self._wants_state = isinstance(include, list) and STATE in include
        tools = context.body.get("tools")
        kinds = [
            tool.get("type")
            for tool in (tools if isinstance(tools, list) else ())
            if isinstance(tool, dict)
        ]
        self._run_by_client = frozenset([kind for kind in kinds if isinstance(kind, str)])
        self._number = 0
        self._begun = False
        self._out: list[bytes] = []
        self._output: list[Json] = []
        # The open item ({} for none), its open part, and the words of that.
        self._item: Json = {}
        self._part: Json | None = None
        self._words: list[str] = []
        self._logprobs: list[Any] = []
        self._finish: ir.FinishReason = "end"
        self._usage: Usage | None = None
        self.response = beginning(context)

    def write(self, event: ir.Event) -> bytes:
        """Return the bytes of whole events that ``event`` makes; b"" for none yet."""
        if isinstance(event, ir.Started):
            self.response["model"] = event.model or self.response["model"]
            self._begin()
        elif isinstance(event, ir.Counted):
            self._usage = event.usage
        elif event.choice == 0:
            if not self._begun:
                self._begin()
            HANDLERS[type(event)](self, event)
        return self._taken()

    def end(self) -> bytes:
        """Return what closes a whole answer."""
        self._begin()
        self._close()
        self.response = ending(self.response, self._output, self._finish, self._usage)
        self._emit(f"response.{self.response['status']}", response=self.response)
        return self._taken()

    def fail(self, message: str, kind: str, code: str) -> bytes:
        """Return the error and the failed answer; nothing may follow.

        Clients that read events raise at the first, those that read answers find the second.
        """
        self._begin()
        word = STREAM_CODES.get(code, "server_error")
        said = {"type": kind, "code": word, "message": message, "param": None}
        self._emit("error", code=word, message=message, param=None, error=said)
        self.response = ending(self.response, self._output, "end", self._usage)
        fault = {"code": word, "message": message, "type": code}
        self.response.update(status="failed", completed_at=None, error=fault)
        self._emit("response.failed", response=self.response)
        return self._taken()

    # -- events -----------------------------------------------------------------------------------

    def _taken(self) -> bytes:
        if not self._out:
            return b""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _emit(self, kind: str, /, **said: Any) -> None:
        if self._silent:
            return
        data = _encode({"type": kind, "sequence_number": self._number, **said})
        self._number += 1
        self._out.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._emit("response.created", response=self.response)
            self._emit("response.in_progress", response=self.response)

    def _of_item(self, kind: str, **said: Any) -> None:
        # An event inside the open item.
        self._emit(kind, item_id=self._item["id"], output_index=len(self._output), **said)

    # -- items ------------------------------------------------------------------------------------

    def _open(self, prefix: str, **said: Any) -> Json:
        self._close()
        item = {"id": f"{prefix}_{self._name}_{len(self._output)}", **said}
        self._item = item
        self._emit("response.output_item.added", output_index=len(self._output), item=item)
        return item

    def _done(self) -> None:
        self._emit("response.output_item.done", output_index=len(self._output), item=self._item)
        self._output.append(self._item)
        self._item = {}

    def _close(self, *, cut: bool = False) -> None:
        item = self._item
        kind = item.get("type")
        if kind is None:
            return
        if kind == "message":
            self._close_part()
            item["status"] = "incomplete" if cut else "completed"
        elif kind == "reasoning":
            self._close_thoughts(())
            return
        elif kind == "custom_tool_call":
            item["input"] = "".join(self._words)
        elif kind == "function_call":
            item["arguments"] = "".join(self._words)
        elif kind == PENDING:
            # It never got whole.
            self._item = {}
            return
        self._done()

    # -- words ------------------------------------------------------------------------------------

    def _text(self, event: ir.TextDelta) -> None:
        if not event.text and not event.logprobs:
            return
        part = self._part
        if part is None or part["type"] != "output_text":
            empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            self._open_part(empty)
        self._words.append(event.text)
        logprobs = [logprob(token) for token in event.logprobs or ()]
        self._logprobs += logprobs
        self._of_part("response.output_text.delta", delta=event.text, logprobs=logprobs)

    def _refusal(self, event: ir.RefusalDelta) -> None:
        if not event.text:
            return
        part = self._part
        if part is None or part["type"] != "refusal":
            self._open_part({"type": "refusal", "refusal": ""})
        self._words.append(event.text)
        self._of_part("response.refusal.delta", delta=event.text)

    def _open_part(self, part: Json) -> None:
        if self._item.get("type") != "message":
            self._open("msg", type="message", status="in_progress", role="assistant", content=[])
        self._close_part()
        self._of_item("response.content_part.added", content_index=self._index(), part=part)
        self._part = part

    def _index(self) -> int:
        # Parts that are over stand in the item, so this is the place of the open one.
        return len(self._item["content"])

    def _of_part(self, kind: str, **said: Any) -> None:
        self._of_item(kind, content_index=self._index(), **said)

    def _close_part(self) -> None:
        part, words = self._part, "".join(self._words)
        if part is None:
            return
        if part["type"] == "refusal":
            part = {**part, "refusal": words}
            self._of_part("response.refusal.done", refusal=words)
        else:
            part = {**part, "text": words, "logprobs": self._logprobs}
            self._of_part("response.output_text.done", text=words, logprobs=self._logprobs)
        self._of_part("response.content_part.done", part=part)
        self._item["content"].append(part)
        self._part = None
        self._words, self._logprobs = [], []

    def _text_end(self, event: ir.TextEnd) -> None:
        part = self._part
        if part is not None and part["type"] == "output_text":
            notes = [annotation(citation) for citation in event.citations]
            for at, note in enumerate(notes):
                self._of_part(
                    "response.output_text.annotation.added", annotation_index=at, annotation=note
                )
            part["annotations"] = notes
            self._close_part()
        self._carry(event.opaque, OF_TEXT)

    # -- thoughts ---------------------------------------------------------------------------------

    def _thought(self, event: ir.ReasoningDelta) -> None:
        if not event.text:
            return
        if self._item.get("type") != "reasoning":
            self._open("rs", type="reasoning", summary=[])
        if self._part is None:
            self._part = {"type": "summary_text", "text": ""}
            self._of_item("response.reasoning_summary_part.added", summary_index=0, part=self._part)
        self._words.append(event.text)
        self._of_item("response.reasoning_summary_text.delta", summary_index=0, delta=event.text)

    def _thought_end(self, event: ir.ReasoningEnd) -> None:
        if self._item.get("type") != "reasoning":
            if not event.opaque:
                return
            self._open("rs", type="reasoning", summary=[])
        self._close_thoughts(event.opaque)

    def _close_thoughts(self, states: tuple[ir.Opaque, ...]) -> None:
        item = self._item
        if self._part is not None:
            words = "".join(self._words)
            part = {**self._part, "text": words}
            self._of_item("response.reasoning_summary_text.done", summary_index=0, text=words)
            self._of_item("response.reasoning_summary_part.done", summary_index=0, part=part)
            item["summary"] = [part]
            self._part, self._words = None, []
        if len(states) == 1 and states[0].kind == NATIVE:
            item["encrypted_content"] = states[0].data
        elif states or self._wants_state:
            # Some clients keep only thoughts that have a state.
            item["encrypted_content"] = seal(states)
        self._done()

    def _carry(self, states: tuple[ir.Opaque, ...], of: str) -> None:
        # The state of a call or of a text has no place of its own here: it travels as thoughts.
        if states:
            self._open("rs", type="reasoning", summary=[])
            self._close_thoughts(tuple(replace(state, kind=of + state.kind) for state in states))

    # -- calls ------------------------------------------------------------------------------------

    def _call(self, event: ir.ToolStart) -> None:
        self._close()
        self._carry(event.opaque, OF_CALL)
        said: Json = {"status": "in_progress", "call_id": event.id, "name": event.name}
        if event.namespace:
            said["namespace"] = event.namespace
        if event.name in self._run_by_client and client_tools.call_item(event.name, "{}"):
            # These have no deltas: the item comes whole when its arguments are there.
            self._item = {"type": PENDING, **said}
        elif event.kind == "custom":
            self._open("ctc", type="custom_tool_call", **said, input="")
        else:
            self._open("fc", type="function_call", **said, arguments="")

    def _call_delta(self, event: ir.ToolDelta) -> None:
        kind = self._item.get("type")
        if kind is None or not event.arguments:
            return
        self._words.append(event.arguments)
        if kind == "custom_tool_call":
            self._of_item("response.custom_tool_call_input.delta", delta=event.arguments)
        elif kind == "function_call":
            self._of_item("response.function_call_arguments.delta", delta=event.arguments)

    def _call_end(self, event: ir.ToolEnd) -> None:
        item, written = self._item, event.arguments
        self._words = []
        if not item:
            return
        if item["type"] == "custom_tool_call":
            item.update(input=written, status="completed")
            self._of_item("response.custom_tool_call_input.done", input=written)
        elif item["type"] == "function_call":
            item.update(
                arguments=written, status="completed" if _is_json(written) else "incomplete"
            )
            self._of_item(
                "response.function_call_arguments.done", name=item["name"], arguments=written
            )
        else:
            said = client_tools.call_item(item["name"], written) or {}
            self._item = {}
            self._open("cc", **said, call_id=item["call_id"], status="completed")
        self._done()

    # -- the rest ---------------------------------------------------------------------------------

    def _traced(self, event: ir.Traced) -> None:
        raw = event.trace.raw
        # The work of another wire's host cannot be said here.
        if event.trace.wire == WIRE and isinstance(raw, dict):
            self._close()
            self._item = {"id": f"ht_{self._name}_{len(self._output)}", **raw}
            self._emit(
                "response.output_item.added", output_index=len(self._output), item=self._item
            )
            self._done()

    def _finished(self, event: ir.Finished) -> None:
        self._finish = event.finish
        self._close(cut=event.finish == "length")


def _is_json(written: str) -> bool:
    try:
        _decode(written.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


HANDLERS: Mapping[type, Callable[[StreamWriter, Any], None]] = MappingProxyType(
    {
        ir.TextDelta: StreamWriter._text,
        ir.TextEnd: StreamWriter._text_end,
        ir.RefusalDelta: StreamWriter._refusal,
        ir.ReasoningDelta: StreamWriter._thought,
        ir.ReasoningEnd: StreamWriter._thought_end,
        ir.ToolStart: StreamWriter._call,
        ir.ToolDelta: StreamWriter._call_delta,
        ir.ToolEnd: StreamWriter._call_end,
        ir.Traced: StreamWriter._traced,
        ir.Finished: StreamWriter._finished,
    }
)
