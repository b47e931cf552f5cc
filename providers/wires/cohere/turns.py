"""The conversation as the Cohere v2 wire tells it."""

from __future__ import annotations

from typing import Any

from providers import ir
from providers.dialect import Dialect
from providers.wires.chat.callids import CallIds
from providers.wires.part_names import named
from providers.wires.wire import CannotExpressError

Json = dict[str, Any]

DETAILS = frozenset({"auto", "low", "high"})


def turns_of(request: ir.Request, dialect: Dialect, lost: list[str]) -> list[Json]:
    """Return ``messages``. Raises ``CannotExpressError`` for what the wire has no part for."""
    writer = _Turns(dialect, lost)
    for message in request.messages:
        writer.add(message)
    writer.settle()
    return writer.turns


class _Turns:
    """The messages written so far; pictures of results wait until all results of a turn are in."""

    def __init__(self, dialect: Dialect, lost: list[str]) -> None:
        self.turns: list[Json] = []
        self._dialect = dialect
        self._lost = lost
        self._ids = CallIds(dialect.tool_ids)
        self._names: dict[str, str] = {}
        self._beside: list[Json] = []

    def add(self, message: ir.Message) -> None:
        if message.name:
            self._lost.append("name")
        if message.role == "tool":
            for part in message.parts:
                if not isinstance(part, ir.ToolResult):
                    raise CannotExpressError(f"{named(part)} among the results of tools")
                self._result(part)
            return
        if message.role == "user":
            content = self._user(message)
            # What results showed goes in front of the user's own words.
            content, self._beside = self._beside + content, []
            if content:
                self.turns.append({"role": "user", "content": _plain(content)})
            return
        self.settle()
        if message.role == "assistant":
            self._assistant(message)
        else:
            self._instruct(message)

    def settle(self) -> None:
        """Write the pictures that wait as a message of their own."""
        if self._beside:
            self.turns.append({"role": "user", "content": self._beside})
            self._beside = []

    def _instruct(self, message: ir.Message) -> None:
        texts = []
        for part in message.parts:
            if not isinstance(part, ir.Text):
                raise CannotExpressError(f"{named(part)} in a system message")
            self._marked(part)
            if part.text:
                texts.append({"type": "text", "text": part.text})
        if texts:
            self.turns.append({"role": "system", "content": _plain(texts)})

    def _marked(self, part: ir.Text | ir.Image | ir.File | ir.ToolCall | ir.ToolResult) -> None:
        if part.cache:
            self._lost.append("cache")

    def _user(self, message: ir.Message) -> list[Json]:
        content: list[Json] = []
        for part in message.parts:
            if isinstance(part, ir.Text | ir.Image | ir.File):
                self._marked(part)
            if isinstance(part, ir.Text):
                if part.text:
                    content.append({"type": "text", "text": part.text})
            elif isinstance(part, ir.Image):
                content.append(self._image(part))
            elif isinstance(part, ir.File):
                content.append({"type": "text", "text": _document(part)})
            elif isinstance(part, ir.Trace):
                self._lost.append("history of hosted tools")
            else:
                raise CannotExpressError(f"{named(part)} in a user message")
        return content

    def _image(self, part: ir.Image) -> Json:
        if part.data:
            url = f"data:{part.media_type or 'image/png'};base64,{part.data}"
        elif part.url and self._dialect.image_urls:
            url = part.url
        else:
            raise CannotExpressError("an image by URL" if part.url else "an image by a file's id")
        said = {"url": url}
        if part.detail in DETAILS:
            said["detail"] = part.detail
        return {"type": "image_url", "image_url": said}

    def _assistant(self, message: ir.Message) -> None:
        content: list[Json] = []
        calls: list[Json] = []
        thoughts: list[str] = []
        for part in message.parts:
            if isinstance(part, ir.Text):
                self._marked(part)
                if part.text:
                    content.append({"type": "text", "text": part.text})
            elif isinstance(part, ir.Refused):
                content.append({"type": "text", "text": part.text})
            elif isinstance(part, ir.Reasoning):
                if part.text:
                    thoughts.append(part.text)
            elif isinstance(part, ir.ToolCall):
                self._marked(part)
                calls.append(self._call(part))
            elif isinstance(part, ir.Trace):
                self._lost.append("history of hosted tools")
            else:
                raise CannotExpressError(f"{named(part)} in an assistant message")
        turn: Json = {"role": "assistant"}
        if thoughts and self._dialect.replay_reasoning == "thinking":
            content = [{"type": "thinking", "thinking": text} for text in thoughts] + content
        elif thoughts and calls:
            # In a turn that called tools the thoughts are the plan, whatever they were elsewhere.
            turn["tool_plan"] = "\n\n".join(thoughts)
        if content:
            turn["content"] = _plain(content)
        if calls:
            turn["tool_calls"] = calls
        if content or calls:
            self.turns.append(turn)

    def _call(self, part: ir.ToolCall) -> Json:
        self._names[part.id] = part.name
        arguments = part.arguments if part.arguments.strip() else "{}"
        return {
            "id": self._ids.theirs(part.id),
            "type": "function",
            "function": {"name": part.name, "arguments": arguments},
        }

    def _result(self, part: ir.ToolResult) -> None:
        self._marked(part)
        content: list[Json] = []
        pictures = 0
        for item in part.parts:
            self._marked(item)
            if isinstance(item, ir.Text):
                content.append({"type": "text", "text": item.text})
            elif isinstance(item, ir.File):
                content.append({"type": "text", "text": _document(item)})
            else:
                pictures += 1
                name = part.name or self._names.get(part.call_id, "") or "a tool"
                label = {"type": "text", "text": f"[result of {name}: image {pictures}]"}
                content.append(label)
                self._beside += [label, self._image(item)]
        if part.is_error:
            content.insert(0, {"type": "text", "text": "Error: "})
        self.turns.append(
            {
                "role": "tool",
                "tool_call_id": self._ids.theirs(part.call_id),
                "content": "".join([item["text"] for item in content]),
            }
        )


def _plain(content: list[Json]) -> str | list[Json]:
    """Return a single text as a string, which every model takes; anything else as it is."""
    if len(content) == 1 and content[0]["type"] == "text":
        return str(content[0]["text"])
    return content


def _document(part: ir.File) -> str:
    """Return a document as text. Raises ``CannotExpressError`` for one that is none."""
    if not part.text:
        raise CannotExpressError(f"a file of the type {part.media_type or 'unknown'}")
    head = f"[file {part.name}]\n" if part.name else ""
    return head + part.text
