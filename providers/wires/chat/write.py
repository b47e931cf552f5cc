"""Writes a request in the neutral form for a host of the chat wire."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from providers import ir
from providers.dialect import Dialect
from providers.schemas import lower
from providers.wires.chat.checks import TIERS
from providers.wires.chat.marks import with_mark
from providers.wires.chat.write_messages import write_messages
from providers.wires.wire import Json, Written

# Field of ``ir.Request`` -> the wire's name for it, for those that go over as they are.
SAME = {
    "temperature": "temperature",
    "top_p": "top_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "logit_bias": "logit_bias",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
    "verbosity": "verbosity",
    "metadata": "metadata",
    "cache_key": "prompt_cache_key",
}
USER_MAX_CHARS = 64
# A budget of thought below so many tokens is this effort; above all of them it is "high".
EFFORT_BELOW: tuple[tuple[int, ir.Effort], ...] = ((1, "none"), (8192, "low"), (16384, "medium"))
NO_PARAMETERS: Json = {"type": "object", "properties": {}}


def write(request: ir.Request, model: str, dialect: Dialect) -> Written:
    """Return the body for a host and what of the request is not in it.

    Raises ``CannotExpressError`` for a part of a message that the wire has no words for.
    """
    return _Writing(request, dialect).whole(model)


class _Writing:
    """One body on its way; ``lost`` names what it cannot say."""

    def __init__(self, request: ir.Request, dialect: Dialect) -> None:
        self.request = request
        self.dialect = dialect
        self.body: Json = {}
        self.lost: list[str] = list(request.extras)
        # The wire's name of each field in the body -> the request's.
        self.ours: dict[str, str] = {}

    def whole(self, model: str) -> Written:
        request, dialect = self.request, self.dialect
        for ours, name in SAME.items():
            value = getattr(request, ours)
            if value is not None and value != "":
                self.put(ours, name, value)
        self.put("max_output", "max_completion_tokens", request.max_output or dialect.max_output)
        if request.n > 1:
            self.put("n", "n", request.n)
        self.choose_words()
        self.tools()
        self.output()
        self.thinking()
        body: Json = {"model": model, "messages": write_messages(request, dialect, self.lost)}
        for name, value in self.body.items():
            theirs = dialect.rename.get(name, name)
            if theirs in dialect.refuses:
                self.lost.append(self.ours[name])
            else:
                body[name] = value
        if request.stream:
            body["stream"] = True
            if dialect.ask_stream_usage:
                body["stream_options"] = {"include_usage": True}
        return Written(body, tuple(dict.fromkeys(self.lost)))

    def put(self, ours: str, name: str, value: Any) -> None:
        if value is not None:
            self.body[name] = value
            self.ours[name] = ours

    def choose_words(self) -> None:
        request, dialect = self.request, self.dialect
        if request.stop:
            most = len(request.stop) if dialect.max_stops is None else dialect.max_stops
            if most < len(request.stop):
                self.lost.append("stop")
            self.put("stop", "stop", list(request.stop[:most]) or None)
        if request.top_k is not None:
            if "top_k" in dialect.takes:
                self.put("top_k", "top_k", request.top_k)
            else:
                self.lost.append("top_k")
        if request.service_tier in TIERS:
            self.put("service_tier", "service_tier", request.service_tier)
        elif request.service_tier:
            self.lost.append("service_tier")
        if request.user:
            # Longer names are refused; some clients put an account and a session in it.
            short = len(request.user) <= USER_MAX_CHARS
            hashed = sha256(request.user.encode("utf-8", "surrogatepass")).hexdigest()
            self.put("user", "user", request.user if short else hashed)

    def tools(self) -> None:
        request, dialect = self.request, self.dialect
        choice = request.tool_choice
        tools = []
        for tool in request.tools:
            if tool.kind == "hosted":
                self.lost.append(f"tools.{tool.name}")
            else:
                tools.append(tool)
        if choice is not None and choice.allowed:
            tools = [tool for tool in tools if tool.name in choice.allowed]
        word: Any = self.choice(choice, tools) if choice is not None else None
        if isinstance(word, list):
            tools, word = word, dialect.tool_choice_words.get("required", "required")
        if not tools:
            if choice is not None and choice.mode in ("required", "named"):
                self.lost.append("tool_choice")
            return
        self.put("tools", "tools", [self.tool(tool) for tool in tools])
        self.put("tool_choice", "tool_choice", word or None)
        if request.parallel_tools is not None:
            if dialect.parallel_switch:
                self.put("parallel_tools", "parallel_tool_calls", request.parallel_tools)
            elif not request.parallel_tools:
                self.lost.append("parallel_tools")

    def choice(self, choice: ir.ToolChoice, tools: list[ir.Tool]) -> Any:
        """Return the word or object for a choice; a list of tools where one must be called."""
        words = self.dialect.tool_choice_words
        if choice.mode in ("auto", "none"):
            word = words.get(choice.mode, choice.mode)
            return [] if not word and choice.mode == "none" else word
        if not self.dialect.forced_tools:
            self.lost.append("tool_choice")
            return None
        if choice.mode == "required":
            return words.get("required", "required")
        chosen = [tool for tool in tools if tool.name == choice.name]
        if not chosen:
            self.lost.append("tool_choice")
            return None
        if not self.dialect.named_tools:
            return chosen
        kind = "custom" if chosen[0].kind == "custom" else "function"
        return {"type": kind, kind: {"name": _flat(chosen[0])}}

    def tool(self, tool: ir.Tool) -> Json:
        if tool.cache and not self.dialect.cache_marks:
            self.lost.append("cache")
        cache = tool.cache if self.dialect.cache_marks else ""
        said: Json = {"name": _flat(tool)}
        if tool.description:
            said["description"] = tool.description
        if tool.kind == "custom":
            if tool.format is not None:
                said["format"] = tool.format
            return with_mark({"type": "custom", "custom": said}, cache)
        said["parameters"], kept = self.lowered(tool.parameters or NO_PARAMETERS)
        if tool.strict is not None and self.dialect.schema_profile != "plain":
            # A schema that had to be loosened cannot be kept to strictly.
            said["strict"] = tool.strict and kept
        return with_mark({"type": "function", "function": said}, cache)

    def output(self) -> None:
        output = self.request.output
        if output is None or output.kind == "text":
            return
        keeps = self.dialect.structured
        if keeps == "none" or (output.kind == "schema" and keeps == "json"):
            self.lost.append("output")
        if keeps == "none":
            return
        if output.kind == "json" or keeps == "json":
            self.put("output", "response_format", {"type": "json_object"})
            return
        schema, kept = self.lowered(output.schema or {})
        if not kept:
            self.lost.append("output")
        said: Json = {"name": output.name or "output", "schema": schema}
        if output.description:
            said["description"] = output.description
        if output.strict is not None and self.dialect.schema_profile != "plain":
            said["strict"] = output.strict
        self.put("output", "response_format", {"type": "json_schema", "json_schema": said})

    def lowered(self, schema: Json) -> tuple[Json, bool]:
        return lower(schema, self.dialect.schema_profile)

    def thinking(self) -> None:
        thinking, dialect = self.request.thinking, self.dialect
        if thinking is None:
            return
        effort = thinking.effort
        if effort is None and thinking.budget is not None:
            effort = effort_of(thinking.budget)
        if effort == "none" and not dialect.thinking_off:
            self.lost.append("thinking")
            return
        if dialect.thinking_switch and (effort is not None or thinking.adaptive):
            self.switch(effort, thinking.budget)
        if effort is None:
            return
        word = dialect.efforts.get(effort, effort)
        if word and not (effort == "none" and dialect.thinking_switch):
            self.put("thinking", "reasoning_effort", word)
        elif not word and not dialect.thinking_switch:
            self.lost.append("thinking")

    def switch(self, effort: ir.Effort | None, budget: int | None) -> None:
        on = effort != "none"
        if self.dialect.thinking_switch == "type":
            self.put("thinking", "thinking", {"type": self.word_for_on() if on else "disabled"})
            return
        self.put("thinking", "enable_thinking", on)
        if on and budget:
            self.put("thinking", "thinking_budget", budget)

    def word_for_on(self) -> str:
        """Return "enabled", or the other word where the host takes only that."""
        allowed = self.dialect.allows.get(("thinking", "type"), ("enabled",))
        return "adaptive" if "enabled" not in allowed and "adaptive" in allowed else "enabled"


def effort_of(budget: int) -> ir.Effort:
    """Return the effort that a budget of thought amounts to, in tokens."""
    return next((effort for below, effort in EFFORT_BELOW if budget < below), "high")


def _flat(tool: ir.Tool) -> str:
    return f"{tool.namespace}__{tool.name}" if tool.namespace else tool.name
