"""Reads a client's request as the neutral form."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from providers.ir import Effort, Message, Request, Text, Thinking
from providers.wires.responses.fields import entry, members, text
from providers.wires.responses.read_items import ItemReader
from providers.wires.responses.read_tools import (
    WIRE,
    read_output,
    read_tool_choice,
    read_tools,
)
from providers.wires.responses.request import check_types
from providers.wires.wire import BadRequestError, Json

STATE = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
EFFORTS: Mapping[str, Effort] = MappingProxyType({word: word for word in get_args(Effort)})
# Read into the neutral form, or consumed by the writer of the answer.
READ = frozenset(
    {
        "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text",
        "reasoning", "max_output_tokens", "temperature", "top_p", "top_logprobs", "stream",
        "metadata", "prompt_cache_key", "safety_identifier", "user", "service_tier", "include",
        "stream_options",
    }
)  # fmt: skip
# Fields that say what holds anyway when they have these values.
IDLE: Mapping[str, Any] = MappingProxyType(
    {"background": False, "truncation": "disabled", "presence_penalty": 0, "frequency_penalty": 0}
)
# The neutral form's fields under this wire's names.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "messages": "input",
        "parallel_tools": "parallel_tool_calls",
        "output": "text.format",
        "thinking": "reasoning",
        "max_output": "max_output_tokens",
        "logprobs": "include",
        "verbosity": "text.verbosity",
        "user": "safety_identifier",
        "cache_key": "prompt_cache_key",
        "cache": "prompt_cache_breakpoint",
    }
)
# Extras that change price, speed, housekeeping or what is shown, but not what is answered.
ADVICE = frozenset(
    {
        "background_options", "client_metadata", "image", "include", "prompt_cache_options",
        "prompt_cache_retention", "reasoning.context", "reasoning.generate_summary", "store",
        "stream_options", "tools.defer_loading", "tools.output_schema", "user",
    }
)  # fmt: skip


def read(body: Json) -> Request:
    """Return a client's body in the neutral form. Raises ``BadRequestError`` naming the fault.

    What an earlier answer holds (``previous_response_id``, ``conversation``, references to items)
    has to be in ``input`` by now; where it is not, the request says something else.
    """
    check_types(body)
    items = ItemReader()
    for at, item in enumerate(_items(body.get("input"))):
        items.add(entry(item, f"input[{at}]"), f"input[{at}]")
    extras = _extras(body)
    messages = items.messages()
    said = text(body, "instructions", "")
    if said:
        messages = (Message("system", (Text(said),)), *messages)
    tools = read_tools(body, "", extras)
    known = {(tool.namespace, tool.name) for tool in tools}
    tools += [tool for tool in items.tools if (tool.namespace, tool.name) not in known]
    form = members(body, "text", "")
    top_logprobs = body.get("top_logprobs")
    wants_logprobs = LOGPROBS in (body.get("include") or ()) or bool(top_logprobs)
    return Request(
        wire=WIRE,
        model=body["model"],
        messages=messages,
        tools=tuple(tools),
        tool_choice=read_tool_choice(body.get("tool_choice")),
        parallel_tools=body.get("parallel_tool_calls"),
        output=read_output(form.get("format")),
        thinking=_thinking(members(body, "reasoning", ""), extras),
        max_output=body.get("max_output_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        logprobs=True if wants_logprobs else None,
        top_logprobs=top_logprobs if wants_logprobs else None,
        verbosity=text(form, "verbosity", "text"),
        user=body.get("safety_identifier") or body.get("user") or "",
        metadata=body.get("metadata"),
        cache_key=body.get("prompt_cache_key") or "",
        service_tier=body.get("service_tier") or "",
        stream=bool(body.get("stream")),
        extras={**extras, **items.extras},
    )


def _items(said: Any) -> list[Any]:
    if isinstance(said, str):
        return [{"role": "user", "content": said}]
    return said or []


def _extras(body: Json) -> Json:
    found = {
        name: value
        for name, value in body.items()
        if name not in READ
        and value not in (None, {}, [])
        and IDLE.get(name, value is None) != value
    }
    identifier, user = body.get("safety_identifier"), body.get("user")
    if identifier and user and identifier != user:
        found["user"] = user
    if (body.get("stream_options") or {}).get("include_obfuscation"):
        found["stream_options"] = body["stream_options"]
    rest = [word for word in body.get("include") or () if word not in (LOGPROBS, STATE)]
    if rest:
        found["include"] = rest
    form = body.get("text") or {}
    found.update(
        {f"text.{name}": form[name] for name in form if name not in ("format", "verbosity")}
    )
    return found


def _thinking(said: Json, extras: Json) -> Thinking | None:
    for name, idle in (("mode", "standard"), ("context", "auto")):
        if said.get(name) not in (None, idle):
            extras[f"reasoning.{name}"] = said[name]
    word = text(said, "effort", "reasoning")
    effort = EFFORTS.get(word)
    if word and effort is None:
        words = f"`reasoning.effort` must be one of {', '.join(EFFORTS)}"
        raise BadRequestError(words, "reasoning.effort")
    summary = said.get("summary") or said.get("generate_summary")
    if effort is None and not summary:
        return None
    return Thinking(effort=effort, show=True if summary else None)
