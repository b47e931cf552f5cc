"""Writes clean events as a client's chat stream."""

from __future__ import annotations

from typing import Any

import msgspec

from providers import ir
from providers.carrier import seal
from providers.usage import Usage
from providers.wires.chat.citations import annotations_of
from providers.wires.chat.errors import write_stream_error
from providers.wires.chat.finish import WORDS
from providers.wires.chat.reasoning import block_items, text_item, with_signature
from providers.wires.chat.response import (
    call_body,
    logprobs_for,
    speaks_old_functions,
    usage_for,
)
from providers.wires.wire import Context, Json

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


class _Said:
    """What of one choice has been written."""

    __slots__ = (
        "block", "blocks", "index", "items", "started", "summary", "text_at", "text_size",
        "thought",
    )  # fmt: skip

    def __init__(self) -> None:
        self.started = False
        self.block: list[str] = []
        self.summary = self.thought = False
        # Blocks without state so far: they are listed once one with state comes.
        self.blocks: list[ir.Reasoning] = []
        self.items = 0
        # How long the text is, and where the part of it began that is not over yet.
        self.text_size = self.text_at = 0
        # Calls whose arguments have begun, by their index.
        self.index: set[int] = set()


class StreamWriter:
    """The state of one stream: the role first, one chunk an event, usage and ``[DONE]`` last."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._head: Json = {
            "id": context.id,
            "object": "chat.completion.chunk",
            "created": context.created,
            "model": context.model,
        }
        self._old_functions = speaks_old_functions(context.body)
        self._said: dict[int, _Said] = {}
        self._custom: set[tuple[int, int]] = set()
        self._usage: Usage | None = None

    def write(self, event: ir.Event) -> bytes:
        """Return the chunks that ``event`` makes; b"" for none."""
        if isinstance(event, ir.TextDelta):
            said = self._of(event.choice)
            said.text_size += len(event.text)
            return self._chunk(
                event.choice, {"content": event.text}, logprobs=logprobs_for(event.logprobs)
            )
        if isinstance(event, ir.ToolDelta):
            self._of(event.choice).index.add(event.index)
            return self._arguments(event.choice, event.index, event.arguments)
        if isinstance(event, ir.ReasoningDelta):
            said = self._of(event.choice)
            # A blank line between two thoughts, as in a whole answer.
            gap = "\n\n" if said.thought and not said.block else ""
            said.block.append(event.text)
            said.summary, said.thought = event.summary, True
            return self._chunk(event.choice, {"reasoning_content": gap + event.text})
        return self._rare(event)

    def _rare(self, event: ir.Event) -> bytes:
        if isinstance(event, ir.Started):
            self._head["id"] = event.id or self._context.id
            self._head["model"] = event.model or self._context.model
            return b""
        if isinstance(event, ir.Counted):
            self._usage = event.usage
            return b""
        if isinstance(event, ir.ReasoningEnd):
            return self._end_block(event)
        if isinstance(event, ir.TextEnd):
            return self._end_text(event)
        if isinstance(event, ir.RefusalDelta):
            return self._chunk(event.choice, {"refusal": event.text})
        if isinstance(event, ir.ToolStart):
            return self._start_call(event)
        if isinstance(event, ir.ToolEnd):
            # Arguments that did not come in pieces.
            if event.index in self._of(event.choice).index or not event.arguments:
                return b""
            return self._arguments(event.choice, event.index, event.arguments)
        if isinstance(event, ir.Finished):
            word = WORDS[event.finish]
            if self._old_functions and word == "tool_calls":
                word = "function_call"
            return self._chunk(event.choice, {}, finish=word)
        return b""

    def end(self) -> bytes:
        """Return the usage, where the client asked for it, and the end mark."""
        usage = usage_for(self._usage) if self._usage and self._context.wants_usage else None
        if usage is None:
            return DONE
        return b"data: " + _encode({**self._head, "choices": [], "usage": usage}) + b"\n\n" + DONE

    def fail(self, message: str, kind: str, code: str) -> bytes:
        """Return an error event; no ``[DONE]`` follows it."""
        return write_stream_error(message, kind, code)

    def _of(self, choice: int) -> _Said:
        said = self._said.get(choice)
        if said is None:
            said = self._said[choice] = _Said()
        return said

    def _chunk(
        self, choice: int, delta: Json, *, logprobs: Json | None = None, finish: str | None = None
    ) -> bytes:
        said = self._of(choice)
        first = b""
        if not said.started:
            said.started = True
            first = self._chunk(choice, {"role": "assistant", "content": ""})
        body = {
            **self._head,
            "choices": [
                {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            ],
        }
        return first + b"data: " + _encode(body) + b"\n\n"

    def _arguments(self, choice: int, index: int, text: str) -> bytes:
        if self._old_functions:
            return self._chunk(choice, {"function_call": {"arguments": text}}) if not index else b""
        return self._chunk(
            choice, {"tool_calls": [{"index": index, **self._piece(choice, index, text)}]}
        )

    def _piece(self, choice: int, index: int, text: str) -> Json:
        if (choice, index) in self._custom:
            return {"custom": {"input": text}}
        return {"function": {"arguments": text}}

    def _start_call(self, event: ir.ToolStart) -> bytes:
        if self._old_functions:
            body: Json = {"name": event.name, "arguments": ""}
            return self._chunk(event.choice, {"function_call": body}) if not event.index else b""
        if event.kind == "custom":
            self._custom.add((event.choice, event.index))
        call: Json = {
            "index": event.index,
            "id": event.id,
            **call_body(event.kind, event.name, ""),
        }
        if event.opaque:
            call["extra_content"] = with_signature(seal(event.opaque))
        return self._chunk(event.choice, {"tool_calls": [call]})

    def _end_block(self, event: ir.ReasoningEnd) -> bytes:
        said = self._of(event.choice)
        block = ir.Reasoning("".join(said.block), said.summary, event.opaque)
        said.block, said.summary = [], False
        said.blocks.append(block)
        if not event.opaque:
            return b""
        items: list[Any] = []
        for one in said.blocks:
            items += block_items(one, said.items + len(items))
        said.blocks = []
        said.items += len(items)
        return self._chunk(event.choice, {"reasoning_details": items})

    def _end_text(self, event: ir.TextEnd) -> bytes:
        said = self._of(event.choice)
        delta: Json = {}
        if event.citations:
            delta["annotations"] = annotations_of(event.citations, said.text_at)
        said.text_at = said.text_size
        if event.opaque:
            delta["reasoning_details"] = [text_item(event.opaque, said.items)]
            said.items += 1
        return self._chunk(event.choice, delta) if delta else b""
