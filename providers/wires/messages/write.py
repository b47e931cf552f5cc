"""Writes the neutral form as a body for a host of this wire."""

from __future__ import annotations

from typing import Any

from providers.dialect import Dialect
from providers.ir import OutputFormat, Request, Tool
from providers.schemas import lower
from providers.wires.messages.blocks import WIRE
from providers.wires.messages.read import NAMES
from providers.wires.messages.thinking import amid_foreign_loop, write_thinking
from providers.wires.messages.turns import Turns
from providers.wires.wire import CannotExpressError, Json, Written

MAX_TOKENS = 4096
MAX_MARKS = 4
# Fields that this wire has no name for.
UNKNOWN_HERE = (
    "seed", "logit_bias", "top_logprobs", "verbosity", "metadata", "cache_key",
)  # fmt: skip
TIERS = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only"}
NO_PARAMETERS: Json = {"type": "object", "properties": {}}
# From the host's name of a field to that of ``ir.Request``.
OURS = {theirs: ours for ours, theirs in NAMES.items()}


def write(request: Request, model: str, dialect: Dialect) -> Written:
    """Return the body for a host. Raises ``CannotExpressError``."""
    draft = _Draft(request, dialect)
    body: Json = {"model": model} if dialect.names_model else {}
    tools, choice = draft.tools()
    system, messages = Turns(request, dialect, draft.lost, draft.marks).write()
    body["max_tokens"] = MAX_TOKENS
    if request.max_output is not None:
        body["max_tokens"] = request.max_output
    elif dialect.max_output is not None:
        body["max_tokens"] = dialect.max_output
    if system:
        body["system"] = system
    body["messages"] = messages
    if tools:
        body["tools"] = tools
        if choice:
            body["tool_choice"] = choice
    draft.thinking(body)
    draft.output(body)
    draft.sampling(body)
    draft.rest(body)
    draft.limit_marks()
    draft.apply_dialect(body)
    return Written(body, tuple(dict.fromkeys(draft.lost)))


