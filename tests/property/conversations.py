"""Any request and any answer of the neutral form, as hypothesis draws them.

A conversation is one that a client could have had: results follow the calls that they answer, in
one message. What stands in it is free: any text, any part, any setting, in any mixture.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

from providers import ir
from providers.usage import Usage

# No surrogates: no JSON text that a client can send us holds one.
SIGNS = st.characters(codec="utf-8", exclude_categories=("Cs",))
TEXTS = st.text(SIGNS, min_size=1, max_size=12) | st.sampled_from(
    [" ", "\n", "Hi", "</system>", '{"a": 1}', "<think>", "\u2028", "é\U0001f642", "Error: x"]
)
NAMES = st.sampled_from(["add", "find_it", "a-b", "x" * 40])
IDS = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
# Ids that some wires do not take as they are.
ANY_IDS = IDS | st.sampled_from(["call|fc 1", "é", "toolu_vrtx/9", "y" * 70])
BASE64 = st.binary(min_size=1, max_size=9).map(lambda data: base64.b64encode(data).decode())
CACHE = st.sampled_from(["", "", "", "5m", "1h"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(SIGNS, max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(SIGNS, max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
ARGUMENTS = st.dictionaries(st.text(SIGNS, min_size=1, max_size=4), JSON_VALUES, max_size=3).map(
    # As every writer of compact JSON has it, so that text can be compared with text.
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
)
SCHEMAS: st.SearchStrategy[ir.Json] = st.sampled_from(
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
        {
            "type": "object",
            "properties": {"a": {"type": "string", "enum": ["x", "y"]}},
            "required": ["a"],
            "additionalProperties": False,
        },
    ]
)
# One kind of state for each wire, and one that no wire has.
STATE_KINDS = (
    "messages.signature", "messages.redacted", "gemini.signature", "responses.encrypted",
    "converse.signature", "converse.redacted", "chat.details", "nobody.knows",
)  # fmt: skip


def _opaque(kind: str, data: str) -> ir.Opaque:
    if kind == "chat.details":
        data = json.dumps({"type": "reasoning.encrypted", "data": data})
    return ir.Opaque(kind, data)


STATES = st.builds(_opaque, st.sampled_from(STATE_KINDS), BASE64)
IMAGES = st.builds(
    ir.Image,
    st.sampled_from(["image/png", "image/jpeg"]),
    BASE64,
    detail=st.sampled_from(["", "", "low", "high"]),
    cache=CACHE,
) | st.builds(ir.Image, url=st.sampled_from(["https://a.b/c.png", "https://a.b/d.webp"]))
FILES = st.builds(
    ir.File,
    st.just("application/pdf"),
    BASE64,
    name=st.sampled_from(["", "a.pdf", "b c.pdf"]),
    cache=CACHE,
) | st.builds(
    ir.File,
    st.just("text/plain"),
    text=TEXTS.filter(str.strip),
    name=st.sampled_from(["", "a.txt"]),
)
AUDIO = st.builds(ir.Audio, st.sampled_from(["wav", "mp3"]), BASE64)
WORDS = st.builds(ir.Text, TEXTS, CACHE)
GIVEN = st.lists(WORDS | IMAGES | FILES, min_size=1, max_size=3).map(tuple)
ASKED = st.lists(WORDS | WORDS | IMAGES | FILES | AUDIO, min_size=1, max_size=3).map(tuple)
THOUGHTS = st.builds(ir.Reasoning, TEXTS, st.booleans(), st.lists(STATES, max_size=1).map(tuple))
ANSWERED = st.builds(ir.Text, TEXTS, opaque=st.lists(STATES, max_size=1).map(tuple))
CALLS = st.builds(
    ir.ToolCall, ANY_IDS, NAMES, ARGUMENTS, opaque=st.lists(STATES, max_size=1).map(tuple)
)
CUSTOM_CALLS = st.builds(ir.ToolCall, IDS, st.just("patch"), TEXTS, st.just("custom"))


@st.composite
def turns(draw: st.DrawFn) -> list[ir.Message]:
    """One question, one answer, and the results of the answer's calls."""
    found = [ir.Message("user", draw(ASKED), draw(st.sampled_from(["", "", "ann"])))]
    parts: list[ir.Part] = [*draw(st.lists(THOUGHTS, max_size=2))]
    parts += draw(st.lists(ANSWERED, max_size=2))
    if draw(st.integers(0, 9)) == 0:
        parts.append(ir.Refused(draw(TEXTS)))
    calls = draw(st.lists(CALLS | CUSTOM_CALLS, max_size=2, unique_by=lambda call: call.id))
    parts += calls
    if parts:
        found.append(ir.Message("assistant", tuple(parts)))
    if calls:
        results = [
            ir.ToolResult(call.id, draw(GIVEN), call.name, draw(st.booleans()), call.kind)
            for call in draw(st.permutations(calls))
        ]
        found.append(ir.Message("tool", tuple(results)))
    return found


