"""Tools and the choice among them as the Converse wire says it."""

from __future__ import annotations

from typing import Any

from providers import ir
from providers.dialect import Dialect
from providers.schemas import lower

Json = dict[str, Any]

PROFILE = "converse"


def cache_point(lifetime: str) -> Json:
    """Return the mark that ends a prefix to cache; five minutes is what it means unsaid."""
    point = {"type": "default"}
    if lifetime == "1h":
        point["ttl"] = lifetime
    return {"cachePoint": point}


def takes_cache(dialect: Dialect) -> bool:
    """Whether the model takes marks of prefixes to cache."""
    return "cachePoint" not in dialect.refuses


def usable(request: ir.Request, lost: list[str]) -> tuple[ir.Tool, ...]:
    """Return the tools that may be called and can be said; none where the client wants no call."""
    choice = request.tool_choice
    if choice is not None and choice.mode == "none":
        return ()
    found = []
    for tool in request.tools:
        if tool.kind != "function":
            # A custom tool has been made a function before it comes here.
            lost.append(f"tools.{tool.name}")
        elif choice is None or not choice.allowed or tool.name in choice.allowed:
            found.append(tool)
    return tuple(found)


def tool_config(
    request: ir.Request, tools: tuple[ir.Tool, ...], dialect: Dialect, lost: list[str]
) -> Json:
    """Return ``toolConfig`` for ``tools``, of which there is at least one."""
    choice = _choice(request.tool_choice, dialect, lost)
    if choice is not None and "tool" in choice and not dialect.named_tools:
        # Only that one stands there to be chosen, which comes to the same.
        named = choice["tool"]["name"]
        tools = tuple([tool for tool in tools if tool.name == named]) or tools
        choice = {"any": {}}
    listed: list[Json] = []
    for tool in tools:
        listed.append({"toolSpec": _spec(tool, dialect, lost)})
        if tool.cache:
            if takes_cache(dialect):
                listed.append(cache_point(tool.cache))
            else:
                lost.append("cache")
    return {"tools": listed, **({"toolChoice": choice} if choice is not None else {})}


def is_forced(request: ir.Request, dialect: Dialect) -> bool:
    """Whether the host will be told that a tool must be called."""
    choice = request.tool_choice
    return choice is not None and choice.mode in ("required", "named") and dialect.forced_tools


def _choice(choice: ir.ToolChoice | None, dialect: Dialect, lost: list[str]) -> Json | None:
    if choice is None:
        return None
    if choice.mode in ("required", "named") and not dialect.forced_tools:
        lost.append("tool_choice")
        return None
    if choice.mode == "named":
        return {"tool": {"name": choice.name}}
    return {"any": {}} if choice.mode == "required" else {"auto": {}}


def _spec(tool: ir.Tool, dialect: Dialect, lost: list[str]) -> Json:
    schema = tool.parameters or {"type": "object", "properties": {}}
    strict = bool(tool.strict)
    if strict and "strict" in dialect.refuses:
        lost.append("strict")
        strict = False
    profile = dialect.schema_profile or (PROFILE if strict else "")
    if profile:
        schema, _ = lower(schema, profile)
    spec: Json = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": schema}
    if strict:
        spec["strict"] = True
    return spec
