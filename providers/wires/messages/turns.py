"""The conversation as a host of this wire takes it: system blocks, and turns that alternate."""

from __future__ import annotations

import base64
import binascii
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
from providers.wires.messages.blocks import WIRE
from providers.wires.messages.ids import wrapped
from providers.wires.messages.state import REDACTED, SIGNATURE
from providers.wires.wire import CannotExpressError, Json

SYSTEM_ROLES = ("system", "developer")
PDF = "application/pdf"
OPENING = "(The conversation begins.)"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Turns:
    """Writes the messages of one request.

    ``lost`` collects what a host cannot be told, ``marks`` the blocks that end a prefix to cache,
    in their order. Raises ``CannotExpressError``.
    """

    def __init__(
        self, request: Request, dialect: Dialect, lost: list[str], marks: list[Json]
    ) -> None:
        self._dialect = dialect
        self._own = request.wire == WIRE
        self._lost = lost
        self._marks = marks
        self._turns: list[Json] = []
        self._messages = request.messages

    def write(self) -> tuple[str | list[Json], list[Json]]:
        """Return ``system`` ("" for none) and ``messages``."""
        leading = 0
        while leading < len(self._messages) and self._messages[leading].role in SYSTEM_ROLES:
            leading += 1
        system = [block for message in self._messages[:leading] for block in self._system(message)]
        for message in self._messages[leading:]:
            self._message(message)
        turns = [turn for turn in self._turns if turn["content"]]
        if not turns:
            # A conversation of blank texts alone: the wire takes none without a word.
            turns.append({"role": "user", "content": [{"type": "text", "text": OPENING}]})
        if turns and turns[-1]["role"] == "assistant":
            self._prefill(turns)
        for turn in turns:
            turn["content"] = _ordered(turn)
        return _plain(system), turns

    def _message(self, message: Message) -> None:
        if message.role in SYSTEM_ROLES:
            blocks = self._system(message)
            if self._dialect.mid_system and self._turns:
                self._add("system", blocks)
                return
            for block in blocks:
                block["text"] = f"<system>\n{block['text']}\n</system>"
            self._add("user", blocks)
        elif message.role == "assistant":
            blocks = [block for part in message.parts for block in self._assistant(part)]
            self._add("assistant", blocks)
        else:
            blocks = [block for part in message.parts for block in self._user(part)]
            self._add("user", blocks)

    def _add(self, role: str, blocks: list[Json]) -> None:
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
        elif blocks:
            self._turns.append({"role": role, "content": blocks})

    def _system(self, message: Message) -> list[Json]:
        blocks = []
        for part in message.parts:
            if not isinstance(part, Text):
                raise CannotExpressError(f"{_name(part)} in a system message")
            blocks += self._words(part.text, part.cache)
        return blocks

    def _words(self, text: str, cache: str) -> list[Json]:
        # The wire refuses blocks of text with no words in them.
        return [self._marked({"type": "text", "text": text}, cache)] if text.strip() else []

    def _marked(self, block: Json, cache: str) -> Json:
        if cache:
            mark = {"type": "ephemeral"}
            if cache != "5m":
                mark["ttl"] = "1h"
            block["cache_control"] = mark
            self._marks.append(block)
        return block

    def _assistant(self, part: Part) -> list[Json]:
        if isinstance(part, Text):
            return self._words(part.text, part.cache)
        if isinstance(part, Refused):
            return self._words(part.text, "")
        if isinstance(part, Reasoning):
            return self._reasoning(part)
        if isinstance(part, ToolCall):
            block: Json = {
                "type": "tool_use",
                "id": wrapped(part.id),
                "name": part.name,
                "input": _input(part),
            }
            return [self._marked(block, part.cache)]
        if isinstance(part, Trace):
            return self._trace(part)
        raise CannotExpressError(f"{_name(part)} in a message of the assistant")

    def _reasoning(self, part: Reasoning) -> list[Json]:
        blocks: list[Json] = []
        for state in part.opaque:
            if state.kind == SIGNATURE:
                blocks.append({"type": "thinking", "thinking": part.text, "signature": state.data})
            elif state.kind == REDACTED:
                blocks.append({"type": "redacted_thinking", "data": state.data})
        if not blocks and part.text and self._dialect.replay_reasoning:
            blocks.append({"type": "thinking", "thinking": part.text, "signature": ""})
        return blocks

    def _trace(self, part: Trace) -> list[Json]:
        if part.wire == WIRE and isinstance(part.raw, dict):
            return [part.raw]
        self._lost.append("history of hosted tools")
        return []

    def _user(self, part: Part) -> list[Json]:
        if isinstance(part, Text):
            return self._words(part.text, part.cache)
        if isinstance(part, Image):
            return [self._image(part)]
        if isinstance(part, File):
            return [self._file(part)]
        if isinstance(part, ToolResult):
            return [self._result(part)]
        if isinstance(part, Trace):
            return self._trace(part)
        raise CannotExpressError(f"{_name(part)} in a message of the user")

    def _result(self, part: ToolResult) -> Json:
        block: Json = {"type": "tool_result", "tool_use_id": wrapped(part.call_id)}
        content = [inner for one in part.parts for inner in self._user(one)]
        if content:
            block["content"] = _plain(content)
        if part.is_error:
            block["is_error"] = True
        return self._marked(block, part.cache)

    def _image(self, part: Image) -> Json:
        media_type, data, url = part.media_type, part.data, part.url
        if url.startswith("data:"):
            head, _, data = url[len("data:") :].partition(",")
            media_type, url = head.partition(";")[0], ""
        if data:
            source = {"type": "base64", "media_type": media_type or "image/png", "data": data}
        elif url:
            if not self._dialect.image_urls:
                raise CannotExpressError("an image by URL")
            source = {"type": "url", "url": url}
        else:
            source = self._uploaded(part.file_id)
        return self._marked({"type": "image", "source": source}, part.cache)

    def _file(self, part: File) -> Json:
        if part.text:
            source = {"type": "text", "media_type": "text/plain", "data": part.text}
        elif part.data:
            source = _document(part)
        elif part.url:
            if not self._dialect.image_urls:
                raise CannotExpressError("a file by URL")
            source = {"type": "url", "url": part.url}
        else:
            source = self._uploaded(part.file_id)
        block: Json = {"type": "document", "source": source}
        if part.name:
            block["title"] = part.name
        return self._marked(block, part.cache)

    def _uploaded(self, file_id: str) -> dict[str, str]:
        # An id is known only where it was given out; a client of another wire has one of elsewhere.
        if not self._own or not file_id:
            raise CannotExpressError("a file by its id")
        return {"type": "file", "file_id": file_id}

    def _prefill(self, turns: list[Json]) -> None:
        """Make a last turn of the assistant one that the host goes on with."""
        if not self._dialect.prefill:
            raise CannotExpressError("a last message of the assistant to go on with")
        content = turns[-1]["content"]
        last = content[-1]
        if last.get("type") == "text":
            last["text"] = last["text"].rstrip()


