"""Tools that only some wires have, as functions for the others, and back in the answer.

A custom tool takes free text: elsewhere it is a function with one string, ``input``. A group of
tools is a namespace: elsewhere each of its tools has the group's name before its own. The answer's
calls are turned back as they come, fragment by fragment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import replace

from providers import ir
from providers.unescape import StringReader

NAME_MAX_CHARS = 64
JOINT = "__"
INPUT = "input"
GRAMMAR_MAX_CHARS = 20_000
_ODD_SIGNS = re.compile(r"[^A-Za-z0-9_-]")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Names:
    """What the host's names of functions stand for.

    ``custom`` are functions in the place of custom tools; ``flat`` leads to the namespace and the
    name of a tool that the client declared in a group.
    """

    custom: frozenset[str]
    flat: Mapping[str, tuple[str, str]]


def without_custom_tools(request: ir.Request) -> tuple[ir.Request, Names | None]:
    """Return ``request`` with functions alone, and what they stand for; None where it had no other.

    The history's calls are put in the same way, whether or not their tools are still declared.
    """
    calls = [
        part
        for message in request.messages
        for part in message.parts
        if isinstance(part, ir.ToolCall)
    ]
    both: list[ir.Tool | ir.ToolCall] = [*request.tools, *calls]
    odd = [item for item in both if item.namespace or item.kind == "custom"]
    if not odd:
        return request, None
    flat = _flat_names(both)
    custom = frozenset(
        flat.get((item.namespace, item.name), item.name) for item in odd if item.kind == "custom"
    )
    names = Names(custom, {theirs: ours for ours, theirs in flat.items()})
    by_id = {call.id: flat.get((call.namespace, call.name), call.name) for call in calls}
    return (
        replace(
            request,
            tools=tuple([_tool(tool, flat) for tool in request.tools]),
            messages=tuple([_message(message, flat, by_id) for message in request.messages]),
            tool_choice=_choice(request.tool_choice, flat),
        ),
        names,
    )


def _flat_names(both: list[ir.Tool | ir.ToolCall]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    taken = {item.name for item in both if not item.namespace}
    for item in both:
        at = (item.namespace, item.name)
        if item.namespace and at not in found:
            found[at] = _flat(item.namespace, item.name, taken)
            taken.add(found[at])
    return found


def _flat(namespace: str, name: str, taken: set[str]) -> str:
    # Always the same for the same tool, so that a conversation sent again is the same one.
    whole = _ODD_SIGNS.sub("_", f"{namespace}{JOINT}{name}")
    if len(whole) <= NAME_MAX_CHARS and whole not in taken:
        return whole
    mark = sha256(f"{namespace}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{whole[: NAME_MAX_CHARS - len(mark) - 1]}_{mark}"


def _tool(tool: ir.Tool, flat: Mapping[tuple[str, str], str]) -> ir.Tool:
    if tool.kind == "hosted":
        return tool
    name = flat.get((tool.namespace, tool.name), tool.name)
    if tool.kind == "custom":
        schema = {
            "type": "object",
            "properties": {INPUT: {"type": "string", "description": "the whole input, as text"}},
            "required": [INPUT],
            "additionalProperties": False,
        }
        words = "\n\n".join([said for said in (tool.description, _grammar(tool.format)) if said])
        return ir.Tool(name, words, schema, cache=tool.cache)
    return replace(tool, name=name, namespace="")


def _grammar(form: ir.Json | None) -> str:
    # Nothing keeps the model to it now; it can still read it.
    inner = form.get("grammar", form) if form is not None else None
    definition = inner.get("definition") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(definition, str):
        return ""
    if len(definition) > GRAMMAR_MAX_CHARS:
        return ""
    syntax = inner.get("syntax")
    kind = f"{syntax} grammar" if isinstance(syntax, str) else "grammar"
    return f"`{INPUT}` must follow this {kind}:\n{definition}"


def _choice(
    choice: ir.ToolChoice | None, flat: Mapping[tuple[str, str], str]
) -> ir.ToolChoice | None:
    if choice is None or not flat:
        return choice
    # A choice names a tool without its group.
    by_name = {name: theirs for (_, name), theirs in flat.items()}
    return replace(
        choice,
        name=by_name.get(choice.name, choice.name),
        allowed=tuple([by_name.get(name, name) for name in choice.allowed]),
    )


def _message(
    message: ir.Message, flat: Mapping[tuple[str, str], str], by_id: Mapping[str, str]
) -> ir.Message:
    if message.role not in ("assistant", "tool"):
        return message
    parts: list[ir.Part] = []
    for part in message.parts:
        if isinstance(part, ir.ToolCall):
            written = part.arguments
            if part.kind == "custom":
                written = _encode({INPUT: written}).decode()
            name = flat.get((part.namespace, part.name), part.name)
            parts.append(replace(part, name=name, arguments=written, kind="function", namespace=""))
        elif isinstance(part, ir.ToolResult):
            name = by_id.get(part.call_id, part.name)
            parts.append(replace(part, name=name, kind="function"))
        else:
            parts.append(part)
    return replace(message, parts=tuple(parts))


class Emulated:
    """Turns the calls of one answer back into what the client declared."""

    __slots__ = ("_names", "_open")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._open: dict[tuple[int, int], StringReader] = {}

    def events(self, events: Iterable[ir.Event]) -> list[ir.Event]:
        """Return clean events with the client's own tools in them."""
        out: list[ir.Event] = []
        for event in events:
            if isinstance(event, ir.ToolStart):
                out.append(self._start(event))
            elif isinstance(event, ir.ToolDelta) and self._open:
                self._more(event, out)
            elif isinstance(event, ir.ToolEnd) and self._open:
                self._end(event, out)
            else:
                out.append(event)
        return out

    def answer(self, answer: ir.Answer) -> ir.Answer:
        """Return a whole answer with the client's own tools in it."""
        choices = [
            replace(
                choice,
                parts=tuple(
                    [
                        self._call(part) if isinstance(part, ir.ToolCall) else part
                        for part in choice.parts
                    ]
                ),
            )
            for choice in answer.choices
        ]
        return replace(answer, choices=tuple(choices))

    def _start(self, event: ir.ToolStart) -> ir.ToolStart:
        namespace, name = self._names.flat.get(event.name, (event.namespace, event.name))
        if event.name not in self._names.custom:
            return replace(event, name=name, namespace=namespace)
        self._open[(event.choice, event.index)] = StringReader(INPUT)
        return replace(event, name=name, namespace=namespace, kind="custom")

    def _more(self, event: ir.ToolDelta, out: list[ir.Event]) -> None:
        reader = self._open.get((event.choice, event.index))
        if reader is None:
            out.append(event)
        elif words := reader.read(event.arguments):
            out.append(replace(event, arguments=words))

    def _end(self, event: ir.ToolEnd, out: list[ir.Event]) -> None:
        reader = self._open.pop((event.choice, event.index), None)
        if reader is None:
            out.append(event)
            return
        given = "".join(reader.given)
        whole = _input_of(event.arguments, given)
        # What has been given cannot be taken back: an object that says it twice says it once.
        whole = whole if whole.startswith(given) else given
        if len(whole) > len(given):
            out.append(ir.ToolDelta(event.index, whole[len(given) :], event.choice))
        out.append(replace(event, arguments=whole))

    def _call(self, part: ir.ToolCall) -> ir.ToolCall:
        namespace, name = self._names.flat.get(part.name, (part.namespace, part.name))
        if part.name not in self._names.custom:
            return replace(part, name=name, namespace=namespace)
        reader = StringReader(INPUT)
        written = _input_of(part.arguments, reader.read(part.arguments))
        return replace(part, name=name, namespace=namespace, kind="custom", arguments=written)


def _input_of(arguments: str, given: str) -> str:
    """Return the text in a call's arguments; ``given`` is what of it has been read where cut."""
    try:
        said: Any = _decode(arguments.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return given
    if isinstance(said, dict):
        found = said.get(INPUT)
        if found is None and len(said) == 1:
            # The model called it by another name.
            found = next(iter(said.values()))
        if isinstance(found, str):
            return found
        return "" if not said else arguments
    return said if isinstance(said, str) else arguments
