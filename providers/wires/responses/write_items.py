"""Writes turns of the neutral form as the input items of this wire."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.ir import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refused,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Trace,
)
from providers.wires.chat.callids import CallIds
from providers.wires.responses.read_parts import NATIVE
from providers.wires.responses.read_tools import WIRE
from providers.wires.wire import CannotExpressError, Json

# What this API takes where a host's dialect does not say more.
CALL_IDS = r"[A-Za-z0-9_-]{1,64}"
# The lifetime of a mark that is to live longer than the shortest.
LONG = "30m"
# Wires of one family of hosts: a file that was put there under one is there under the other.
SHARE_FILES = frozenset({"chat", WIRE})

_decode = msgspec.json.Decoder().decode


class ItemWriter:
    """Writes the turns of one request; ``lost`` names what is not in the items."""

    def __init__(self, request: Request, dialect: Dialect) -> None:
        self._wire = request.wire
        self._dialect = dialect
        self._ids = CallIds(dialect.tool_ids or CALL_IDS)
        self.lost: list[str] = []
        self.items: list[Json] = []

    def add(self, message: Message) -> None:
        """Write the next turn. Raises ``CannotExpressError``."""
        if message.name:
            self.lost.append("name")
        if message.role == "assistant":
            self._assistant(message.parts)
        elif message.role == "tool":
            for part in message.parts:
                if isinstance(part, ToolResult):
                    self.items.append(self._result(part))
        else:
            role = message.role
            if role == "system" and self._dialect.developer_role:
                role = "developer"
            elif role == "developer" and not self._dialect.developer_role:
                role = "system"
            parts = [self._given(part) for part in message.parts]
            if parts:
                self.items.append({"type": "message", "role": role, "content": parts})

    def _assistant(self, parts: tuple[Part, ...]) -> None:
        before = len(self.items)
        for part in parts:
            if isinstance(part, Reasoning):
                self._thoughts(part)
            elif isinstance(part, ToolCall):
                self.items.append(self._call(part))
            elif isinstance(part, Text | Refused):
                self._said(part, before)
            elif isinstance(part, Trace):
                if part.wire == WIRE:
                    self.items.append(part.raw)
                else:
                    self.lost.append("history of hosted tools")
            else:
                kinds = {Image: "a picture", File: "a document", Audio: "audio"}
                raise CannotExpressError(f"{kinds.get(type(part), 'that')} in an assistant message")
        while len(self.items) > before and self.items[-1].get("type") == "reasoning":
            # Thoughts are refused where nothing follows that they led to.
            self.items.pop()

    def _thoughts(self, part: Reasoning) -> None:
        words: Json = {"summary": []}
        if part.text and part.summary:
            words = {"summary": [{"type": "summary_text", "text": part.text}]}
        elif part.text:
            words["content"] = [{"type": "reasoning_text", "text": part.text}]
        for state in part.opaque:
            if state.kind == NATIVE:
                named = {"id": state.id} if state.id else {}
                item = {"type": "reasoning", **named, **words, "encrypted_content": state.data}
                self.items.append(item)
                words = {"summary": []}

    def _said(self, part: Text | Refused, before: int) -> None:
        if isinstance(part, Text):
            if part.cache:
                self.lost.append("cache")
            if not part.text:
                return
            said = {"type": "output_text", "text": part.text}
        else:
            said = {"type": "refusal", "refusal": part.text}
        last = self.items[-1] if len(self.items) > before else None
        if last is not None and last.get("type") == "message":
            last["content"].append(said)
        else:
            self.items.append({"type": "message", "role": "assistant", "content": [said]})

    def _call(self, part: ToolCall) -> Json:
        if part.cache:
            self.lost.append("cache")
        item: Json = {"call_id": self._ids.theirs(part.id), "name": part.name}
        if part.namespace:
            item["namespace"] = part.namespace
        if part.kind == "custom":
            return {"type": "custom_tool_call", **item, "input": part.arguments}
        return {"type": "function_call", **item, "arguments": part.arguments or "{}"}

    def _result(self, part: ToolResult) -> Json:
        if part.cache:
            self.lost.append("cache")
        custom = part.kind == "custom"
        output: str | list[Json]
        if all(isinstance(inner, Text) and not inner.cache for inner in part.parts):
            words = [inner.text for inner in part.parts if isinstance(inner, Text)]
            output = "\n".join(words)
            if part.is_error:
                output = f"Error: {output}"
        else:
            output = [self._given(inner) for inner in part.parts]
            if part.is_error:
                output.insert(0, {"type": "input_text", "text": "Error:"})
        return {
            "type": "custom_tool_call_output" if custom else "function_call_output",
            "call_id": self._ids.theirs(part.call_id),
            "output": output,
        }

    def _given(self, part: Part) -> Json:
        # A part that somebody gives to the model: words, a picture, a document.
        if isinstance(part, Text):
            return self._marked({"type": "input_text", "text": part.text}, part.cache)
        if isinstance(part, Image):
            return self._marked(self._image(part), part.cache)
        if isinstance(part, File):
            return self._marked(self._file(part), part.cache)
        if isinstance(part, Refused):
            return {"type": "input_text", "text": part.text}
        if isinstance(part, Audio):
            raise CannotExpressError("audio in a message")
        raise CannotExpressError("thoughts or calls in a message that is not the assistant's")

    def _marked(self, item: Json, cache: str) -> Json:
        if not cache:
            return item
        if not self._dialect.cache_marks:
            self.lost.append("cache")
            return item
        mark = {"mode": "explicit"} if cache == "5m" else {"mode": "explicit", "ttl": LONG}
        return {**item, "prompt_cache_breakpoint": mark}

    def _image(self, part: Image) -> Json:
        item: Json = {"type": "input_image", "detail": part.detail or "auto"}
        if part.data:
            kind = part.media_type or "image/png"
            return {**item, "image_url": f"data:{kind};base64,{part.data}"}
        if part.url:
            if not self._dialect.image_urls:
                raise CannotExpressError("a picture by its address")
            return {**item, "image_url": part.url}
        return {**item, "file_id": self._file_id(part.file_id)}

    def _file(self, part: File) -> Json:
        item: Json = {"type": "input_file"}
        if part.name:
            item["filename"] = part.name
        data, kind = part.data, part.media_type
        if part.text and not data:
            data = base64.b64encode(part.text.encode("utf-8", "replace")).decode()
            kind = kind or "text/plain"
        if data:
            kind = kind or "application/pdf"
            # The API wants a name with data.
            item.setdefault("filename", "document.pdf" if kind.endswith("pdf") else "document.txt")
            return {**item, "file_data": f"data:{kind};base64,{data}"}
        if part.url:
            return {"type": "input_file", "file_url": part.url}
        return {"type": "input_file", "file_id": self._file_id(part.file_id)}

    def _file_id(self, file_id: str) -> str:
        if not file_id:
            raise CannotExpressError("an empty picture or document")
        if self._wire not in SHARE_FILES:
            raise CannotExpressError("a file that was given to another host")
        return file_id


def is_json(written: Any) -> bool:
    """Whether a call's arguments are JSON."""
    try:
        _decode(written)
    except (msgspec.MsgspecError, TypeError, UnicodeError, RecursionError):
        return False
    return True
