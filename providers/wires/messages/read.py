"""Reads a client's request into the neutral form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from providers import ir
from providers.ir import (
    File,
    Image,
    Message,
    OutputFormat,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from providers.wires.messages.blocks import (
    WIRE,
    assistant_parts,
    blocks_at,
    cache_of,
    user_parts,
    words_of,
)
from providers.wires.messages.fields import (
    a_flag,
    a_text,
    a_text_or_none,
    an_object,
    wrong,
)
from providers.wires.messages.state import attached
from providers.wires.messages.thinking import thinking_of
from providers.wires.wire import BadRequestError, Json

NUMBER = (int, float)
# Top-level fields that are read here, with their types; all others are extras.
TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "model": ((str,), "a string"),
    "messages": ((list,), "a list of messages"),
    "max_tokens": ((int,), "a whole number"),
    "system": ((str, list), "a string or a list of text blocks"),
    "stream": ((bool,), "true or false"),
    "temperature": (NUMBER, "a number"),
    "top_p": (NUMBER, "a number"),
    "top_k": ((int,), "a whole number"),
    "stop_sequences": ((list,), "a list of strings"),
    "tools": ((list,), "a list of tools"),
    "tool_choice": ((dict,), "an object"),
    "thinking": ((dict,), "an object"),
    "output_config": ((dict,), "an object"),
    "output_format": ((dict,), "an object"),
    "metadata": ((dict,), "an object"),
    "service_tier": ((str,), "a string"),
    "cache_control": ((dict,), "an object"),
}
# From a field of ``ir.Request`` to this wire's name for it, where they differ.
NAMES: Mapping[str, str] = {
    "max_output": "max_tokens",
    "stop": "stop_sequences",
    "output": "output_config.format",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
    "user": "metadata.user_id",
    "cache": "cache_control",
}
# Extras that say who asks, how fast, or what to tell beside the answer: none changes its meaning.
ADVICE = frozenset(
    {
        "context_management", "diagnostics", "speed", "user_profile_id", "workspace_id",
        "output_config.effort",
        "tools.defer_loading", "tools.eager_input_streaming", "tools.input_examples",
    }
)  # fmt: skip
MODES: Mapping[str, Any] = {"auto": "auto", "any": "required", "tool": "named", "none": "none"}
# What a tool may say beside the fields of ``ir.Tool``.
TOOL_EXTRAS = ("defer_loading", "eager_input_streaming", "input_examples", "allowed_callers")


def check_types(body: Json) -> None:
    """Raise ``BadRequestError`` where a field that is read here has the wrong type."""
    for name in body.keys() & TYPES.keys():
        value = body[name]
        if value is None:
            continue
        types, words = TYPES[name]
        # bool is an int to Python, but not to any host.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise wrong(name, words, value)
        if name == "max_tokens" and isinstance(value, int) and value < 0:
            raise BadRequestError(f"`{name}` must be at least 0, not {value}", name)


def read(body: Json) -> ir.Request:
    """Return the request in the neutral form. Raises ``BadRequestError`` naming the fault."""
    check_types(body)
    extras = {
        name: value for name, value in body.items() if name not in TYPES and value is not None
    }
    config = body.get("output_config") or {}
    for name, value in config.items():
        if name not in ("effort", "format") and value is not None:
            extras[f"output_config.{name}"] = value
    thinking = thinking_of(body)
    if thinking is not None and thinking.effort == "none" and config.get("effort"):
        extras["output_config.effort"] = config["effort"]
    messages = _messages(body, extras)
    metadata = body.get("metadata") or {}
    others = {name: value for name, value in metadata.items() if name != "user_id"}
    choice, parallel = _tool_choice(body.get("tool_choice"))
    return ir.Request(
        wire=WIRE,
        model=body.get("model") or "",
        messages=tuple(messages),
        tools=tuple(_tools(body.get("tools") or [], extras)),
        tool_choice=choice,
        parallel_tools=parallel,
        output=_output(body),
        thinking=thinking,
        max_output=body.get("max_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=tuple(_stops(body.get("stop_sequences") or [])),
        user=a_text_or_none(metadata, "user_id", "metadata"),
        metadata=others or None,
        service_tier=body.get("service_tier") or "",
        stream=bool(body.get("stream")),
        extras=extras,
    )


def _messages(body: Json, extras: Json) -> list[Message]:
    messages: list[Message] = []
    if body.get("system"):
        messages.append(_system(body["system"], "system"))
    given = body.get("messages")
    if not given:
        raise BadRequestError("`messages` must have at least one message", "messages")
    names: dict[str, str] = {}
    for place, message in enumerate(given):
        path = f"messages[{place}]"
        _message(an_object(message, path), path, messages, names, extras)
    if body.get("cache_control"):
        # It marks the last block that can be cached.
        _mark_last(messages, cache_of(body, ""))
    return messages


def _message(
    message: Json, path: str, messages: list[Message], names: dict[str, str], extras: Json
) -> None:
    role, content = message.get("role"), message.get("content")
    path_of = f"{path}.content"
    if role == "assistant":
        parts = attached(assistant_parts(content, path_of, extras))
        names.update({part.id: part.name for part in parts if isinstance(part, ToolCall)})
        messages.append(Message("assistant", parts))
    elif role == "user":
        results, rest = user_parts(content, path_of, extras)
        named = [replace(result, name=names.get(result.call_id, "")) for result in results]
        _add_results(messages, named)
        if rest or not results:
            messages.append(Message("user", tuple(rest)))
    elif role == "system":
        messages.append(_system(content, path_of))
    else:
        raise BadRequestError(f"`{path}.role` must be user, assistant or system", f"{path}.role")


def _add_results(messages: list[Message], results: list[ToolResult]) -> None:
    """Put results into the one message of their turn: right after the assistant's, before all."""
    if not results:
        return
    last = next(
        (at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "assistant"), None
    )
    after = len(messages) if last is None else last + 1
    if after < len(messages) and messages[after].role == "tool":
        before = messages[after]
        messages[after] = replace(before, parts=(*before.parts, *results))
    else:
        messages.insert(after, Message("tool", tuple(results)))


