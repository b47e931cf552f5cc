"""Reads what a client's request says beside the conversation: tools and how to answer."""

from __future__ import annotations

from typing import Any

from providers.ir import Effort, Json, Message, OutputFormat, Request, Thinking, Tool, ToolChoice
from providers.wires.gemini import names as n
from providers.wires.gemini.openapi import json_schema
from providers.wires.wire import BadRequestError

KNOWN = frozenset(
    {
        "contents", "systemInstruction", "tools", "toolConfig", "generationConfig",
        "safetySettings", "labels", "serviceTier", "model",
    }
)  # fmt: skip
CONFIG = "generationConfig"
CALLING = "toolConfig.functionCallingConfig"
READ = frozenset(
    {
        "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences",
        "presencePenalty", "frequencyPenalty", "seed", "responseLogprobs", "logprobs",
        "responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema",
        "responseModalities", "thinkingConfig",
    }
)  # fmt: skip
# A field of ``Request`` -> the client's own name for it.
NAMES = {
    "messages": "contents",
    "tools": "tools",
    "tool_choice": CALLING,
    "output": f"{CONFIG}.responseJsonSchema",
    "thinking": f"{CONFIG}.thinkingConfig",
    "max_output": f"{CONFIG}.maxOutputTokens",
    "temperature": f"{CONFIG}.temperature",
    "top_p": f"{CONFIG}.topP",
    "top_k": f"{CONFIG}.topK",
    "presence_penalty": f"{CONFIG}.presencePenalty",
    "frequency_penalty": f"{CONFIG}.frequencyPenalty",
    "stop": f"{CONFIG}.stopSequences",
    "seed": f"{CONFIG}.seed",
    "n": f"{CONFIG}.candidateCount",
    "logprobs": f"{CONFIG}.responseLogprobs",
    "top_logprobs": f"{CONFIG}.logprobs",
    "metadata": "labels",
    "service_tier": "serviceTier",
}
# Extras that change price, speed or housekeeping, or govern what other hosts do not have.
ADVICE = frozenset(
    {
        "safetySettings", "store", f"{CONFIG}.mediaResolution", "parts.mediaResolution",
        "parts.partMetadata", "tools.response", "tools.behavior", f"{CALLING}.mode",
        f"{CALLING}.streamFunctionCallArguments",
    }
)  # fmt: skip
# A tuple: what a client says may have no hash.
LOOSE = ("OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "HARM_BLOCK_THRESHOLD_UNSPECIFIED")
LEVELS: dict[str, Effort] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}


def read(top: Json, messages: tuple[Message, ...], extras: Json) -> Request:
    """Return the request with its messages; what has no place goes into ``extras``."""
    config = n.obj(top.get(CONFIG), CONFIG)
    for name, value in config.items():
        if name not in READ and value is not None:
            extras[f"{CONFIG}.{name}"] = value
    _safety(top.get("safetySettings"), extras)
    labels = n.obj(top.get("labels"), "labels")
    number, whole = _getters(config)
    return Request(
        wire=n.WIRE_NAME,
        model="",
        messages=messages,
        tools=_tools(top.get("tools"), extras),
        tool_choice=_choice(top.get("toolConfig"), extras),
        output=_output(config, extras),
        thinking=_thinking(config.get("thinkingConfig")),
        max_output=whole("maxOutputTokens", 1),
        temperature=number("temperature"),
        top_p=number("topP"),
        top_k=whole("topK", 0),
        presence_penalty=number("presencePenalty"),
        frequency_penalty=number("frequencyPenalty"),
        stop=n.texts(config.get("stopSequences"), f"{CONFIG}.stopSequences"),
        seed=whole("seed", None),
        n=whole("candidateCount", 1) or 1,
        logprobs=n.flag(config.get("responseLogprobs"), f"{CONFIG}.responseLogprobs"),
        top_logprobs=whole("logprobs", 0),
        metadata=labels or None,
        service_tier=_tier(top.get("serviceTier")),
        extras=extras,
    )


def _getters(config: Json) -> tuple[Any, Any]:
    def number(name: str) -> float | None:
        return n.number(config.get(name), f"{CONFIG}.{name}")

    def whole(name: str, least: int | None) -> int | None:
        return n.whole(config.get(name), f"{CONFIG}.{name}", least)

    return number, whole


def _tier(value: Any) -> str:
    word = n.text(value, "serviceTier").lower().removeprefix("service_tier_")
    return "" if word == "unspecified" else word


def _safety(value: Any, extras: Json) -> None:
    # To ask for less blocking asks nothing of a host that does not block; to ask for more does.
    settings = n.listed(value, "safetySettings")
    if not settings:
        return
    said = [n.obj(item, "safetySettings") for item in settings]
    strict = [item for item in said if item.get("threshold") not in LOOSE]
    extras["safetySettings.threshold" if strict else "safetySettings"] = settings


