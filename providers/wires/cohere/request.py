"""Writes the neutral form as a Cohere v2 chat request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers import ir
from providers.dialect import Dialect
from providers.schemas import lower
from providers.wires.cohere.turns import turns_of
from providers.wires.wire import Written

Json = dict[str, Any]

PROFILE = "cohere"
# The wire's own names for what it takes as it is.
NAMES: Mapping[str, str] = {
    "max_output": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
UNSAID = (
    "top_logprobs",
    "logit_bias",
    "verbosity",
    "user",
    "metadata",
    "cache_key",
)
STOPS_MAX = 5
PENALTY_MAX = 1
# Tokens of thought for a word of effort; the words above these leave the model its own limit.
BUDGETS: Mapping[str, int] = {"minimal": 512, "low": 1024, "medium": 4096}


def write(request: ir.Request, model: str, dialect: Dialect) -> Written:
    """Return the body for a host. Raises ``CannotExpressError``."""
    lost: list[str] = list(request.extras)
    if ir.is_begun(request.messages):
        lost.append("prefill")
    body: Json = {"model": model, "messages": turns_of(request, dialect, lost)}
    if request.stream:
        body["stream"] = True
    _sampling(request, dialect, body, lost)
    _tools(request, dialect, body, lost)
    _output(request, dialect, body, lost)
    _thinking(request, dialect, body, lost)
    lost.extend(name for name in UNSAID if getattr(request, name) not in (None, "", {}))
    if request.n > 1:
        lost.append("n")
    if request.parallel_tools is False and request.tools:
        lost.append("parallel_tools")
    if request.service_tier not in ("", "auto", "default"):
        lost.append("service_tier")
    return Written(body, tuple(dict.fromkeys(lost)))


def _sampling(request: ir.Request, dialect: Dialect, body: Json, lost: list[str]) -> None:
    for ours, theirs in NAMES.items():
        value = getattr(request, ours)
        if value is None:
            continue
        # The wire's penalties go from 0 to 1, where others go from -2 to 2.
        beyond = "penalty" in theirs and not 0 <= value <= PENALTY_MAX
        if theirs in dialect.refuses or beyond:
            lost.append(ours)
        else:
            body[theirs] = value
    stops = [stop for stop in request.stop if stop]
    most = STOPS_MAX if dialect.max_stops is None else dialect.max_stops
    if len(stops) > most:
        lost.append("stop")
        stops = stops[:most]
    if stops and "stop_sequences" in dialect.refuses:
        lost.append("stop")
    elif stops:
        body["stop_sequences"] = stops
    if request.logprobs and "logprobs" in dialect.refuses:
        lost.append("logprobs")
    elif request.logprobs:
        body["logprobs"] = True


def _tools(request: ir.Request, dialect: Dialect, body: Json, lost: list[str]) -> None:
    choice = request.tool_choice
    mode = choice.mode if choice is not None else "auto"
    if mode in ("required", "named") and not dialect.forced_tools:
        lost.append("tool_choice")
        mode = "auto"
    tools = []
    for tool in request.tools:
        if tool.kind != "function":
            # A custom tool has been made a function before it comes here.
            lost.append(f"tools.{tool.name}")
            continue
        if tool.cache:
            lost.append("cache")
        if choice is not None and choice.allowed and tool.name not in choice.allowed:
            continue
        # No tool can be named: the one that must be called stands there alone.
        if mode != "named" or choice is None or tool.name == choice.name:
            tools.append(tool)
    if mode == "none" and "tool_choice" in dialect.refuses:
        # A model that cannot be told not to call is not shown what it could.
        return
    if not tools:
        if mode in ("required", "named"):
            lost.append("tool_choice")
        return
    strict = [tool for tool in tools if tool.strict]
    all_strict = len(strict) == len(tools) and "strict_tools" not in dialect.refuses
    if all_strict:
        body["strict_tools"] = True
    elif strict:
        # It is said of all tools or of none.
        lost.append("strict")
    profile = dialect.schema_profile or (PROFILE if all_strict else "")
    body["tools"] = [_tool(tool, profile) for tool in tools]
    if mode == "none":
        body["tool_choice"] = "NONE"
    elif mode in ("required", "named"):
        body["tool_choice"] = "REQUIRED"


def _tool(tool: ir.Tool, profile: str) -> Json:
    schema = tool.parameters or {"type": "object", "properties": {}}
    if profile:
        schema, _ = lower(schema, profile)
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = schema
    return {"type": "function", "function": function}


def _output(request: ir.Request, dialect: Dialect, body: Json, lost: list[str]) -> None:
    wanted = request.output
    if wanted is None or wanted.kind == "text":
        return
    # The wire takes no form of an answer beside tools.
    if "tools" in body or dialect.structured == "none":
        lost.append("output")
    elif wanted.kind == "json":
        body["response_format"] = {"type": "json_object"}
    elif dialect.structured != "schema":
        lost.append("output")
    else:
        schema, _ = lower(wanted.schema or {}, dialect.schema_profile or PROFILE)
        body["response_format"] = {"type": "json_object", "json_schema": schema}


def _thinking(request: ir.Request, dialect: Dialect, body: Json, lost: list[str]) -> None:
    wish = request.thinking
    if wish is None:
        return
    off = wish.effort == "none" or wish.budget == 0
    wanted = bool(wish.effort or wish.budget or wish.adaptive) and not off
    if dialect.thinking == "none":
        if wanted:
            lost.append("thinking")
    elif off and not dialect.thinking_off:
        lost.append("thinking")
    elif off:
        body["thinking"] = {"type": "disabled"}
    elif wanted:
        said: Json = {"type": "enabled"}
        budget = wish.budget or BUDGETS.get(wish.effort or "")
        if budget:
            said["token_budget"] = budget
        body["thinking"] = said