def _system(content: Any, path: str) -> Message:
    parts: list[Part] = []
    for place, block in enumerate(blocks_at(content, path)):
        where = f"{path}[{place}]"
        if block.get("type") != "text":
            raise BadRequestError(f"`{where}.type` must be text", f"{where}.type")
        parts += [
            part
            for part in words_of(block, where, {})
            if not (isinstance(part, Text) and _is_bookkeeping(part.text))
        ]
    return Message("system", tuple(parts))


def _is_bookkeeping(text: str) -> bool:
    """Whether a block is a coding agent's account line, which changes with every call.

    It stands before the prompt, reads like a header (``x-…-billing-header: …``), and would keep
    every other host from caching what follows.
    """
    return text.startswith("x-") and "\n" not in text.strip() and "-billing-header:" in text[:64]


def _mark_last(messages: list[Message], cache: str) -> None:
    for at in range(len(messages) - 1, -1, -1):
        parts = messages[at].parts
        last = parts[-1] if parts else None
        if isinstance(last, Text | Image | File | ToolCall | ToolResult):
            marked = replace(last, cache=last.cache or cache)
            messages[at] = replace(messages[at], parts=(*parts[:-1], marked))
            return


def _tools(given: list[Any], extras: Json) -> list[Tool]:
    tools = []
    for place, one in enumerate(given):
        path = f"tools[{place}]"
        tool = an_object(one, path)
        kind = a_text_or_none(tool, "type", path)
        if kind not in ("", "custom"):
            name = a_text_or_none(tool, "name", path) or kind
            tools.append(Tool(name, kind="hosted", wire=WIRE, raw=tool))
            continue
        for name in TOOL_EXTRAS:
            if tool.get(name) and tool[name] != ["direct"]:
                extras[f"tools.{name}"] = tool[name]
        tools.append(
            Tool(
                name=a_text(tool, "name", path),
                description=a_text_or_none(tool, "description", path),
                parameters=an_object(tool.get("input_schema"), f"{path}.input_schema"),
                strict=a_flag(tool, "strict", path),
                cache=cache_of(tool, path),
            )
        )
    return tools


def _tool_choice(said: Json | None) -> tuple[ToolChoice | None, bool | None]:
    if said is None:
        return None, None
    kind = said.get("type")
    mode = MODES.get(kind) if isinstance(kind, str) else None
    if mode is None:
        raise BadRequestError(
            "`tool_choice.type` must be auto, any, tool or none", "tool_choice.type"
        )
    name = a_text(said, "name", "tool_choice") if mode == "named" else ""
    one = a_flag(said, "disable_parallel_tool_use", "tool_choice")
    return ToolChoice(mode, name), None if one is None else not one


def _output(body: Json) -> OutputFormat | None:
    path = "output_config.format"
    said = (body.get("output_config") or {}).get("format")
    if said is None:
        # The field's name while it was new; clients of that time still send it.
        path, said = "output_format", body.get("output_format")
    if said is None:
        return None
    form = an_object(said, path)
    if form.get("type") != "json_schema":
        raise BadRequestError(f"`{path}.type` must be json_schema", f"{path}.type")
    schema = an_object(form.get("schema"), f"{path}.schema")
    return OutputFormat("schema", schema, strict=True)


def _stops(given: list[Any]) -> list[str]:
    for place, one in enumerate(given):
        if not isinstance(one, str):
            raise wrong(f"stop_sequences[{place}]", "a string", one)
    return given
