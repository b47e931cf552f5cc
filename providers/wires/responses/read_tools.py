"""Reads the tools of a client's request, which of them must be called, and the answer's form."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from providers.ir import OutputFormat, Tool, ToolChoice
from providers.wires.responses import client_tools
from providers.wires.responses.fields import entries, entry, flag, members, needed, text, wrong
from providers.wires.wire import BadRequestError, Json

WIRE = "responses"
# Switches of single tools that the neutral form has no word for.
SWITCHES = ("defer_loading", "output_schema", "async", "allowed_callers")
CHOICES: Mapping[str, ToolChoice] = MappingProxyType(
    {"auto": ToolChoice("auto"), "none": ToolChoice("none"), "required": ToolChoice("required")}
)


def read_tools(body: Json, path: str, extras: Json) -> list[Tool]:
    """Return the tools under ``tools`` of ``body``; switches without a place go to ``extras``."""
    found: list[Tool] = []
    for at, tool in entries(body, "tools", path):
        found += _tool(tool, at, extras)
    return found


def _tool(tool: Json, path: str, extras: Json) -> list[Tool]:
    kind = needed(tool, "type", path)
    if kind == "namespace":
        return _namespace(tool, path, extras)
    if kind in ("function", "custom"):
        return [_own(tool, kind == "custom", path, extras)]
    run_by_client = client_tools.declared(tool, path)
    if run_by_client is not None:
        return [run_by_client]
    return [Tool(kind, kind="hosted", wire=WIRE, raw=tool)]


def _own(tool: Json, custom: bool, path: str, extras: Json) -> Tool:
    for name in SWITCHES:
        if tool.get(name) not in (None, False, ["direct"]):
            extras[f"tools.{name}"] = tool[name]
    name, words = needed(tool, "name", path), text(tool, "description", path)
    if custom:
        form = members(tool, "format", path)
        grammar = form if form.get("type") not in (None, "text") else None
        return Tool(name, words, kind="custom", format=grammar)
    parameters = members(tool, "parameters", path) or None
    return Tool(name, words, parameters, flag(tool, "strict", path))


def _namespace(tool: Json, path: str, extras: Json) -> list[Tool]:
    group, words = needed(tool, "name", path), text(tool, "description", path)
    found: list[Tool] = []
    for at, inner in entries(tool, "tools", path):
        kind = inner.get("type", "function")
        if kind not in ("function", "custom"):
            raise BadRequestError(f"`{at}.type` must be function or custom", f"{at}.type")
        own = _own(inner, kind == "custom", at, extras)
        said = own.description
        if words and not found:
            # What is said of the group stands with its first tool.
            said = f"{words}\n\n{said}" if said else words
        found.append(Tool(own.name, said, own.parameters, own.strict, own.kind, group, own.format))
    return found


def read_tool_choice(said: Any) -> ToolChoice | None:
    """Return which tools must or may be called; None where the client did not say."""
    if said is None:
        return None
    if isinstance(said, str):
        choice = CHOICES.get(said)
        if choice is None:
            words = "`tool_choice` must be auto, none, required or an object"
            raise BadRequestError(words, "tool_choice")
        return choice
    if not isinstance(said, dict):
        raise wrong("tool_choice", "a string or an object", said)
    kind = needed(said, "type", "tool_choice")
    if kind == "allowed_tools":
        mode: Literal["auto", "required"] = "required" if said.get("mode") == "required" else "auto"
        named = [_named(tool, at) for at, tool in entries(said, "tools", "tool_choice")]
        return ToolChoice(mode, allowed=tuple(named))
    return ToolChoice("named", _named(said, "tool_choice"))


def _named(said: Json, path: str) -> str:
    kind = needed(said, "type", path)
    if kind not in ("function", "custom"):
        return kind
    # Some clients say it as the chat wire does.
    nested = said.get(kind)
    return needed(nested if isinstance(nested, dict) else said, "name", path)


def read_output(said: Any) -> OutputFormat | None:
    """Return the form that ``text.format`` asks for; None where it says nothing."""
    if said is None:
        return None
    form = entry(said, "text.format")
    kind = needed(form, "type", "text.format")
    if kind == "text":
        return OutputFormat("text")
    if kind == "json_object":
        return OutputFormat("json")
    if kind != "json_schema":
        raise BadRequestError(
            "`text.format.type` must be text, json_object or json_schema", "text.format.type"
        )
    schema = form.get("schema")
    if not isinstance(schema, dict):
        raise wrong("text.format.schema", "a JSON schema", schema)
    return OutputFormat(
        "schema",
        schema,
        text(form, "name", "text.format"),
        text(form, "description", "text.format"),
        flag(form, "strict", "text.format"),
    )
