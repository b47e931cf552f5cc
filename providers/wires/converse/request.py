"""Writes the neutral form as a Converse request; the model and streaming stand in its address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.schemas import lower
from providers.wires.converse.response import REDACTED, SIGNATURE
from providers.wires.converse.thinking import Thought, placed, thought
from providers.wires.converse.tools import PROFILE, is_forced, tool_config, usable
from providers.wires.converse.turns import turns_of
from providers.wires.wire import Written

Json = dict[str, Any]

TIERS = frozenset({"priority", "default", "flex", "reserved"})
METADATA_MAX = 16
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
# Fields of the neutral form that this wire has no word for.
UNSAID = (
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
    "verbosity",
    "user",
    "cache_key",
    "top_logprobs",
)

_encode = msgspec.json.Encoder().encode


def write(request: ir.Request, _model: str, dialect: Dialect) -> Written:
    """Return the body for a host. Raises ``CannotExpressError``."""
    lost: list[str] = list(request.extras)
    tools = usable(request, lost)
    forced = bool(tools) and is_forced(request, dialect)
    choice = request.tool_choice
    if not tools and choice is not None and choice.mode in ("required", "named"):
        lost.append("tool_choice")
    system, turns = turns_of(request, dialect, tools=bool(tools), lost=lost)
    thinking = thought(request, dialect, forced=forced, open_loop=_open_loop(request), lost=lost)
    body: Json = {"messages": turns}
    if system:
        body["system"] = system
    if tools:
        body["toolConfig"] = tool_config(request, tools, dialect, lost)
    inference = _inference(request, dialect, thinking, lost)
    if inference:
        body["inferenceConfig"] = inference
    fields = _model_fields(request, dialect, thinking, lost)
    if fields:
        body["additionalModelRequestFields"] = fields
    _output(request, dialect, body, lost)
    _service(request, dialect, body, lost)
    _name_unsaid(request, lost)
    return Written(body, tuple(dict.fromkeys(lost)))


def _open_loop(request: ir.Request) -> bool:
    """Whether the last turn with calls, whose results come last, has no thoughts of this host."""
    messages = request.messages
    at = len(messages) - 1
    while at >= 0 and messages[at].role in ("tool", "system", "developer"):
        at -= 1
    if at < 0 or at == len(messages) - 1 or messages[at].role != "assistant":
        return False
    # All turns since the user last spoke are one to the host.
    while at > 0 and messages[at - 1].role in ("tool", "assistant"):
        at -= 1
    parts = next((m.parts for m in messages[at:] if m.role == "assistant"), ())
    if not any(isinstance(part, ir.ToolCall) for part in parts):
        return False
    return not any(
        isinstance(part, ir.Reasoning)
        and any(state.kind in (SIGNATURE, REDACTED) for state in part.opaque)
        for part in parts
    )


def _inference(request: ir.Request, dialect: Dialect, thinking: Thought, lost: list[str]) -> Json:
    found: Json = {}
    if thinking.max_output is not None:
        found["maxTokens"] = thinking.max_output
    temperature, top_p = request.temperature, request.top_p
    if temperature is not None and temperature > 1:
        # The wire ends at 1, where others go on to 2.
        lost.append("temperature")
        temperature = 1
    for ours, theirs, value in (
        ("temperature", "temperature", temperature),
        ("top_p", "topP", top_p),
    ):
        if value is None:
            continue
        if theirs in dialect.refuses or (thinking.exclusive and value != 1):
            lost.append(ours)
        else:
            found[theirs] = value
    stops = [stop for stop in request.stop if stop]
    if dialect.max_stops is not None and len(stops) > dialect.max_stops:
        lost.append("stop")
        stops = stops[: dialect.max_stops]
    if stops and "stopSequences" in dialect.refuses:
        lost.append("stop")
    elif stops:
        found["stopSequences"] = stops
    return found


def _model_fields(
    request: ir.Request, dialect: Dialect, thinking: Thought, lost: list[str]
) -> Json:
    fields = dict(thinking.fields)
    if request.top_k is not None:
        path = dialect.top_k_path
        if path is None or path[-1] in dialect.refuses or thinking.exclusive:
            lost.append("top_k")
        else:
            placed(fields, path, request.top_k)
    return fields


def _output(request: ir.Request, dialect: Dialect, body: Json, lost: list[str]) -> None:
    wanted = request.output
    if wanted is None or wanted.kind == "text":
        return
    # There is a word for a schema and none for JSON of any form.
    if wanted.kind == "json" or dialect.structured != "schema":
        lost.append("output")
        return
    schema, _ = lower(wanted.schema or {}, dialect.schema_profile or PROFILE)
    said = {"schema": _encode(schema).decode()}
    if wanted.name:
        said["name"] = wanted.name
    if wanted.description:
        said["description"] = wanted.description
    body["outputConfig"] = {
        "textFormat": {"type": "json_schema", "structure": {"jsonSchema": said}}
    }


def _service(request: ir.Request, dialect: Dialect, body: Json, lost: list[str]) -> None:
    tier = request.service_tier
    if tier in TIERS and "serviceTier" not in dialect.refuses:
        body["serviceTier"] = {"type": tier}
    elif tier not in ("", "auto", "default"):
        lost.append("service_tier")
    if not request.metadata:
        return
    if _loggable(request.metadata):
        body["requestMetadata"] = request.metadata
    else:
        lost.append("metadata")


def _loggable(metadata: Mapping[str, Any]) -> bool:
    return len(metadata) <= METADATA_MAX and all(
        isinstance(value, str) and _METADATA_KEY.fullmatch(key) and _METADATA_VALUE.fullmatch(value)
        for key, value in metadata.items()
    )


def _name_unsaid(request: ir.Request, lost: list[str]) -> None:
    lost.extend(name for name in UNSAID if getattr(request, name) not in (None, "", {}))
    if request.n > 1:
        lost.append("n")
    if request.logprobs:
        lost.append("logprobs")
    if request.parallel_tools is False and request.tools:
        lost.append("parallel_tools")
