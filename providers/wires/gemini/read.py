"""Reads a client's request into the neutral form: the conversation. ``settings`` reads the rest."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.ir import (
    Audio,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Trace,
)
from providers.json_body import kind_of
from providers.wires.gemini import settings
from providers.wires.gemini.media import by_address, inline
from providers.wires.gemini.names import ALT, WIRE_NAME, listed, obj, text
from providers.wires.gemini.signatures import opened
from providers.wires.wire import BadRequestError, Json

# What a part may say beside its content.
BESIDE = frozenset({"thought", "thoughtSignature"})
CONTENTS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
NOTES = frozenset({"videoMetadata", "mediaResolution", "partMetadata"})
TRACES = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
RESULT_WORDS = ("result", "output")

_encode = msgspec.json.Encoder().encode


def read(body: Json) -> Request:
    """Return a client's request. Raises ``BadRequestError`` naming the field at fault.

    The model and whether to stream stand in the address and not in the body: the gateway has them
    from ``peek``.
    """
    top = obj(body, "")
    extras: Json = {}
    conversation = _Conversation(extras)
    system = top.get("systemInstruction")
    if system is not None:
        conversation.system(system)
    for place, content in enumerate(listed(top.get("contents"), "contents")):
        conversation.content(content, f"contents[{place}]")
    for name, value in top.items():
        if name not in settings.KNOWN and name != ALT and value is not None:
            extras[name] = value
    return settings.read(top, tuple(conversation.messages), extras)


class _Conversation:
    """The messages so far, and the calls that wait for their results."""

    def __init__(self, extras: Json) -> None:
        self.messages: list[Message] = []
        self._extras = extras
        self._ids: set[str] = set()
        self._waiting: list[ToolCall] = []

    def system(self, value: Any) -> None:
        path = "systemInstruction"
        if isinstance(value, str):
            value = {"parts": [{"text": value}]}
        said = obj(value, path)
        parts: list[Part] = []
        for place, raw in enumerate(listed(said.get("parts"), f"{path}.parts")):
            part = obj(raw, f"{path}.parts[{place}]")
            words = text(part.get("text"), f"{path}.parts[{place}].text")
            if part.keys() - {"text"} - BESIDE:
                raise BadRequestError(
                    f"`{path}.parts[{place}]` must be text", f"{path}.parts[{place}]"
                )
            if words:
                parts.append(Text(words))
        if parts:
            self.messages.append(Message("system", tuple(parts)))

    def content(self, value: Any, path: str) -> None:
        said = obj(value, path)
        role = said.get("role")
        raw = listed(said.get("parts"), f"{path}.parts")
        parts = [
            (obj(part, f"{path}.parts[{i}]"), f"{path}.parts[{i}]") for i, part in enumerate(raw)
        ]
        if role == "model":
            self._model(parts)
        elif role in (None, "", "user", "function"):
            self._user(parts)
        else:
            raise BadRequestError(
                f"`{path}.role` must be user or model, not {role!r}", f"{path}.role"
            )

    # -- the model's turns --------------------------------------------------------------------

    def _model(self, parts: list[tuple[Json, str]]) -> None:
        # Clients that keep a stream's chunks send one turn as many contents.
        last = self.messages[-1] if self.messages else None
        out: list[Part] = []
        if last is not None and last.role == "assistant":
            out = list(last.parts)
            self.messages.pop()
        else:
            self._waiting = []
        for part, path in parts:
            blocks, opaque = self._state(part, path)
            if blocks:
                _replace_shown(out, blocks)
            made = self._model_part(part, path, opaque)
            if made is not None:
                _join(out, made)
        if out:
            self.messages.append(Message("assistant", tuple(out)))

    def _state(self, part: Json, path: str) -> tuple[list[Reasoning], tuple[Opaque, ...]]:
        signature = text(part.get("thoughtSignature"), f"{path}.thoughtSignature")
        return opened(signature) if signature else ([], ())

    def _model_part(self, part: Json, path: str, opaque: tuple[Opaque, ...]) -> Part | None:
        self._note(part)
        words = part.get("text")
        if part.get("functionCall") is not None:
            return self._call(part["functionCall"], f"{path}.functionCall", opaque)
        if part.get("thought") is True and (words is not None or part.keys() <= BESIDE):
            shown = text(words, f"{path}.text")
            return Reasoning(shown, True, opaque) if shown or opaque else None
        if words is not None or (part.keys() <= BESIDE and part):
            shown = text(words, f"{path}.text")
            return Text(shown, opaque=opaque) if shown or opaque else None
        if any(part.get(name) is not None for name in TRACES):
            return Trace(WIRE_NAME, part)
        # A picture that the model made, with its state: for this wire only.
        return Trace(WIRE_NAME, part) if opaque else self._media(part, path)

    def _call(self, value: Any, path: str, opaque: tuple[Opaque, ...]) -> ToolCall:
        said = obj(value, path)
        name = text(said.get("name"), f"{path}.name")
        if not name:
            raise BadRequestError(f"`{path}.name` is missing", f"{path}.name")
        args = said.get("args")
        if args is not None and not isinstance(args, dict):
            raise BadRequestError(
                f"`{path}.args` must be an object, not {kind_of(args)}", f"{path}.args"
            )
        call_id = text(said.get("id"), f"{path}.id") or self._new_id()
        self._ids.add(call_id)
        call = ToolCall(call_id, name, _encode(args or {}).decode(), opaque=opaque)
        self._waiting.append(call)
        return call

    def _new_id(self) -> str:
        number = len(self._ids)
        while f"call_{number}" in self._ids:
            number += 1
        return f"call_{number}"

    # -- the user's turns ---------------------------------------------------------------------

    def _user(self, parts: list[tuple[Json, str]]) -> None:
        results: list[Part] = []
        others: list[Part] = []
        for part, path in parts:
            self._note(part)
            words = part.get("text")
            if part.get("functionResponse") is not None:
                results.append(self._result(part["functionResponse"], f"{path}.functionResponse"))
            elif words is not None:
                shown = text(words, f"{path}.text")
                if shown:
                    others.append(Text(shown))
            elif any(part.get(name) is not None for name in TRACES):
                others.append(Trace(WIRE_NAME, part))
            elif not part or not part.keys() <= NOTES:
                others.append(self._media(part, path))
        last = self.messages[-1] if self.messages else None
        if results and last is not None and last.role == "tool":
            self.messages[-1] = Message("tool", (*last.parts, *results))
        elif results:
            self.messages.append(Message("tool", tuple(results)))
        if others:
            self.messages.append(Message("user", tuple(others)))

    def _result(self, value: Any, path: str) -> ToolResult:
        said = obj(value, path)
        name = text(said.get("name"), f"{path}.name")
        call = self._answered(text(said.get("id"), f"{path}.id"), name)
        for field in ("willContinue", "scheduling"):
            if said.get(field) is not None:
                self._extras[f"functionResponse.{field}"] = said[field]
        words, failed = _response(said.get("response"), f"{path}.response")
        parts: list[Text | Image | File] = [Text(words)] if words else []
        for place, raw in enumerate(listed(said.get("parts"), f"{path}.parts")):
            at = f"{path}.parts[{place}]"
            made = self._media(obj(raw, at), at)
            if isinstance(made, Audio):
                made = File(media_type=f"audio/{made.format}", data=made.data)
            parts.append(made)
        return ToolResult(call, tuple(parts), name, failed)

    def _answered(self, call_id: str, name: str) -> str:
        # Where ids are missing, results answer the calls of their name in order.
        found = next((call for call in self._waiting if call_id and call.id == call_id), None)
        if found is None and not call_id:
            of_name = [call for call in self._waiting if call.name == name]
            found = next(iter(of_name or self._waiting), None)
        if found is None:
            call_id = call_id or self._new_id()
            self._ids.add(call_id)
            return call_id
        self._waiting.remove(found)
        return found.id

    # -- both ---------------------------------------------------------------------------------

    def _media(self, part: Json, path: str) -> Image | Audio | File:
        if part.get("inlineData") is not None:
            return inline(part["inlineData"], f"{path}.inlineData")
        if part.get("fileData") is not None:
            return by_address(part["fileData"], f"{path}.fileData")
        said = ", ".join(sorted(part.keys() - BESIDE)) or "nothing"
        raise BadRequestError(f"`{path}` must be one of {', '.join(CONTENTS)}, not {said}", path)

    def _note(self, part: Json) -> None:
        # What else a part says (how to look at a video, …) has no place in the neutral form.
        for name in part.keys() - BESIDE:
            if name not in CONTENTS and name not in TRACES and part[name] is not None:
                self._extras[f"parts.{name}"] = part[name]


def _join(out: list[Part], part: Part) -> None:
    # Pieces of one text or thought, as a stream brought them, are one part again.
    last = out[-1] if out else None
    if isinstance(part, Text) and isinstance(last, Text) and not last.opaque and part.text:
        out[-1] = Text(last.text + part.text, opaque=part.opaque)
    elif isinstance(part, Reasoning) and isinstance(last, Reasoning) and not last.opaque:
        out[-1] = Reasoning(last.text + part.text, part.summary, part.opaque)
    else:
        out.append(part)


def _replace_shown(out: list[Part], blocks: list[Reasoning]) -> None:
    # A seal brings its thoughts along; where the client kept what it was shown, that gives way.
    whole = "".join([block.text for block in blocks])
    last = out[-1] if out else None
    if isinstance(last, Reasoning) and not last.opaque and last.text == whole:
        out.pop()
    out += blocks


def _response(value: Any, path: str) -> tuple[str, bool]:
    """Return what a call gave as text, and whether it failed."""
    said = value if isinstance(value, dict) else {} if value is None else None
    if said is None:
        raise BadRequestError(f"`{path}` must be an object, not {kind_of(value)}", path)
    if not said:
        return "", False
    if len(said) == 1:
        name, inner = next(iter(said.items()))
        if name in RESULT_WORDS or name == "error":
            words = inner if isinstance(inner, str) else _encode(inner).decode()
            return words, name == "error"
    return _encode(said).decode(), False
