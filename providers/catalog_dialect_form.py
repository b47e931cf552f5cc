"""The YAML form of a dialect: how a host deviates from a wire, always or under a condition."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from providers.catalog_values import Dotted, Exact, Form, decimal
from providers.errors import ErrorKind
from providers.schema_profiles import PROFILES

WireName = Literal[
    "chat",
    "responses",
    "messages",
    "gemini",
    "converse",
    "cohere",
    "completions",
    "embeddings",
    "rerank",
]
Condition = Literal["thinks", "not_thinks", "tools", "stream"]


def _profile(text: str) -> str:
    if text not in PROFILES:
        raise ValueError(
            f"`{text}` is no schema profile; known here: {', '.join(sorted(PROFILES))}"
        )
    return text


def _error_kind(text: str) -> str:
    if text not in set(ErrorKind):
        raise ValueError(f"`{text}` is no kind of error; known here: {', '.join(ErrorKind)}")
    return text


def _amount(text: str) -> str:
    decimal(text)
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as fault:
        raise ValueError(f"`{text}` is not a regular expression: {fault}") from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
Kind = Annotated[str, AfterValidator(_error_kind)]


class RangeForm(Form):
    """The figures that a field may have; another one is moved to the nearest.

    ``alters`` False: that changes no answer (a limit above what the model can say at all).
    """

    at_least: Exact | None = None
    at_most: Exact | None = None
    alters: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> RangeForm:
        if self.at_least is None and self.at_most is None:
            raise ValueError("bounds nothing; write `at_least:` or `at_most:`")
        return self


class DialectFields(Form):
    """What can be said of a dialect, as ``providers.dialect`` says; a path is written with dots."""

    source: list[str] = Field(min_length=1)
    note: str = ""
    thinks: Literal["always", "by_default", "when_asked", "never"] | None = None
    refuses: list[str] | None = None
    rename: dict[str, Dotted] | None = None
    drops: list[Dotted] | None = None
    allows: dict[Dotted, list[Any]] | None = None
    clamps: dict[Dotted, RangeForm] | None = None
    defaults: dict[Dotted, Any] | None = None
    sets: dict[Dotted, Any] | None = None
    structured: Literal["schema", "json", "none"] | None = None
    forced_tools: bool | None = None
    named_tools: bool | None = None
    schema_profile: Annotated[str, AfterValidator(_profile)] | None = None
    tool_ids: Pattern | None = None
    image_urls: bool | None = None
    efforts: dict[str, str] | None = None
    thinking_off: bool | None = None
    max_output: Annotated[int, Field(gt=0)] | None = None
    max_stops: Annotated[int, Field(ge=0)] | None = None
    error_kinds: dict[str, Kind] | None = None
    ask_stream_usage: bool | None = None
    developer_role: bool | None = None
    tool_choice_words: dict[str, str] | None = None
    replay_reasoning: str | None = None
    think_tags: bool | None = None
    repair_tool_calls: bool | None = None
    parallel_switch: bool | None = None
    cache_marks: bool | None = None
    takes: list[str] | None = None
    strips: list[str] | None = None
    thinking_switch: Literal["type", "enable"] | None = None
    prefill_flag: str | None = None
    thinking: Literal["adaptive", "budget", "level", "none"] | None = None
    mid_system: bool | None = None
    version: str | None = None
    names_model: bool | None = None
    prefill: bool | None = None
    call_ids: bool | None = None
    tool_result_images: bool | None = None
    effort_path: Dotted | None = None
    top_k_path: Dotted | None = None
    reasoning: Literal["inside", "beside"] | None = None
    audio: Literal["inside", "beside"] | None = None
    search_paths: list[Dotted] | None = None
    searches: Literal["each", "answer"] | None = None
    cached_read_paths: list[Dotted] | None = None
    cached_write_paths: list[Dotted] | None = None
    reasoning_paths: list[Dotted] | None = None
    extra_input_paths: list[Dotted] | None = None
    extra_cached_paths: list[Dotted] | None = None
    extra_output_paths: list[Dotted] | None = None
    cost_path: Dotted | None = None
    usage_path: Dotted | None = None
    zone_hours: float | None = None
    cost_unit: Annotated[str, AfterValidator(_amount)] | None = None


class CaseForm(DialectFields):
    """What is different while all of ``when`` is so of the request."""

    when: list[Condition] = Field(min_length=1)


class DialectForm(DialectFields):
    """How one deviates from a wire; ``cases`` stand above the rest, the later above the earlier."""

    cases: list[CaseForm] = Field(default_factory=list)


class SpeechForm(Form):
    """Deviations on every wire, and those of one wire, which stand above them."""

    dialect: DialectForm | None = None
    dialects: dict[WireName, DialectForm] = Field(default_factory=dict)
