"""Writes a request of the neutral form for a host of this wire."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from providers.dialect import Dialect
from providers.ir import OutputFormat, Request, Thinking, Tool, ToolChoice, is_begun
from providers.schemas import lower
from providers.wires.responses.read import LOGPROBS, STATE
from providers.wires.responses.read_tools import WIRE
from providers.wires.responses.write_items import ItemWriter
from providers.wires.wire import Json, Written

MIN_OUTPUT = 16
PROFILE = "responses"
TIERS = frozenset({"auto", "default", "flex", "priority", "scale", "fast"})
# Budgets of thinking below these many tokens, as efforts.
BANDS = ((1, "none"), (8_000, "low"), (16_000, "medium"))
# Fields of the neutral form that this wire has no word for.
WORDLESS = ("top_k", "presence_penalty", "frequency_penalty", "stop", "seed", "logit_bias")
# Extras that have the same name and meaning here.
SAME_EXTRAS = frozenset({"prompt_cache_options", "prompt_cache_retention", "moderation"})
# Where to look for the loss of a field that the host refuses; one that is ours alone is no loss.
LOST_AS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "max_output_tokens": ("max_output",),
        "parallel_tool_calls": ("parallel_tools",),
        "prompt_cache_key": ("cache_key",),
        "safety_identifier": ("user",),
        "reasoning": ("thinking",),
        "text": ("output", "verbosity"),
        "include": ("logprobs",),
    }
)
OURS = frozenset({"store", "stream"})


def write(request: Request, model: str, dialect: Dialect) -> Written:
    """Return the body for a host and what is not in it. Raises ``CannotExpressError``."""
    items = ItemWriter(request, dialect)
    for message in request.messages:
        items.add(message)
    lost = items.lost
    if is_begun(request.messages):
        # This API answers with a message of its own.
        lost.append("prefill")
    body: Json = {"model": model, "input": items.items, "store": False}
    if request.stream:
        body["stream"] = True
    _add_sampling(body, request, lost)
    _add_tools(body, request, dialect, lost)
    _add_text(body, request, dialect, lost)
    _add_thinking(body, request.thinking, dialect, lost)
    _add_housekeeping(body, request, lost)
    include = [] if dialect.thinking == "none" else [STATE]
    if request.logprobs:
        include.append(LOGPROBS)
    if include:
        body["include"] = include
    _fit(body, request, dialect, lost)
    return Written(body, tuple(dict.fromkeys(lost)))


def _add_sampling(body: Json, request: Request, lost: list[str]) -> None:
    if request.max_output is not None:
        body["max_output_tokens"] = max(MIN_OUTPUT, request.max_output)
    for name in ("temperature", "top_p"):
        if (value := getattr(request, name)) is not None:
            body[name] = value
    if request.logprobs and request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    # A penalty of 0 is none, an empty list of stops says nothing.
    lost += [name for name in WORDLESS if getattr(request, name) not in (None, (), {}, 0)]
    if request.seed == 0:
        lost.append("seed")
    if request.n > 1:
        lost.append("n")


def _add_tools(body: Json, request: Request, dialect: Dialect, lost: list[str]) -> None:
    tools: list[Json] = []
    groups: dict[str, Json] = {}
    for tool in request.tools:
        if tool.cache:
            lost.append("cache")
        said = _tool(tool, dialect, lost)
        if said is None:
            lost.append(f"tools.{tool.name}")
        elif not tool.namespace:
            tools.append(said)
        elif tool.namespace in groups:
            groups[tool.namespace]["tools"].append(said)
        else:
            words = f"The tools of {tool.namespace}."
            group = {"type": "namespace", "name": tool.namespace, "description": words}
            groups[tool.namespace] = {**group, "tools": [said]}
            tools.append(groups[tool.namespace])
    if tools:
        body["tools"] = tools
    if request.tool_choice is not None:
        choice = _tool_choice(request.tool_choice, request, dialect, lost)
        if choice is not None and tools:
            body["tool_choice"] = choice
    if request.parallel_tools is not None:
        if dialect.parallel_switch:
            body["parallel_tool_calls"] = request.parallel_tools
        elif not request.parallel_tools:
            lost.append("parallel_tools")


def _tool(tool: Tool, dialect: Dialect, lost: list[str]) -> Json | None:
    if tool.kind == "hosted":
        return tool.raw if tool.wire == WIRE and isinstance(tool.raw, dict) else None
    said: Json = {"type": tool.kind, "name": tool.name}
    if tool.description:
        said["description"] = tool.description
    if tool.kind == "custom":
        if tool.format is not None:
            said["format"] = _grammar(tool.format)
        return said
    schema = tool.parameters or {"type": "object", "properties": {}}
    strict = tool.strict is True
    if strict:
        lowered, same = lower(schema, dialect.schema_profile or PROFILE)
        if same:
            schema = lowered
        else:
            # A looser tool is better than arguments that the client does not expect.
            strict = False
            lost.append("tools.strict")
    # Unset has meant strict on this API.
    return {**said, "parameters": schema, "strict": strict}


def _grammar(form: Json) -> Json:
    inner = form.get("grammar")
    # The chat wire has it one level deeper.
    return {"type": "grammar", **inner} if isinstance(inner, dict) else form


def _tool_choice(
    choice: ToolChoice, request: Request, dialect: Dialect, lost: list[str]
) -> str | Json | None:
    mode = choice.mode
    if mode in ("required", "named") and not dialect.forced_tools:
        lost.append("tool_choice")
        return "auto"
    if mode == "named" and not dialect.named_tools:
        if [tool.name for tool in request.tools] != [choice.name]:
            lost.append("tool_choice")
        mode = "required"
    if mode == "named":
        return _called(choice.name, request)
    word = dialect.tool_choice_words.get(mode, mode)
    if choice.allowed and mode != "none":
        tools = [_called(name, request) for name in choice.allowed]
        return {"type": "allowed_tools", "mode": word, "tools": tools}
    return word or None


def _called(name: str, request: Request) -> Json:
    tool = next((tool for tool in request.tools if tool.name == name), None)
    if tool is not None and tool.kind == "hosted":
        return {"type": name}
    return {"type": tool.kind if tool is not None else "function", "name": name}


def _add_text(body: Json, request: Request, dialect: Dialect, lost: list[str]) -> None:
    text: Json = {}
    if request.output is not None:
        form = _format(request.output, request.wire, dialect, lost)
        if form is not None:
            text["format"] = form
    if request.verbosity:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def _format(output: OutputFormat, wire: str, dialect: Dialect, lost: list[str]) -> Json | None:
    if output.kind == "text":
        return {"type": "text"}
    if dialect.structured == "none" or (output.kind == "schema" and dialect.structured == "json"):
        lost.append("output")
        return None if dialect.structured == "none" else {"type": "json_object"}
    if output.kind == "json":
        return {"type": "json_object"}
    schema, strict = output.schema or {}, output.strict
    if strict is None:
        # Only on these two wires a schema is no more than a wish unless it is said.
        strict = wire not in ("chat", WIRE)
    if strict:
        lowered, same = lower(schema, dialect.schema_profile or PROFILE)
        if same:
            schema = lowered
        else:
            strict = False
            lost.append("output")
    form: Json = {"type": "json_schema", "name": output.name or "answer", "schema": schema}
    if output.description:
        form["description"] = output.description
    return {**form, "strict": strict}


def _add_thinking(body: Json, thinking: Thinking | None, dialect: Dialect, lost: list[str]) -> None:
    if thinking is None:
        return
    effort: str | None = thinking.effort
    if effort is None and thinking.budget is not None:
        budget = thinking.budget
        effort = next((word for below, word in BANDS if budget < below), "high")
    if dialect.thinking == "none":
        if effort not in (None, "none"):
            lost.append("thinking")
        return
    said: Json = {}
    if effort == "none" and not dialect.thinking_off:
        lost.append("thinking")
    elif effort is not None and (word := dialect.efforts.get(effort, effort)):
        said["effort"] = word
    elif effort is not None:
        lost.append("thinking")
    if thinking.show is not False and effort != "none":
        said["summary"] = "auto"
    if said:
        body["reasoning"] = said


def _add_housekeeping(body: Json, request: Request, lost: list[str]) -> None:
    for value, name in (
        (request.user, "safety_identifier"),
        (request.metadata, "metadata"),
        (request.cache_key, "prompt_cache_key"),
    ):
        if value:
            body[name] = value
    if request.service_tier in TIERS:
        body["service_tier"] = request.service_tier
    elif request.service_tier:
        lost.append("service_tier")
    own = request.wire == WIRE
    for name, value in request.extras.items():
        if name == "store" and not value:
            continue
        if name not in body and (name in SAME_EXTRAS or (own and "." not in name)):
            body[name] = value
        else:
            lost.append(name)


def _fit(body: Json, request: Request, dialect: Dialect, lost: list[str]) -> None:
    for name in [name for name in body if name in dialect.refuses]:
        del body[name]
        if name not in OURS:
            lost += [ours for ours in LOST_AS.get(name, (name,)) if _said(request, ours)]


def _said(request: Request, name: str) -> bool:
    value: Any = getattr(request, name, True)
    return value not in (None, "", (), {})
