"""Writes for a host what a request says beside the conversation."""

from __future__ import annotations

import re
from typing import Any

from providers import schemas
from providers.dialect import Dialect
from providers.ir import OutputFormat, Request, Thinking, ToolChoice
from providers.wires.gemini.names import WIRE_NAME
from providers.wires.wire import Json

CONFIG = "generationConfig"
OPENAPI = "gemini-openapi"
PROFILE = "gemini-json"
MAX_STOPS = 5
# A field of the neutral request -> the host's name for it in ``generationConfig``.
FIELDS = (
    ("max_output", "maxOutputTokens"),
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("seed", "seed"),
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
)
NEVER = ("logit_bias", "verbosity", "user", "cache_key")
# Words of ours for effort, at hosts that are told a level; the dialect's own come first.
LEVELS = {"none": "minimal", "max": "xhigh"}
# Tokens of thinking, at hosts that are told a number; within what all such models take.
BUDGETS = {
    "minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576,
}  # fmt: skip
BUDGET_MIN, BUDGET_MAX = 512, 24576
TIERS = {"flex": "flex", "priority": "priority", "standard": "standard", "default": "standard"}
LABEL = re.compile(r"[a-z0-9_-]{0,63}")

Lost = dict[str, None]


def write(request: Request, dialect: Dialect, body: Json, lost: Lost) -> None:
    """Add to ``body`` what the request says; name in ``lost`` what has no place there."""
    config: Json = {}
    for field, name in FIELDS:
        value = getattr(request, field)
        if value is not None:
            config[name] = value
    if request.n != 1:
        config["candidateCount"] = request.n
    _stop(request, dialect, config, lost)
    _output(request, dialect, config, lost)
    _thinking(request, dialect, config, lost)
    for field in NEVER:
        if getattr(request, field):
            lost[field] = None
    _tools(request, dialect, body, lost)
    _beside(request, body, lost)
    _extras(request, body, config, lost)
    if config:
        body[CONFIG] = config
    _leave_out(dialect, body, lost)


def _stop(request: Request, dialect: Dialect, config: Json, lost: Lost) -> None:
    most = MAX_STOPS if dialect.max_stops is None else dialect.max_stops
    if len(request.stop) > most:
        lost["stop"] = None
    if request.stop[:most]:
        config["stopSequences"] = list(request.stop[:most])


def _output(request: Request, dialect: Dialect, config: Json, lost: Lost) -> None:
    wanted = request.output
    if wanted is None or wanted.kind == "text":
        return
    # Models of the older kind answer in a form or call tools, not both.
    if dialect.structured == "none" or (request.tools and dialect.thinking == "budget"):
        lost["output"] = None
        return
    config["responseMimeType"] = "application/json"
    if wanted.kind == "schema":
        _schema(wanted, dialect, config, lost)


def _schema(wanted: OutputFormat, dialect: Dialect, config: Json, lost: Lost) -> None:
    if dialect.structured != "schema":
        lost["output"] = None
        return
    profile = dialect.schema_profile or PROFILE
    schema, lossless = schemas.lower(wanted.schema or {}, profile)
    config["responseSchema" if profile == OPENAPI else "responseJsonSchema"] = schema
    if not lossless:
        lost["output"] = None


def _thinking(request: Request, dialect: Dialect, config: Json, lost: Lost) -> None:
    wanted = request.thinking
    if wanted is None:
        return
    if dialect.thinking == "none":
        if wanted.effort not in (None, "none") or wanted.budget or wanted.adaptive:
            lost["thinking"] = None
        return
    said = _budget(wanted, dialect) if dialect.thinking == "budget" else _level(wanted, dialect)
    shows = wanted.show is True or (wanted.show is None and request.wire != WIRE_NAME)
    if shows and wanted.effort != "none":
        said["includeThoughts"] = True
    if said:
        config["thinkingConfig"] = said


def _level(wanted: Thinking, dialect: Dialect) -> Json:
    effort: str | None = wanted.effort
    if effort is None and wanted.budget is not None:
        # Bands between the budgets that stand for the words.
        bands = ((0, "none"), (2048, "low"), (12288, "medium"))
        effort = next((word for most, word in bands if wanted.budget <= most), "high")
    if effort is None:
        return {}
    word = dialect.efforts.get(effort, LEVELS.get(effort, effort))
    return {"thinkingLevel": word.upper()} if word else {}