def _ordered(turn: Json) -> str | list[Json]:
    """Return a turn's content: results of tools come before anything else the user said."""
    content: list[Json] = turn["content"]
    if turn["role"] == "user":
        content = sorted(content, key=lambda block: block["type"] != "tool_result")
    return _plain(content)


def _plain(blocks: list[Json]) -> str | list[Json]:
    """Return one unmarked block of text as its text, "" for none, anything else as it is."""
    if not blocks:
        return ""
    only = blocks[0]
    if len(blocks) == 1 and only.get("type") == "text" and "cache_control" not in only:
        return str(only["text"])
    return blocks


def _input(part: ToolCall) -> Any:
    if part.kind == "custom":
        return {"input": part.arguments}
    try:
        found = _decode(part.arguments or "{}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # It was cut by length, or the client changed it: the words are kept as what they are.
        return {"arguments": part.arguments}
    return found if isinstance(found, dict) else {"arguments": found}


def _document(part: File) -> dict[str, str]:
    media_type = part.media_type or PDF
    if media_type == PDF:
        return {"type": "base64", "media_type": PDF, "data": part.data}
    if media_type.startswith("text/") or media_type == "application/json":
        try:
            text = base64.b64decode(part.data, validate=True).decode()
        except (binascii.Error, ValueError):
            raise CannotExpressError("a file of text that is not UTF-8") from None
        return {"type": "text", "media_type": "text/plain", "data": text}
    raise CannotExpressError(f"a file of type {media_type[:64]}")


def _name(part: Part) -> str:
    names = {Audio: "audio", Image: "an image", File: "a file", ToolCall: "a tool call"}
    return names.get(type(part), "a part of another kind")
