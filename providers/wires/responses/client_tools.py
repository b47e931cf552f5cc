"""Tools of this wire that the client runs itself, though they are declared by a type alone.

A model behind another wire knows them as functions of the same name: here is what they look like as
functions, and how their calls and results go into functions and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from providers.ir import Tool
from providers.wires.responses.fields import members, text
from providers.wires.wire import BadRequestError, Json

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_STRINGS = {"type": "array", "items": {"type": "string"}}
_WHOLE = {"type": "integer"}


def _object(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": required}


_FUNCTIONS: Mapping[str, tuple[str, Json]] = MappingProxyType(
    {
        "local_shell": (
            "Runs one command on the user's machine and returns its output.",
            _object(
                ["command"],
                command={**_STRINGS, "description": "the program and its arguments"},
                working_directory={"type": "string"},
                timeout_ms=_WHOLE,
                env={"type": "object", "additionalProperties": {"type": "string"}},
            ),
        ),
        "shell": (
            "Runs commands in the user's shell and returns what each printed.",
            _object(["commands"], commands=_STRINGS, timeout_ms=_WHOLE, max_output_length=_WHOLE),
        ),
        "apply_patch": (
            "Creates, changes or deletes one file by a diff.",
            _object(
                ["type", "path"],
                type={"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                path={"type": "string"},
                diff={"type": "string", "description": "the change in V4A form; none to delete"},
            ),
        ),
    }
)
SEARCH = "tool_search"
# Item types of calls and of their results, and the name of the tool.
CALLS: Mapping[str, str] = MappingProxyType(
    {
        "local_shell_call": "local_shell",
        "shell_call": "shell",
        "apply_patch_call": "apply_patch",
        "tool_search_call": SEARCH,
    }
)
OUTPUTS: Mapping[str, str] = MappingProxyType(
    {
        "local_shell_call_output": "local_shell",
        "shell_call_output": "shell",
        "apply_patch_call_output": "apply_patch",
        "tool_search_output": SEARCH,
    }
)


def declared(tool: Json, path: str) -> Tool | None:
    """Return a declaration as a function; None where its host runs it or the type is another."""
    kind = tool.get("type")
    if kind == SEARCH:
        if tool.get("execution") != "client":
            return None
        schema = members(tool, "parameters", path) or _object(["query"], query={"type": "string"})
        words = text(tool, "description", path) or "Finds further tools."
        return Tool(SEARCH, words, schema)
    found = _FUNCTIONS.get(kind) if isinstance(kind, str) else None
    if found is None:
        return None
    place = members(tool, "environment", path).get("type", "local")
    return Tool(str(kind), *found) if place == "local" else None


def is_hosted(item: Json) -> bool:
    """Whether a call or a result of these types was the host's own work."""
    if item.get("type") in ("tool_search_call", "tool_search_output"):
        return item.get("execution") != "client"
    environment = item.get("environment")
    return isinstance(environment, dict) and environment.get("type") not in (None, "local")


def arguments(item: Json, path: str) -> str:
    """Return what a call's item says as the arguments of the function."""
    kind = item.get("type")
    if kind == "tool_search_call":
        said: Any = item.get("arguments")
    else:
        said = item.get("operation" if kind == "apply_patch_call" else "action")
    if isinstance(said, str):
        return said or "{}"
    if not isinstance(said, dict):
        raise BadRequestError(f"`{path}` says nothing of what was called", path)
    if kind == "local_shell_call":
        said = {name: value for name, value in said.items() if name != "type" and value}
    return _encode({name: value for name, value in said.items() if value is not None}).decode()


def result(item: Json) -> str:
    """Return what a result's item says as text."""
    said = item.get("tools" if item.get("type") == "tool_search_output" else "output")
    if isinstance(said, str):
        return said
    return "" if said is None else _encode(said).decode()


def call_item(name: str, written: str) -> Json | None:
    """Return the members that a call of the tool ``name`` has on this wire beside ids and status.

    None where no tool of these has that name. What the model wrote is not trusted to fit.
    """
    kind = next((kind for kind, tool in CALLS.items() if tool == name), None)
    if kind is None:
        return None
    try:
        said = _decode(written.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    if kind == "tool_search_call":
        return {"type": kind, "execution": "client", "arguments": said}
    if kind == "apply_patch_call":
        return {"type": kind, "operation": {"type": "update_file", "path": "", **said}}
    if kind == "shell_call":
        limits = {"timeout_ms": None, "max_output_length": None}
        commands = _strings(said.get("commands"))
        return {"type": kind, "action": {**limits, **said, "commands": commands}}
    action = {"env": {}, **said, "type": "exec", "command": _strings(said.get("command"))}
    return {"type": kind, "action": action}


def _strings(said: Any) -> list[str]:
    if isinstance(said, str):
        return [said]
    return [part for part in said if isinstance(part, str)] if isinstance(said, list) else []