def _budget(wanted: Thinking, dialect: Dialect) -> Json:
    if wanted.effort == "none":
        return {"thinkingBudget": 0 if dialect.thinking_off else BUDGET_MIN}
    if wanted.budget is not None:
        return {"thinkingBudget": min(max(wanted.budget, BUDGET_MIN), BUDGET_MAX)}
    if wanted.effort is None:
        return {"thinkingBudget": -1} if wanted.adaptive else {}
    word = dialect.efforts.get(wanted.effort, wanted.effort)
    return {"thinkingBudget": BUDGETS[word]} if word in BUDGETS else {}


def _tools(request: Request, dialect: Dialect, body: Json, lost: Lost) -> None:
    declared: list[Json] = []
    hosted: list[Json] = []
    for tool in request.tools:
        if tool.cache:
            lost["cache"] = None
        if tool.kind == "function":
            said: Json = {"name": tool.name}
            if tool.description:
                said["description"] = tool.description
            if tool.parameters:
                profile = dialect.schema_profile or PROFILE
                schema, _ = schemas.lower(tool.parameters, profile)
                name = "parameters" if profile == OPENAPI else "parametersJsonSchema"
                said[name] = schema
            declared.append(said)
        elif tool.kind == "hosted" and tool.wire == WIRE_NAME and isinstance(tool.raw, dict):
            hosted.append(tool.raw)
        else:
            lost[f"tools.{tool.name}"] = None
    entries = [{"functionDeclarations": declared}] if declared else []
    if entries or hosted:
        body["tools"] = [*entries, *hosted]
    if request.parallel_tools is False and declared:
        lost["parallel_tools"] = None
    if declared:
        strict = any(tool.strict for tool in request.tools)
        calling = _calling(request.tool_choice, dialect, lost, strict=strict)
        if calling:
            body["toolConfig"] = {"functionCallingConfig": calling}


def _calling(choice: ToolChoice | None, dialect: Dialect, lost: Lost, *, strict: bool) -> Json:
    if choice is None or choice.mode == "auto":
        allowed = list(choice.allowed) if choice is not None else []
        if allowed:
            # Names may only be given with modes that hold arguments to their schema.
            return {"mode": "VALIDATED", "allowedFunctionNames": allowed}
        if strict:
            return {"mode": "VALIDATED"}
        return {"mode": "AUTO"} if choice is not None else {}
    if choice.mode == "none":
        return {"mode": "NONE"}
    named = [choice.name] if choice.mode == "named" else list(choice.allowed)
    if not dialect.forced_tools or (named and not dialect.named_tools):
        lost["tool_choice"] = None
        return {"mode": "ANY"} if dialect.forced_tools else {}
    return {"mode": "ANY", **({"allowedFunctionNames": named} if named else {})}


def _beside(request: Request, body: Json, lost: Lost) -> None:
    if request.metadata:
        labels = request.metadata
        if all(_is_label(name) and _is_label(value) for name, value in labels.items()):
            body["labels"] = labels
        else:
            lost["metadata"] = None
    if request.service_tier not in ("", "auto"):
        tier = TIERS.get(request.service_tier)
        if tier is None:
            lost["service_tier"] = None
        else:
            body["serviceTier"] = tier


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and LABEL.fullmatch(value) is not None


def _extras(request: Request, body: Json, config: Json, lost: Lost) -> None:
    # A client of this very wire gets its own fields back where they came from.
    for name, value in request.extras.items():
        head, _, tail = name.partition(".")
        if request.wire != WIRE_NAME or head in ("parts", "tools", "functionResponse"):
            lost[name] = None
        elif head == CONFIG and tail and "." not in tail:
            config.setdefault(tail, value)
        elif head == "safetySettings":
            body[head] = value
        elif not tail:
            body.setdefault(name, value)
        elif head == "toolConfig" and "." not in tail:
            body.setdefault(head, {})[tail] = value
        elif name == "toolConfig.functionCallingConfig.mode":
            calling = body.get("toolConfig", {}).get("functionCallingConfig")
            if calling is not None:
                calling["mode"] = value
        else:
            lost[name] = None


def _leave_out(dialect: Dialect, body: Json, lost: Lost) -> None:
    # What the host would refuse, named as the neutral request has it.
    if not dialect.refuses:
        return
    ours = {f"{CONFIG}.{name}": field for field, name in FIELDS}
    ours |= {
        f"{CONFIG}.candidateCount": "n",
        f"{CONFIG}.stopSequences": "stop",
        f"{CONFIG}.thinkingConfig": "thinking",
        "labels": "metadata",
        "serviceTier": "service_tier",
        "toolConfig": "tool_choice",
    }
    for name in dialect.refuses:
        head, _, tail = name.partition(".")
        holder = body.get(head) if tail else body
        last = tail or head
        if isinstance(holder, dict) and last in holder:
            del holder[last]
            lost[ours.get(name, name)] = None