class _Draft:
    """One body in the making, with what it has to leave out."""

    def __init__(self, request: Request, dialect: Dialect) -> None:
        self._request = request
        self._dialect = dialect
        self._profile = dialect.schema_profile or WIRE
        self.lost: list[str] = []
        self.marks: list[Json] = []

    def tools(self) -> tuple[list[Any], Json]:
        """Return ``tools`` and ``tool_choice``."""
        wanted = self._request.tool_choice
        mode, name = (wanted.mode, wanted.name) if wanted is not None else ("auto", "")
        allowed = set(wanted.allowed) if wanted is not None else set()
        if mode in ("required", "named") and not self._dialect.forced_tools:
            self.lost.append("tool_choice")
            mode = "auto"
        elif mode == "named" and not self._dialect.named_tools:
            # A choice of one is the same.
            mode, allowed = "required", {name}
        tools = [
            written
            for tool in self._request.tools
            if not allowed or tool.name in allowed
            for written in self._tool(tool)
        ]
        if not tools:
            return [], {}
        parallel = self._request.parallel_tools
        if wanted is None and parallel is not False:
            return tools, {}
        kinds = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}
        choice: Json = {"type": kinds[mode]}
        if mode == "named":
            choice["name"] = name
        if parallel is False and mode != "none":
            if self._dialect.parallel_switch:
                choice["disable_parallel_tool_use"] = True
            else:
                self.lost.append("parallel_tools")
        return tools, choice

    def _tool(self, tool: Tool) -> list[Any]:
        if tool.kind == "hosted":
            if tool.wire == WIRE:
                return [tool.raw]
            self.lost.append(f"tools.{tool.name}")
            return []
        if tool.kind == "custom":
            raise CannotExpressError("a tool that takes free text")
        schema = tool.parameters or NO_PARAMETERS
        if "type" not in schema:
            schema = {"type": "object", **schema}
        written: Json = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        written["input_schema"] = schema
        if tool.strict:
            lowered, whole = lower(schema, self._profile)
            if whole:
                written["input_schema"] = lowered
                written["strict"] = True
            else:
                self.lost.append(f"tools.{tool.name}.strict")
        if tool.cache:
            written["cache_control"] = {"type": "ephemeral"}
            if tool.cache != "5m":
                written["cache_control"]["ttl"] = "1h"
            self.marks.append(written)
        return [written]

    def thinking(self, body: Json) -> None:
        """Put in how much to think, where the host and the rest of the body allow it."""
        wanted = self._request.thinking
        if wanted is None:
            return
        fixed = self._request.max_output is not None
        told, effort, limit, whole = write_thinking(
            wanted, self._dialect, body["max_tokens"], fixed
        )
        if not whole:
            self.lost.append("thinking")
        if effort is not None:
            body.setdefault("output_config", {})["effort"] = effort
        if not told:
            return
        on = told["type"] != "disabled"
        if on and body.get("tool_choice", {}).get("type") in ("any", "tool"):
            # Hosts refuse to think where a call is forced; the call is what the client needs.
            if effort is None:
                self.lost.append("thinking")
            return
        if told["type"] == "enabled" and amid_foreign_loop(body["messages"]):
            # The turn that called the tools was another host's: thoughts may only begin a turn.
            return
        body["thinking"] = told
        body["max_tokens"] = limit

    def output(self, body: Json) -> None:
        """Put in the form that the answer must have."""
        form = self._request.output
        if form is None or form.kind == "text":
            return
        if form.kind == "json" or form.schema is None or self._dialect.structured != "schema":
            self.lost.append("output")
            return
        self._schema(form, body)

    def _schema(self, form: OutputFormat, body: Json) -> None:
        schema, whole = lower(form.schema or {}, self._profile)
        if not whole:
            self.lost.append("output")
        body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}

    def sampling(self, body: Json) -> None:
        """Put in the temperature and its like, as far as the wire's rules let them stand."""
        request = self._request
        thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
        temperature = request.temperature
        if temperature == 1 and request.top_p not in (None, 1):
            # One is the default, and only one of the two may be said.
            temperature = None
        if temperature is not None:
            clamped = min(max(temperature, 0), 1)
            if clamped != temperature or (thinks and clamped != 1):
                self.lost.append("temperature")
            if not thinks:
                body["temperature"] = clamped
        if request.top_p is not None and request.top_p != 1:
            if thinks or "temperature" in body:
                self.lost.append("top_p")
            else:
                body["top_p"] = request.top_p
        if request.top_k is not None:
            if thinks:
                self.lost.append("top_k")
            else:
                body["top_k"] = request.top_k
        if request.presence_penalty:
            self.lost.append("presence_penalty")
        if request.frequency_penalty:
            self.lost.append("frequency_penalty")

    def rest(self, body: Json) -> None:
        """Put in the fields that are as they are, and name those that have no place."""
        request = self._request
        stops = [stop for stop in request.stop if stop.strip()]
        limit = self._dialect.max_stops
        stops = stops if limit is None else stops[:limit]
        if len(stops) < len(request.stop):
            self.lost.append("stop")
        if stops:
            body["stop_sequences"] = stops
        if request.user:
            body["metadata"] = {"user_id": request.user}
        if request.service_tier:
            tier = TIERS.get(request.service_tier)
            if tier is None:
                self.lost.append("service_tier")
            else:
                body["service_tier"] = tier
        if request.stream:
            body["stream"] = True
        if request.n > 1:
            self.lost.append("n")
        if request.logprobs:
            self.lost.append("logprobs")
        self.lost += [name for name in UNKNOWN_HERE if getattr(request, name) not in (None, "")]
        self._extras(body)

    def _extras(self, body: Json) -> None:
        for name, value in self._request.extras.items():
            if self._request.wire != WIRE:
                self.lost.append(name)
            elif name.startswith("output_config."):
                body.setdefault("output_config", {})[name.partition(".")[2]] = value
            elif "." in name:
                self.lost.append(name)
            else:
                body[name] = value

    def limit_marks(self) -> None:
        """Keep the last marks that the wire allows: they cover the longest prefixes."""
        for block in self.marks[:-MAX_MARKS]:
            del block["cache_control"]
            self.lost.append("cache")

    def apply_dialect(self, body: Json) -> None:
        """Leave out what the host refuses."""
        for name in [name for name in body if name in self._dialect.refuses]:
            value = body.pop(name)
            # One is what such hosts do anyway.
            if name != "temperature" or value != 1:
                self.lost.append("output" if name == "output_config" else OURS.get(name, name))