def _tools(value: Any, extras: Json) -> tuple[Tool, ...]:
    out: list[Tool] = []
    for place, raw in enumerate(n.listed(value, "tools")):
        entry = n.obj(raw, f"tools[{place}]")
        for name, said in entry.items():
            if said is None:
                continue
            path = f"tools[{place}].{name}"
            if name == "functionDeclarations":
                declared = n.listed(said, path)
                out += [_tool(item, f"{path}[{i}]", extras) for i, item in enumerate(declared)]
            else:
                out.append(Tool(name, kind="hosted", wire=n.WIRE_NAME, raw={name: said}))
    return tuple(out)


def _tool(value: Any, path: str, extras: Json) -> Tool:
    said = n.obj(value, path)
    name = n.text(said.get("name"), f"{path}.name")
    if not name:
        raise BadRequestError(f"`{path}.name` is missing", f"{path}.name")
    parameters = said.get("parametersJsonSchema")
    if parameters is not None and not isinstance(parameters, dict):
        raise n.wrong(f"{path}.parametersJsonSchema", "a schema object", parameters)
    if parameters is None and said.get("parameters") is not None:
        parameters = json_schema(said["parameters"], f"{path}.parameters")
    if said.get("response") is not None or said.get("responseJsonSchema") is not None:
        extras["tools.response"] = True
    if said.get("behavior") is not None:
        extras["tools.behavior"] = said["behavior"]
    return Tool(name, n.text(said.get("description"), f"{path}.description"), parameters)


def _choice(value: Any, extras: Json) -> ToolChoice | None:
    said = n.obj(value, "toolConfig")
    for name, item in said.items():
        if name != "functionCallingConfig" and item is not None:
            extras[f"toolConfig.{name}"] = item
    calling = n.obj(said.get("functionCallingConfig"), CALLING)
    if calling.get("streamFunctionCallArguments") is not None:
        extras[f"{CALLING}.streamFunctionCallArguments"] = calling["streamFunctionCallArguments"]
    mode = n.text(calling.get("mode"), f"{CALLING}.mode").upper()
    allowed = n.texts(calling.get("allowedFunctionNames"), f"{CALLING}.allowedFunctionNames")
    if mode == "ANY":
        if len(allowed) == 1:
            return ToolChoice("named", allowed[0])
        return ToolChoice("required", allowed=allowed)
    if mode == "NONE":
        return ToolChoice("none")
    if mode == "VALIDATED":
        # As AUTO, with arguments held to their schema: others hold them by their own means.
        extras[f"{CALLING}.mode"] = mode
        return ToolChoice("auto", allowed=allowed)
    if mode in ("", "MODE_UNSPECIFIED", "AUTO"):
        return ToolChoice("auto", allowed=allowed) if mode == "AUTO" or allowed else None
    raise BadRequestError(
        f"`{CALLING}.mode` must be AUTO, ANY, NONE or VALIDATED, not {mode!r}", f"{CALLING}.mode"
    )


def _output(config: Json, extras: Json) -> OutputFormat | None:
    media = n.text(config.get("responseMimeType"), f"{CONFIG}.responseMimeType").lower()
    wanted = n.texts(config.get("responseModalities"), f"{CONFIG}.responseModalities")
    if any(word.upper() not in ("TEXT", "MODALITY_UNSPECIFIED") for word in wanted):
        extras[f"{CONFIG}.responseModalities"] = list(wanted)
    schema = config.get("responseJsonSchema", config.get("_responseJsonSchema"))
    if schema is not None and not isinstance(schema, dict):
        raise n.wrong(f"{CONFIG}.responseJsonSchema", "a schema object", schema)
    if schema is None and config.get("responseSchema") is not None:
        schema = json_schema(config["responseSchema"], f"{CONFIG}.responseSchema")
    if media not in ("", "text/plain", "application/json"):
        extras[f"{CONFIG}.responseMimeType"] = media
        return None
    if schema is not None:
        return OutputFormat("schema", schema)
    return OutputFormat("json") if media == "application/json" else None


def _thinking(value: Any) -> Thinking | None:
    if value is None:
        return None
    path = f"{CONFIG}.thinkingConfig"
    said = n.obj(value, path)
    show = n.flag(said.get("includeThoughts"), f"{path}.includeThoughts")
    budget = n.whole(said.get("thinkingBudget"), f"{path}.thinkingBudget", -1)
    word = n.text(said.get("thinkingLevel"), f"{path}.thinkingLevel").upper()
    word = word.removeprefix("THINKING_LEVEL_")
    effort: Effort | None = None
    if word not in ("", "UNSPECIFIED"):
        effort = LEVELS.get(word)
        if effort is None:
            raise BadRequestError(
                f"`{path}.thinkingLevel` must be one of {', '.join(LEVELS)}, not {word!r}",
                f"{path}.thinkingLevel",
            )
    if budget == 0:
        return Thinking(effort="none", show=show)
    if budget == -1:
        return Thinking(effort=effort, adaptive=True, show=show)
    return Thinking(effort=effort, budget=budget, show=show)
