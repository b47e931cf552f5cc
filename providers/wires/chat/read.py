"""Reads a client's chat request into the neutral form."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from providers import ir
from providers.wires.chat.checks import check, flag_at, object_at, objects_at, text_at
from providers.wires.chat.marks import cache_of
from providers.wires.chat.read_messages import read_messages
from providers.wires.wire import BadRequestError, Json

# Field of ``ir.Request`` -> the client's name for it, where that is another.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "max_output": "max_completion_tokens",
        "parallel_tools": "parallel_tool_calls",
        "output": "response_format",
        "thinking": "reasoning_effort",
        "cache_key": "prompt_cache_key",
        "cache": "cache_control",
    }
)
# What else a client may say that changes price, speed or housekeeping but no meaning.
ADVICE = frozenset(
    {
        "store",
        "prediction",
        "prompt_cache_retention",
        "prompt_cache_options",
        "cache_prompt",
        "keep_alive",
        "usage",
        "include_reasoning",
        "tool_stream",
        "timings_per_token",
        "return_progress",
    }
)
EFFORTS: tuple[ir.Effort, ...] = get_args(ir.Effort)
# Fields that go over as they are, but for the type that ``checks`` has seen to.
SAME = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
    "top_logprobs",
    "metadata",
)
TEXTS = {"verbosity": "verbosity", "prompt_cache_key": "cache_key", "service_tier": "service_tier"}
# Read here; whatever else has a value is an extra.
KNOWN = frozenset(
    {
        *SAME,
        *TEXTS,
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "user",
        "safety_identifier",
        "tools",
        "functions",
        "tool_choice",
        "function_call",
        "parallel_tool_calls",
        "response_format",
    }
)


def read(body: Json) -> ir.Request:
    """Return a body in the neutral form. Raises ``BadRequestError`` naming the field at fault."""
    check(body)
    extras = {name: v for name, v in body.items() if name not in KNOWN and v is not None}
    fields: dict[str, Any] = {name: body[name] for name in SAME if body.get(name) is not None}
    for name, ours in TEXTS.items():
        fields[ours] = text_at(body, name, "")
    if extras.get("modalities") == ["text"]:
        del extras["modalities"]
    if _is_count(extras.get("top_k")):
        fields["top_k"] = extras.pop("top_k", None)
    _probabilities(extras, fields)
    return ir.Request(
        wire="chat",
        model=body["model"],
        messages=read_messages(body["messages"]),
        tools=_tools(body),
        tool_choice=_tool_choice(body),
        parallel_tools=body.get("parallel_tool_calls"),
        output=_output(body, extras),
        thinking=_thinking(extras),
        max_output=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=_stop(body.get("stop")),
        n=body.get("n") or 1,
        user=text_at(body, "safety_identifier", "") or text_at(body, "user", ""),
        stream=bool(body.get("stream")),
        extras=extras,
        **fields,
    )


def _probabilities(extras: Json, fields: dict[str, Any]) -> None:
    said = extras.get("logprobs")
    if isinstance(said, bool):
        fields["logprobs"] = extras.pop("logprobs")
    elif said is not None and _is_count(said):
        # Some hosts take how many are wanted in its place.
        fields["logprobs"] = bool(extras.pop("logprobs"))
        fields.setdefault("top_logprobs", said or None)


def _stop(said: Any) -> tuple[str, ...]:
    if said is None:
        return ()
    words = [said] if isinstance(said, str) else said
    for index, word in enumerate(words):
        if not isinstance(word, str):
            raise BadRequestError(f"`stop[{index}]` must be a string", f"stop[{index}]")
    return tuple(word for word in words if word)


def _tools(body: Json) -> tuple[ir.Tool, ...]:
    found = []
    for path, said in objects_at(body, "tools", ""):
        kind = text_at(said, "type", path) or "function"
        if kind == "function":
            found.append(_function(object_at(said, "function", path), f"{path}.function", said))
        elif kind == "custom":
            found.append(_custom(object_at(said, "custom", path), f"{path}.custom"))
        else:
            found.append(ir.Tool(name=kind, kind="hosted", wire="chat", raw=said))
    found += [_function(said, path, said) for path, said in objects_at(body, "functions", "")]
    return tuple(found)


def _function(said: Json, path: str, holder: Json) -> ir.Tool:
    name = text_at(said, "name", path)
    if not name:
        raise BadRequestError(f"`{path}.name` is missing", f"{path}.name")
    return ir.Tool(
        name=name,
        description=text_at(said, "description", path),
        parameters=object_at(said, "parameters", path) or None,
        strict=flag_at(said, "strict", path),
        cache=cache_of(holder),
    )


def _custom(said: Json, path: str) -> ir.Tool:
    name = text_at(said, "name", path)
    if not name:
        raise BadRequestError(f"`{path}.name` is missing", f"{path}.name")
    form = object_at(said, "format", path)
    return ir.Tool(
        name=name,
        description=text_at(said, "description", path),
        kind="custom",
        format=form if form and form.get("type") != "text" else None,
    )


def _tool_choice(body: Json) -> ir.ToolChoice | None:
    name = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    said = body.get(name)
    if said is None:
        return None
    if isinstance(said, str):
        return _choice_word(said, name)
    if not isinstance(said, dict):
        raise BadRequestError(f"`{name}` must be a string or an object", name)
    if said.get("type") == "allowed_tools":
        return _allowed(object_at(said, "allowed_tools", name))
    inner = said if name == "function_call" else None
    for field in ("function", "custom"):
        inner = inner or (object_at(said, field, name) or None)
    chosen = text_at(inner or said, "name", name)
    if not chosen:
        raise BadRequestError(f"`{name}` must name a tool", name)
    return ir.ToolChoice("named", chosen)


def _choice_word(said: str, name: str) -> ir.ToolChoice:
    if said in ("required", "any"):
        return ir.ToolChoice("required")
    if said == "auto":
        return ir.ToolChoice("auto")
    if said == "none":
        return ir.ToolChoice("none")
    raise BadRequestError(f"`{name}` must be auto, none, required or name a tool", name)


def _allowed(said: Json) -> ir.ToolChoice:
    path = "tool_choice.allowed_tools"
    names = []
    for at, tool in objects_at(said, "tools", path):
        inner = object_at(tool, "function", at) or object_at(tool, "custom", at) or tool
        names.append(text_at(inner, "name", at) or text_at(tool, "type", at))
    mode = text_at(said, "mode", path) or "auto"
    if mode not in ("auto", "required"):
        raise BadRequestError(f"`{path}.mode` must be auto or required", f"{path}.mode")
    return ir.ToolChoice("required" if mode == "required" else "auto", allowed=tuple(names))


def _output(body: Json, extras: Json) -> ir.OutputFormat | None:
    said = object_at(body, "response_format", "")
    kind = text_at(said, "type", "response_format")
    if not said or kind == "text":
        return ir.OutputFormat("text") if said else None
    if kind == "json_object":
        return ir.OutputFormat("json")
    if kind != "json_schema":
        # A grammar or another form that some hosts know.
        extras["response_format"] = said
        return None
    path = "response_format.json_schema"
    inner = object_at(said, "json_schema", "response_format")
    schema = object_at(inner, "schema", path) or object_at(said, "schema", "response_format")
    if not schema:
        raise BadRequestError(f"`{path}.schema` is missing", f"{path}.schema")
    return ir.OutputFormat(
        "schema",
        schema,
        text_at(inner, "name", path),
        text_at(inner, "description", path),
        flag_at(inner, "strict", path),
    )


def _thinking(extras: Json) -> ir.Thinking | None:
    """Return what the client says of thinking, in any of the words of this wire's hosts.

    What is read is taken out of ``extras``; what is none of the known words stays there.
    """
    effort = _effort(extras.get("reasoning_effort"))
    if effort is not None:
        del extras["reasoning_effort"]
        return ir.Thinking(effort)
    said = extras.get("reasoning")
    if isinstance(said, dict) and said.keys() <= {"effort", "max_tokens", "exclude", "enabled"}:
        return _from_object(said, extras)
    said = extras.get("thinking")
    if isinstance(said, dict) and said.keys() <= {"type", "budget_tokens"}:
        kind, budget = said.get("type"), said.get("budget_tokens")
        if kind in ("enabled", "disabled", "adaptive", "auto") and _is_count(budget):
            del extras["thinking"]
            if kind == "disabled":
                return ir.Thinking("none")
            return ir.Thinking(budget=budget, adaptive=kind in ("adaptive", "auto"))
    switch, budget = extras.get("enable_thinking"), extras.get("thinking_budget")
    if isinstance(switch, bool) and _is_count(budget):
        extras.pop("thinking_budget", None)
        del extras["enable_thinking"]
        return ir.Thinking(budget=budget) if switch else ir.Thinking("none")
    return None


def _from_object(said: Json, extras: Json) -> ir.Thinking | None:
    effort, budget = _effort(said.get("effort")), said.get("max_tokens")
    if (effort is None and said.get("effort") is not None) or not _is_count(budget):
        return None
    if said.get("enabled") is False:
        effort = "none"
    del extras["reasoning"]
    show = False if said.get("exclude") is True else None
    return ir.Thinking(effort, budget, show=show)


def _effort(value: Any) -> ir.Effort | None:
    return next((word for word in EFFORTS if word == value), None)


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
