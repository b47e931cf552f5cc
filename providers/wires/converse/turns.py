"""The conversation as the Converse wire tells it: a system prompt, then turns that alternate."""

from __future__ import annotations

from typing import Any

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.wires.converse.call_ids import CallIds
from providers.wires.converse.media import Documents, audio, image
from providers.wires.converse.response import NAME, REDACTED, SIGNATURE
from providers.wires.converse.tools import cache_point, takes_cache
from providers.wires.part_names import named
from providers.wires.wire import CannotExpressError

Json = dict[str, Any]

# A conversation must open with the user, and no block may be blank.
OPENING = "(The conversation begins.)"
NO_OUTPUT = "(no output)"

_decode = msgspec.json.Decoder().decode


def turns_of(
    request: ir.Request, dialect: Dialect, *, tools: bool, lost: list[str]
) -> tuple[list[Json], list[Json]]:
    """Return the blocks of ``system`` and the ``messages``. Raises ``CannotExpressError``.

    ``tools`` False: the request declares none, and then the host takes no calls in the history
    either; they are told in words, so that no call can come of a request that wants none.
    """
    writer = _Turns(dialect, tools=tools, lost=lost)
    for message in request.messages:
        writer.add(message)
    return writer.system, writer.whole()


class _Turns:
    """The turns written so far; neighbours of one role become one turn."""

    def __init__(self, dialect: Dialect, *, tools: bool, lost: list[str]) -> None:
        self.system: list[Json] = []
        self._turns: list[Json] = []
        self._dialect = dialect
        self._tools = tools
        self._lost = lost
        self._ids = CallIds(dialect.tool_ids)
        self._names: dict[str, str] = {}
        self._documents = Documents()

    def add(self, message: ir.Message) -> None:
        if message.name:
            self._lost.append("name")
        if message.role in ("system", "developer"):
            self._instruct(message)
        elif message.role == "tool":
            self._results(message)
        elif message.role == "assistant":
            self._say("assistant", self._assistant(message))
        else:
            blocks: list[Json] = []
            for part in message.parts:
                self._user_part(part, blocks)
            self._say("user", blocks)

    def whole(self) -> list[Json]:
        """Return the turns, mended where the wire would refuse them."""
        turns = self._turns
        if not turns or turns[0]["role"] != "user":
            turns.insert(0, {"role": "user", "content": [{"text": OPENING}]})
        for turn in turns:
            blocks = turn["content"]
            names = [block["document"]["name"] for block in blocks if "document" in block]
            if names and not any("text" in block for block in blocks):
                blocks.append({"text": f"Attached: {', '.join(names)}"})
        last = turns[-1]
        if last["role"] == "assistant" and "text" in last["content"][-1]:
            # What the model shall go on from must not end in white space.
            block = last["content"][-1]
            last["content"][-1] = {**block, "text": block["text"].rstrip()}
        return turns

    def _say(self, role: str, blocks: list[Json]) -> None:
        if not blocks:
            return
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"].extend(blocks)
        else:
            self._turns.append({"role": role, "content": blocks})

    def _mark(self, lifetime: str, blocks: list[Json]) -> None:
        if not lifetime:
            return
        if not takes_cache(self._dialect):
            self._lost.append("cache")
        elif blocks:
            blocks.append(cache_point(lifetime))

    def _text(self, part: ir.Text, blocks: list[Json]) -> None:
        if part.text.strip():
            blocks.append({"text": part.text})
        self._mark(part.cache, blocks)

    def _instruct(self, message: ir.Message) -> None:
        blocks: list[Json] = []
        for part in message.parts:
            if not isinstance(part, ir.Text):
                raise CannotExpressError(f"{named(part)} in a system message")
            self._text(part, blocks)
        if not self._turns:
            self.system.extend(blocks)
        elif self._dialect.mid_system:
            self._say("system", blocks)
        else:
            tagged = [
                {"text": f"<system>\n{block['text']}\n</system>"} if "text" in block else block
                for block in blocks
            ]
            self._say("user", tagged)

    def _user_part(self, part: ir.Part, blocks: list[Json]) -> None:
        if isinstance(part, ir.Text):
            self._text(part, blocks)
        elif isinstance(part, ir.Image):
            blocks.append(image(part))
            self._mark(part.cache, blocks)
        elif isinstance(part, ir.File):
            blocks.append(self._documents.block(part))
            self._mark(part.cache, blocks)
        elif isinstance(part, ir.Audio):
            blocks.append(audio(part))
        elif isinstance(part, ir.Trace):
            self._lost.append("history of hosted tools")
        else:
            raise CannotExpressError(f"{named(part)} in a user message")

    def _assistant(self, message: ir.Message) -> list[Json]:
        blocks: list[Json] = []
        for part in message.parts:
            if isinstance(part, ir.Text):
                self._text(part, blocks)
            elif isinstance(part, ir.Refused):
                self._text(ir.Text(part.text), blocks)
            elif isinstance(part, ir.Reasoning):
                blocks.extend(self._reasoning(part))
            elif isinstance(part, ir.ToolCall):
                blocks.append(self._call(part))
                self._mark(part.cache, blocks)
            elif isinstance(part, ir.Trace):
                if part.wire == NAME and isinstance(part.raw, dict) and self._tools:
                    blocks.append(part.raw)
                else:
                    self._lost.append("history of hosted tools")
            else:
                raise CannotExpressError(f"{named(part)} in an assistant message")
        return blocks

    def _reasoning(self, part: ir.Reasoning) -> list[Json]:
        """Return what the issuer wants back; thoughts without its state are of use to nobody."""
        found: list[Json] = []
        for state in part.opaque:
            if state.kind == SIGNATURE:
                readable = {"text": part.text, "signature": state.data}
                found.append({"reasoningContent": {"reasoningText": readable}})
            elif state.kind == REDACTED:
                found.append({"reasoningContent": {"redactedContent": state.data}})
        if not found and part.text and self._dialect.replay_reasoning:
            found.append({"reasoningContent": {"reasoningText": {"text": part.text}}})
        return found

    def _call(self, part: ir.ToolCall) -> Json:
        self._names[part.id] = part.name
        if not self._tools:
            return {"text": f"[call of the tool {part.name}: {part.arguments or '{}'}]"}
        return {
            "toolUse": {
                "toolUseId": self._ids.of_call(part.id),
                "name": part.name,
                "input": input_of(part.arguments),
            }
        }

    def _results(self, message: ir.Message) -> None:
        results: list[Json] = []
        beside: list[Json] = []
        for part in message.parts:
            if not isinstance(part, ir.ToolResult):
                raise CannotExpressError(f"{named(part)} among the results of tools")
            self._result(part, results, beside)
        self._ids.settle()
        self._say("user", results + beside)

    def _result(self, part: ir.ToolResult, results: list[Json], beside: list[Json]) -> None:
        content: list[Json] = []
        pictures: list[Json] = []
        lifetime = part.cache
        for item in part.parts:
            lifetime = lifetime or item.cache
            if isinstance(item, ir.Text):
                if item.text.strip():
                    content.append({"text": item.text})
            elif isinstance(item, ir.File):
                content.append(self._documents.block(item))
            elif self._dialect.tool_result_images and self._tools:
                content.append(image(item))
            else:
                name = part.name or self._names.get(part.call_id, "")
                label = f"result of {name or 'a call'}: image {len(pictures) // 2 + 1}"
                content.append({"text": f"[{label}]"})
                pictures += [{"text": f"[{label}]"}, image(item)]
        beside.extend(pictures)
        if not content:
            content.append({"text": NO_OUTPUT})
        if not self._tools:
            results.extend(self._told(part, content))
        else:
            said: Json = {"toolUseId": self._ids.of_result(part.call_id), "content": content}
            if part.is_error and "status" in self._dialect.refuses:
                content.insert(0, {"text": "Error:"})
            elif part.is_error:
                said["status"] = "error"
            results.append({"toolResult": said})
        self._mark(lifetime, results)

    def _told(self, part: ir.ToolResult, content: list[Json]) -> list[Json]:
        name = part.name or self._names.get(part.call_id, "a tool")
        head = f"[{'error' if part.is_error else 'result'} of the tool {name}]"
        return [{"text": head}, *content]


def input_of(arguments: str) -> Json:
    """Return a call's arguments as the object that the wire wants.

    Words that are no JSON object (a free-form tool's, an answer cut short) go in as one member.
    """
    try:
        value = _decode(arguments) if arguments.strip() else {}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"input": arguments}
