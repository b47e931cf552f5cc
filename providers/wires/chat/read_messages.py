"""Reads the messages of a client's chat request."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from providers import ir
from providers.json_body import kind_of
from providers.wires.chat.checks import joined, object_at, objects_at, text_at
from providers.wires.chat.citations import citations_of
from providers.wires.chat.marks import cache_of
from providers.wires.chat.reasoning import client_blocks, opened, signature_of
from providers.wires.wire import BadRequestError, Json

SYSTEM_ROLES = ("system", "developer")
ROLES = "system, developer, user, assistant or tool"
# How base64 of each form of sound begins, for clients that do not say the form.
SOUNDS = (("SUQz", "mp3"), ("//", "mp3"), ("ZkxhQ", "flac"), ("T2dnU", "ogg"))

_encode = msgspec.json.Encoder().encode


def read_messages(raw: list[Any]) -> tuple[ir.Message, ...]:
    """Return the turns; the results of one turn's calls stand in one message of role tool.

    Raises ``BadRequestError`` naming the field at fault.
    """
    return _Reading().whole(raw)


class _Reading:
    """What is known of the conversation so far: its calls, for the results that follow."""

    def __init__(self) -> None:
        self.out: list[ir.Message] = []
        self.calls: dict[str, ir.ToolCall] = {}
        # The last turn's calls that have no result yet, and the old form's by function's name.
        self.unanswered: list[str] = []
        self.by_name: dict[str, str] = {}
        self.results: list[ir.Part] = []

    def whole(self, raw: list[Any]) -> tuple[ir.Message, ...]:
        for index, message in enumerate(raw):
            path = f"messages[{index}]"
            role = message["role"]
            if role in ("tool", "function"):
                self.results.append(self.result(message, path, index))
                continue
            self.close_results()
            name = text_at(message, "name", path)
            if role == "assistant":
                parts = self.assistant(message, path, index)
                self.out.append(ir.Message("assistant", tuple(parts), name))
            elif role in SYSTEM_ROLES or role == "user":
                parts = _marked(_content(message, path), message)
                self.out.append(ir.Message(role, tuple(parts), name))
            else:
                raise BadRequestError(f"`{path}.role` must be {ROLES}", f"{path}.role")
        self.close_results()
        return tuple(self.out)

    def close_results(self) -> None:
        if self.results:
            self.out.append(ir.Message("tool", tuple(self.results)))
            self.results = []

    def result(self, message: Json, path: str, index: int) -> ir.ToolResult:
        call_id = text_at(message, "tool_call_id", path)
        name = text_at(message, "name", path)
        if message["role"] == "function":
            call_id = self.by_name.get(name) or f"function_call_{index}"
        elif not call_id and self.unanswered:
            # Some hosts go by the order of results, so some clients name none.
            call_id = self.unanswered[0]
        if not call_id:
            raise BadRequestError(
                f"`{path}.tool_call_id` is missing: it says which call this is the result of",
                f"{path}.tool_call_id",
            )
        if call_id in self.unanswered:
            self.unanswered.remove(call_id)
        call = self.calls.get(call_id)
        parts = []
        for part in _content(message, path):
            if not isinstance(part, ir.Text | ir.Image | ir.File):
                raise BadRequestError(
                    f"`{path}.content` may hold text, images and files", f"{path}.content"
                )
            parts.append(part)
        return ir.ToolResult(
            call_id,
            tuple(parts),
            name=name or (call.name if call is not None else ""),
            kind=call.kind if call is not None else "function",
            cache=cache_of(message),
        )

    def assistant(self, message: Json, path: str, index: int) -> list[ir.Part]:
        blocks, of_text = client_blocks(message)
        parts: list[ir.Part] = list(blocks)
        words = _marked(_content(message, path), message)
        citations = tuple(citations_of(message.get("annotations")))
        if citations or of_text:
            words = _with_state(words, citations, of_text)
        parts += words
        refusal = text_at(message, "refusal", path)
        if refusal:
            parts.append(ir.Refused(refusal))
        if message.get("audio") is not None:
            parts.append(ir.Trace("chat", {"audio": message["audio"]}))
        self.unanswered, self.by_name = [], {}
        for place, (at, said) in enumerate(objects_at(message, "tool_calls", path)):
            parts.append(self.call(said, at, f"call_{index}_{place}"))
        single = object_at(message, "function_call", path)
        if single and not message.get("tool_calls"):
            call = self.call({"function": single}, path, f"function_call_{index}")
            self.by_name[call.name] = call.id
            parts.append(call)
        return parts

    def call(self, said: Json, path: str, otherwise: str) -> ir.ToolCall:
        custom = object_at(said, "custom", path)
        body = custom or object_at(said, "function", path)
        field = joined(path, "custom" if custom else "function")
        name = text_at(body, "name", field)
        if not name:
            raise BadRequestError(f"`{field}.name` is missing", f"{field}.name")
        call_id = text_at(said, "id", path) or otherwise
        self.unanswered.append(call_id)
        if custom:
            arguments = text_at(custom, "input", field)
        elif isinstance(body.get("arguments"), dict):
            # Some clients send the object itself.
            arguments = _encode(body["arguments"]).decode()
        else:
            arguments = text_at(body, "arguments", field) or "{}"
        call = ir.ToolCall(
            call_id,
            name,
            arguments,
            "custom" if custom else "function",
            opaque=opened(signature_of(said), ""),
            cache=cache_of(said),
        )
        self.calls[call_id] = call
        return call


def _with_state(
    words: list[ir.Part], citations: tuple[ir.Citation, ...], opaque: tuple[ir.Opaque, ...]
) -> list[ir.Part]:
    """Give the last text what stands beside the content of its message."""
    for place in range(len(words) - 1, -1, -1):
        text = words[place]
        if isinstance(text, ir.Text):
            words[place] = ir.Text(text.text, text.cache, citations, opaque)
            return words
    return [*words, ir.Text("", "", citations, opaque)]


def _marked(parts: list[ir.Part], message: Json) -> list[ir.Part]:
    """Put a mark that stands on the message on its last part that can have one."""
    cache = cache_of(message)
    for place in range(len(parts) - 1 if cache else -1, -1, -1):
        part = parts[place]
        if isinstance(part, ir.Text):
            parts[place] = ir.Text(part.text, cache)
            break
    return parts


def _content(message: Json, path: str) -> list[ir.Part]:
    content = message.get("content")
    if isinstance(content, str):
        return [ir.Text(content)] if content else []
    parts: list[ir.Part] = []
    for at, said in objects_at(message, "content", path):
        part = _part(said, at)
        if not isinstance(part, ir.Text) or part.text:
            parts.append(part)
    return parts


def _part(said: Json, path: str) -> ir.Part:
    kind = text_at(said, "type", path)
    if kind == "text":
        return ir.Text(text_at(said, "text", path), cache_of(said))
    if kind == "image_url":
        return _image(said, path)
    if kind == "input_audio" and isinstance(said.get(kind), str):
        return ir.Audio(_sound(said[kind]), said[kind])
    if kind == "input_audio":
        inner = object_at(said, kind, path)
        field = f"{path}.{kind}"
        return ir.Audio(text_at(inner, "format", field), text_at(inner, "data", field))
    if kind == "file":
        return _file(object_at(said, kind, path), f"{path}.{kind}", cache_of(said))
    if kind == "refusal":
        return ir.Refused(text_at(said, "refusal", path))
    if kind == "thinking":
        return _thought(said)
    if kind == "document_url" and isinstance(said.get("document_url"), str):
        return ir.File(url=said["document_url"], name=text_at(said, "document_name", path))
    raise BadRequestError(
        f"`{path}` is of type {kind[:40]!r}, which no other wire can say; there are text, "
        "image_url, input_audio, file and refusal",
        path,
    )


def _sound(data: str) -> str:
    return next((form for begun, form in SOUNDS if data.startswith(begun)), "wav")


def _thought(said: Json) -> ir.Reasoning:
    inner = said.get("thinking")
    items = inner if isinstance(inner, list) else [{"text": inner}]
    texts = [item.get("text") for item in items if isinstance(item, dict)]
    text = "".join([text for text in texts if isinstance(text, str)])
    return ir.Reasoning(text, opaque=(ir.Opaque("chat.content", _encode(said).decode()),))


def _image(said: Json, path: str) -> ir.Image:
    inner = said.get("image_url")
    field = f"{path}.image_url"
    if isinstance(inner, str):
        inner = {"url": inner}
    if not isinstance(inner, dict):
        raise BadRequestError(f"`{field}` must be an object, not {kind_of(inner)}", field)
    url = text_at(inner, "url", field)
    if not url:
        raise BadRequestError(f"`{field}.url` is missing", f"{field}.url")
    detail, cache = text_at(inner, "detail", field), cache_of(said)
    if url.startswith("data:"):
        media_type, data = _data_url(url, f"{field}.url")
        return ir.Image(media_type, data, detail=detail, cache=cache)
    return ir.Image(url=url, detail=detail, cache=cache)


def _file(inner: Json, path: str, cache: str) -> ir.File:
    name, file_id = text_at(inner, "filename", path), text_at(inner, "file_id", path)
    data = text_at(inner, "file_data", path)
    if not data:
        if not file_id:
            raise BadRequestError(f"`{path}` needs `file_data` or `file_id`", path)
        return ir.File(file_id=file_id, name=name, cache=cache)
    if data.startswith(("https://", "http://")):
        return ir.File(url=data, name=name, cache=cache)
    media_type = "application/pdf"
    if data.startswith("data:"):
        media_type, data = _data_url(data, f"{path}.file_data")
    if media_type.startswith("text/"):
        return ir.File(media_type, text=_plain(data, path), name=name, cache=cache)
    return ir.File(media_type, data, name=name, cache=cache)


def _plain(data: str, path: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, ValueError):
        raise BadRequestError(f"`{path}.file_data` is no text in base64", path) from None


def _data_url(url: str, path: str) -> tuple[str, str]:
    head, comma, data = url[5:].partition(",")
    words = head.split(";")
    if not comma or words[-1] != "base64":
        raise BadRequestError(f"`{path}` must be a data URL in base64", path)
    return words[0] or "text/plain", data
