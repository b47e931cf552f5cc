"""Writes a request of any wire for a host: the conversation. ``write_settings`` writes the rest."""

from __future__ import annotations

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
from providers.wires.gemini import write_settings
from providers.wires.gemini.media import audio_part, file_part, image_part
from providers.wires.gemini.names import WIRE_NAME
from providers.wires.gemini.parts import arguments_of
from providers.wires.gemini.signatures import ESCAPE, native
from providers.wires.wire import CannotExpressError, Json, Written

# Where a conversation does not begin with its user, it begins with this.
NOTHING_SAID = " "
# The wire's numbers are floating point: whole numbers beyond this would change.
EXACT_MAX = 2**53
WRAPPERS = frozenset({"result", "output", "error"})

_decode = msgspec.json.Decoder().decode


def write(request: Request, model: str, dialect: Dialect) -> Written:
    """Return the body for a host, whose address names the model. Raises ``CannotExpressError``."""
    del model
    lost: dict[str, None] = {}
    conversation = _Conversation(request, dialect, lost)
    system, contents = conversation.written()
    body: Json = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    write_settings.write(request, dialect, body, lost)
    return Written(body, tuple(lost))


class _Conversation:
    """The contents so far; ``lost`` is where to name what is left out."""

    def __init__(self, request: Request, dialect: Dialect, lost: dict[str, None]) -> None:
        self._messages = request.messages
        self._dialect = dialect
        self._lost = lost
        self._contents: list[Json] = []
        self._calls: dict[str, ToolCall] = {}
        self._turn: list[str] = []
        self._begin = _turn_begins(request.messages)

    def written(self) -> tuple[list[Json], list[Json]]:
        """Return the system's parts and the contents."""
        system: list[Json] = []
        leading = True
        for place, message in enumerate(self._messages):
            if message.name:
                self._lost["name"] = None
            if message.role in ("system", "developer"):
                words = self._parts(message)
                if leading:
                    system += words
                else:
                    # There is one system text, and it stands first.
                    self._add("user", [_tagged(part) for part in words])
                continue
            leading = False
            if message.role == "assistant":
                self._add("model", self._model(message, place >= self._begin))
            elif message.role == "tool":
                self._add("user", self._results(message))
            else:
                self._add("user", self._parts(message))
        if not self._contents or self._contents[0]["role"] != "user":
            first = {"role": "user", "parts": [{"text": NOTHING_SAID}]}
            self._contents.insert(0, first)
        return system, self._contents

    def _add(self, role: str, parts: list[Json]) -> None:
        if not parts:
            return
        if self._contents and self._contents[-1]["role"] == role:
            self._contents[-1]["parts"] += parts
        else:
            self._contents.append({"role": role, "parts": parts})

    def _parts(self, message: Message) -> list[Json]:
        return [made for part in message.parts if (made := self._plain(part)) is not None]

    def _plain(self, part: Part) -> Json | None:
        if isinstance(part, Text | Image | File) and part.cache:
            self._lost["cache"] = None
        urls = self._dialect.image_urls
        if isinstance(part, Text):
            return {"text": part.text} if part.text else None
        if isinstance(part, Image):
            if part.detail not in ("", "auto"):
                self._lost["detail"] = None
            return image_part(part, urls=urls)
        if isinstance(part, File):
            return file_part(part, urls=urls)
        if isinstance(part, Audio):
            return audio_part(part)
        if isinstance(part, Refused):
            return {"text": part.text} if part.text else None
        if isinstance(part, Trace):
            if part.wire == WIRE_NAME and isinstance(part.raw, dict):
                return part.raw
            self._lost["history of hosted tools"] = None
            return None
        return None

    # -- the model's turns --------------------------------------------------------------------

    def _model(self, message: Message, this_turn: bool) -> list[Json]:
        out: list[Json] = []
        self._turn = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                first = not self._turn
                self._calls[part.id] = part
                self._turn.append(part.id)
                out.append(self._call(part, escape=first and this_turn))
            elif isinstance(part, Reasoning):
                state = native(part.opaque)
                # Thoughts without their state are nothing that this wire takes back.
                if state:
                    out.append({"text": part.text, "thought": True, "thoughtSignature": state})
            elif isinstance(part, Text) and (state := native(part.opaque)):
                out.append({"text": part.text, "thoughtSignature": state})
            elif (made := self._plain(part)) is not None:
                out.append(made)
        return out

    def _call(self, call: ToolCall, *, escape: bool) -> Json:
        args = arguments_of(call)
        if args is None:
            raise CannotExpressError("a tool call whose arguments are no JSON")
        if call.cache:
            self._lost["cache"] = None
        said: Json = {"name": call.name, "args": args}
        if self._dialect.call_ids:
            said = {"id": call.id, **said}
        part: Json = {"functionCall": said}
        state = native(call.opaque)
        if state:
            part["thoughtSignature"] = state
        elif escape and self._dialect.thinking == "level":
            part["thoughtSignature"] = ESCAPE
        return part

    # -- results ------------------------------------------------------------------------------

    def _results(self, message: Message) -> list[Json]:
        order = {call_id: place for place, call_id in enumerate(self._turn)}
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        names = self._names(results)
        results.sort(key=lambda result: order.get(result.call_id, len(order)))
        out: list[Json] = []
        beside: list[Json] = []
        inside = self._dialect.tool_result_images and self._dialect.thinking == "level"
        for result in results:
            media = [self._plain(part) for part in result.parts if not isinstance(part, Text)]
            shown = [part for part in media if part is not None]
            said: Json = {"name": names[result.call_id], "response": _response(result)}
            if self._dialect.call_ids:
                said = {"id": result.call_id, **said}
            if shown and inside:
                said["parts"] = shown
            elif shown:
                beside += [{"text": f"From the result of {said['name']}:"}, *shown]
            if result.cache or any(isinstance(p, Text) and p.cache for p in result.parts):
                self._lost["cache"] = None
            out.append({"functionResponse": said})
        return out + beside

    def _names(self, results: list[ToolResult]) -> dict[str, str]:
        # The wire wants the tool's name. Where no call has a result's id, the order tells.
        answered = {result.call_id for result in results}
        open_calls = [call_id for call_id in self._turn if call_id not in answered]
        names: dict[str, str] = {}
        for result in results:
            call = self._calls.get(result.call_id)
            if call is None and not result.name and open_calls:
                call = self._calls[open_calls.pop(0)]
            names[result.call_id] = call.name if call is not None else result.name or "unknown"
        return names


def _turn_begins(messages: tuple[Message, ...]) -> int:
    # What the user says beside results does not begin a turn.
    begin = 0
    for place, message in enumerate(messages):
        if message.role == "user" and (not place or messages[place - 1].role != "tool"):
            begin = place
    return begin


def _tagged(part: Json) -> Json:
    return {"text": f"<system>\n{part['text']}\n</system>"} if "text" in part else part


def _response(result: ToolResult) -> Json:
    words = "\n".join([part.text for part in result.parts if isinstance(part, Text)])
    said: Any = words
    if words[:1] == "{":
        try:
            found = _decode(words.encode())
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            found = None
        if isinstance(found, dict) and _exact(found):
            said = found
    if result.is_error:
        return {"error": said}
    if not words:
        return {}
    if isinstance(said, dict) and said and not WRAPPERS & said.keys():
        return said
    return {"result": said}


def _exact(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_exact(item) for item in value.values())
    if isinstance(value, list):
        return all(_exact(item) for item in value)
    return not isinstance(value, int) or -EXACT_MAX <= value <= EXACT_MAX