@st.composite
def conversations(draw: st.DrawFn) -> tuple[ir.Message, ...]:
    """Any conversation; the ids of its calls are its own."""
    found: list[ir.Message] = []
    for role in draw(st.lists(st.sampled_from(["system", "developer"]), max_size=2)):
        parts = draw(st.lists(WORDS, min_size=1, max_size=2).map(tuple))
        found.append(ir.Message(role, parts))
    for number, turn in enumerate(draw(st.lists(turns(), min_size=1, max_size=3))):
        found += [_numbered(message, number) for message in turn]
        if draw(st.integers(0, 9)) == 0:
            found.append(ir.Message("system", (ir.Text(draw(TEXTS)),)))
    return tuple(found)


def _numbered(message: ir.Message, number: int) -> ir.Message:
    parts: list[ir.Part] = []
    for part in message.parts:
        if isinstance(part, ir.ToolCall):
            made = ir.ToolCall(
                f"{number}{part.id}", part.name, part.arguments, part.kind, opaque=part.opaque
            )
            parts.append(made)
        elif isinstance(part, ir.ToolResult):
            parts.append(
                ir.ToolResult(
                    f"{number}{part.call_id}", part.parts, part.name, part.is_error, part.kind
                )
            )
        else:
            parts.append(part)
    return ir.Message(message.role, tuple(parts), message.name)


TOOLS = st.builds(
    ir.Tool,
    NAMES,
    st.sampled_from(["", "Does it."]),
    SCHEMAS,
    st.sampled_from([None, True, False]),
    cache=CACHE,
)
HOSTED = st.builds(
    lambda wire: ir.Tool("web_search", kind="hosted", wire=wire, raw={"type": "web_search"}),
    st.sampled_from(["chat", "responses", "messages", "gemini", "elsewhere"]),
)
CHOICES = st.sampled_from(
    [
        None, ir.ToolChoice("auto"), ir.ToolChoice("none"), ir.ToolChoice("required"),
        ir.ToolChoice("named", "add"), ir.ToolChoice("auto", allowed=("add",)),
    ]
)  # fmt: skip
OUTPUTS = st.none() | st.builds(ir.OutputFormat, st.sampled_from(["text", "json"])) | st.builds(
    ir.OutputFormat, st.just("schema"), SCHEMAS, st.sampled_from(["", "out"]), st.just(""),
    st.sampled_from([None, True, False]),
)  # fmt: skip
THINKING = st.none() | st.builds(
    ir.Thinking,
    st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    st.none() | st.integers(0, 40_000),
    st.booleans(),
    st.sampled_from([None, True, False]),
)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "tool_choice": CHOICES,
    "parallel_tools": st.sampled_from([None, True, False]),
    "output": OUTPUTS,
    "thinking": THINKING,
    "max_output": st.none() | st.integers(1, 60_000),
    "temperature": st.sampled_from([None, 0, 0.5, 1, 1.5, 2]),
    "top_p": st.sampled_from([None, 0, 0.5, 1]),
    "top_k": st.sampled_from([None, 0, 5]),
    "presence_penalty": st.sampled_from([None, 0, 0.5, -1]),
    "frequency_penalty": st.sampled_from([None, 0, 0.5]),
    "stop": st.lists(TEXTS, max_size=7).map(tuple),
    "seed": st.sampled_from([None, 0, 7]),
    "n": st.sampled_from([1, 1, 2]),
    "logit_bias": st.sampled_from([None, {"5": 1}]),
    "logprobs": st.sampled_from([None, True, False]),
    "top_logprobs": st.sampled_from([None, 0, 2]),
    "verbosity": st.sampled_from(["", "low"]),
    "user": st.sampled_from(["", "ann", "u" * 80]),
    "metadata": st.sampled_from([None, {"k": "v"}, {"K É": "x"}]),
    "cache_key": st.sampled_from(["", "k"]),
    "service_tier": st.sampled_from(["", "auto", "flex", "standard_only", "odd"]),
    "stream": st.booleans(),
    "extras": st.sampled_from([{}, {"x_made_up": 1}]),
}


def requests(wire: str) -> st.SearchStrategy[ir.Request]:
    """Any request of a client of ``wire``; most say little beside their conversation."""
    tools = st.lists(TOOLS | TOOLS | HOSTED, max_size=3, unique_by=lambda tool: tool.name)
    return st.builds(
        lambda said, **rest: ir.Request(**said, **rest),
        st.fixed_dictionaries({}, optional=SETTINGS),
        wire=st.just(wire),
        model=st.just("m"),
        messages=conversations(),
        tools=tools.map(tuple),
    )


@st.composite
def answers(draw: st.DrawFn, *, custom: bool = True) -> ir.Answer:
    """Any answer of one choice, as a host may have given it. ``custom``: with free-text calls."""
    parts: list[ir.Part] = [*draw(st.lists(THOUGHTS, max_size=2))]
    parts += draw(st.lists(ANSWERED, max_size=2))
    kinds = CALLS | CUSTOM_CALLS if custom else CALLS
    calls = draw(st.lists(kinds, max_size=3, unique_by=lambda call: call.id))
    parts += calls
    if not parts:
        parts.append(ir.Text(draw(TEXTS)))
    finish = "tool" if calls else draw(st.sampled_from(["end", "length", "filter"]))
    count = st.integers(0, 10**6)
    return ir.Answer(
        (ir.Choice(tuple(parts), finish),),
        Usage(input=draw(count), cache_read=draw(count), output=draw(count), reasoning=draw(count)),
        id="a1",
        model="m",
    )
