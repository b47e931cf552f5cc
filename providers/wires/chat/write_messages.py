"""Writes the messages of a request in the neutral form for a host of the chat wire."""

from __future__ import annotations

from typing import Any

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.wires.chat.callids import CallIds
from providers.wires.chat.marks import with_mark
from providers.wires.chat.reasoning import with_signature
from providers.wires.wire import CannotExpressError, Json

# What a host that wants its reasoning back gets for a turn of which nobody knows any.
NO_THOUGHT = " "

_decode = msgspec.json.Decoder().decode


def write_messages(request: ir.Request, dialect: Dialect, lost: list[str]) -> list[Json]:
    """Return the messages; what cannot be said is added to ``lost``.

    Raises ``CannotExpressError`` for a part that the wire has no words for.
    """
    return _Writing(dialect, lost).whole(request.messages)


class _Writing:
    def __init__(self, dialect: Dialect, lost: list[str]) -> None:
        self.dialect = dialect
        self.lost = lost
        self.ids = CallIds(dialect.tool_ids)
        self.out: list[Json] = []
        # Pictures and documents in results, for the next message of the user.
        self.hoisted: list[Json] = []

    def whole(self, messages: tuple[ir.Message, ...]) -> list[Json]:
        for message in messages:
            if message.role == "tool":
                self.results(message)
            elif message.role == "user":
                self.user(message)
            else:
                self.flush()
                said = (
                    self.assistant(message) if message.role == "assistant" else self.told(message)
                )
                self.out.append(self.named(said, message))
        self.flush()
        if messages and messages[-1].role == "assistant" and not _calls(messages[-1]):
            if self.dialect.prefill_flag:
                self.out[-1][self.dialect.prefill_flag] = True
            else:
                self.lost.append("prefill")
        return self.out

    def named(self, said: Json, message: ir.Message) -> Json:
        if message.name and "name" not in self.dialect.strips:
            said["name"] = message.name
        return said

    def flush(self) -> None:
        if self.hoisted:
            self.out.append({"role": "user", "content": self.hoisted})
            self.hoisted = []

    def told(self, message: ir.Message) -> Json:
        role = "developer" if message.role == "developer" else "system"
        if not self.dialect.developer_role:
            role = "system"
        texts = [part for part in message.parts if isinstance(part, ir.Text)]
        if len(texts) < len(message.parts):
            raise CannotExpressError(f"anything but text in a {message.role} message")
        if any(self.cache(part.cache) for part in texts):
            return {"role": role, "content": [self.part(part) for part in texts]}
        return {"role": role, "content": "\n\n".join([part.text for part in texts])}

    def user(self, message: ir.Message) -> None:
        parts = [self.part(part) for part in message.parts]
        hoisted, self.hoisted = self.hoisted, []
        content: Any = [*hoisted, *parts]
        if all(part.keys() == {"type", "text"} for part in content) and len(content) < 2:
            content = content[0]["text"] if content else ""
        self.out.append(self.named({"role": "user", "content": content}, message))

    def part(self, part: ir.Part) -> Json:
        if isinstance(part, ir.Text):
            return with_mark({"type": "text", "text": part.text}, self.cache(part.cache))
        if isinstance(part, ir.Image):
            return self.image(part)
        if isinstance(part, ir.File):
            return self.file(part)
        if isinstance(part, ir.Audio):
            inner = {"data": part.data, "format": part.format}
            return {"type": "input_audio", "input_audio": inner}
        raise CannotExpressError(f"{_words(part)} in a user message")

    def cache(self, mark: str) -> str:
        if mark and not self.dialect.cache_marks:
            self.lost.append("cache")
            return ""
        return mark

    def image(self, part: ir.Image) -> Json:
        if part.data:
            inner = {"url": f"data:{part.media_type or 'image/png'};base64,{part.data}"}
        elif part.url and self.dialect.image_urls:
            inner = {"url": part.url}
        elif part.url:
            raise CannotExpressError("an image by URL")
        else:
            raise CannotExpressError("an image by its id at another host")
        if part.detail:
            inner["detail"] = part.detail
        return with_mark({"type": "image_url", "image_url": inner}, self.cache(part.cache))

    def file(self, part: ir.File) -> Json:
        cache = self.cache(part.cache)
        if part.text:
            head = f"[document {part.name}]\n" if part.name else ""
            return with_mark({"type": "text", "text": head + part.text}, cache)
        if not part.data:
            what = "a document by URL" if part.url else "a document by its id at another host"
            raise CannotExpressError(what)
        media_type = part.media_type or "application/pdf"
        inner = {
            "filename": part.name or f"document.{media_type.rpartition('/')[2]}",
            "file_data": f"data:{media_type};base64,{part.data}",
        }
        return with_mark({"type": "file", "file": inner}, cache)

    def results(self, message: ir.Message) -> None:
        for part in message.parts:
            if not isinstance(part, ir.ToolResult):
                raise CannotExpressError(f"{_words(part)} beside tool results")
            self.out.append(self.result(part))

    def result(self, result: ir.ToolResult) -> Json:
        texts = []
        call_id = self.ids.theirs(result.call_id)
        counts = {"image": 0, "document": 0}
        for part in result.parts:
            if isinstance(part, ir.Text):
                texts.append(part.text)
                self.cache(part.cache if not result.cache else "")
            elif isinstance(part, ir.File) and part.text:
                texts.append(self.file(part)["text"])
            else:
                kind = "image" if isinstance(part, ir.Image) else "document"
                counts[kind] += 1
                marker = f"[result of call {call_id}: {kind} {counts[kind]}]"
                self.hoisted += [{"type": "text", "text": marker}, self.part(part)]
                texts.append(marker)
        text = "\n".join(texts)
        content: Any = f"Error: {text}" if result.is_error else text
        cache = self.cache(result.cache)
        if cache:
            content = [with_mark({"type": "text", "text": content}, cache)]
        return {
            "role": "tool",
            "tool_call_id": call_id,
            "content": content,
        }

    def assistant(self, message: ir.Message) -> Json:
        texts: list[str] = []
        chunks: list[Json] = []
        details: list[Json] = []
        thoughts: list[str] = []
        signature = ""
        for part in message.parts:
            if isinstance(part, ir.Text):
                texts.append(part.text)
                self.cache(part.cache)
                signature = _signature(part.opaque) or signature
            elif isinstance(part, ir.Refused):
                texts.append(part.text)
            elif isinstance(part, ir.Reasoning):
                thoughts.append(part.text)
                details += _native(part.opaque, "chat.details")
                chunks += _native(part.opaque, "chat.content")
            elif isinstance(part, ir.Trace):
                self.lost.append("history of hosted tools")
            elif not isinstance(part, ir.ToolCall):
                raise CannotExpressError(f"{_words(part)} in an assistant's message")
        calls = _calls(message)
        text = "".join(texts)
        said: Json = {"role": "assistant", "content": text or (None if calls else "")}
        if chunks:
            said["content"] = [*chunks, *([{"type": "text", "text": text}] if text else [])]
        if details:
            said["reasoning_details"] = details
        if signature:
            said["extra_content"] = with_signature(signature)
        if calls:
            said["tool_calls"] = [self.call(call) for call in calls]
            if self.dialect.replay_reasoning:
                thought = "\n\n".join([text for text in thoughts if text])
                said[self.dialect.replay_reasoning] = thought or NO_THOUGHT
        return said

    def call(self, call: ir.ToolCall) -> Json:
        name = f"{call.namespace}__{call.name}" if call.namespace else call.name
        said: Json = {"id": self.ids.theirs(call.id)}
        if call.kind == "custom":
            said |= {"type": "custom", "custom": {"name": name, "input": call.arguments}}
        else:
            arguments = call.arguments if call.arguments.strip() else "{}"
            said |= {"type": "function", "function": {"name": name, "arguments": arguments}}
        self.cache("" if self.dialect.cache_marks else call.cache)
        signature = _signature(call.opaque)
        if signature:
            said["extra_content"] = with_signature(signature)
        return said


def _calls(message: ir.Message) -> list[ir.ToolCall]:
    return [part for part in message.parts if isinstance(part, ir.ToolCall)]


def _native(opaque: tuple[ir.Opaque, ...], kind: str) -> list[Json]:
    found = []
    for state in opaque:
        if state.kind == kind:
            try:
                item = _decode(state.data)
            except (msgspec.MsgspecError, RecursionError):
                # Out of a seal that somebody else has written.
                continue
            if isinstance(item, dict):
                found.append(item)
    return found


def _signature(opaque: tuple[ir.Opaque, ...]) -> str:
    return next((state.data for state in opaque if state.kind == "gemini.signature"), "")


def _words(part: ir.Part) -> str:
    words = {
        ir.Image: "an image",
        ir.File: "a document",
        ir.Audio: "audio",
        ir.Reasoning: "reasoning",
        ir.ToolCall: "a tool call",
        ir.ToolResult: "a tool result",
        ir.Refused: "a refusal",
        ir.Trace: "a hosted tool",
        ir.Text: "text",
    }
    return words[type(part)]
