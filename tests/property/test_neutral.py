"""Any request, on every wire: what is written can be read again, and nothing is lost in silence.

Three things hold. **Conserved**: every text, picture, document, call and result of the request
stands in the host's body, in its turn, or the writer says that it cannot be said. **Kept**: every
setting is read back as it was, or ``Written.lost`` names it, or it stands in ``ALTERED`` below with
the reason. **Settled**: what went through the wire twice goes through it any number of times unchanged.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from gateway.handback import for_route
from providers import emulate, ir
from providers.dialect import Dialect
from providers.wires.registry import WIRES
from providers.wires.wire import CannotExpressError, Written
from tests.fakes.spoken import HOST_WIRES
from tests.property.conversations import requests

CLIENT_WIRES = ("chat", "responses", "messages", "gemini")
DIALECTS: dict[str, tuple[Dialect, ...]] = {
    "chat": (
        Dialect(),
        Dialect(cache_marks=True, developer_role=False, takes=frozenset({"top_k"})),
    ),
    "responses": (Dialect(), Dialect(cache_marks=True)),
    "messages": (
        Dialect(),
        Dialect(thinking="adaptive", mid_system=True, max_output=8192),
        Dialect(thinking="budget", max_output=8192),
    ),
    "gemini": (
        Dialect(),
        Dialect(thinking="level", schema_profile="gemini-json"),
        Dialect(thinking="budget", call_ids=False),
    ),
    "converse": (Dialect(), Dialect(thinking="adaptive", tool_result_images=False)),
    "cohere": (Dialect(), Dialect(thinking="none")),
}
EXAMPLES = [7, pytest.param(800, marks=pytest.mark.slow)]
examples = pytest.mark.parametrize("examples", EXAMPLES)
each_host = pytest.mark.parametrize("host", HOST_WIRES)

# Of a setting that is neither kept as it was nor lost: how each wire says it in another way.
EVERYWHERE: Mapping[str, str] = {
    "wire": "it is the reader's",
    "model": "it is the host's",
    "messages": "judged by themselves",
    "tools": "judged by themselves",
    "extras": "each is lost or the wire's own",
    "tool_choice": "says nothing without tools; what is allowed may be all that is declared",
    "parallel_tools": "says nothing without tools",
    "thinking": "an effort and a budget of tokens are put into each other",
    "output": "text is what comes anyway; a schema gets a name where one is needed",
    "user": "too long a name is hashed",
    "stop": "a stop without a sign in it ends nothing",
}
ALTERED: Mapping[str, Mapping[str, str]] = {
    "chat": {},
    "responses": {
        "max_output": "the API wants at least 16",
        "top_k": "0 sets no limit",
        "logprobs": "False is what comes anyway",
        "top_logprobs": "says nothing without logprobs",
        "presence_penalty": "0 is none",
        "frequency_penalty": "0 is none",
        "metadata": "an empty one says nothing",
    },
    "messages": {
        "max_output": "the wire must have one, and thoughts count in it",
        "temperature": "1 is what comes anyway, and only one of the two may be said",
        "top_p": "1 is what comes anyway",
        "service_tier": "default is standard_only here",
        "presence_penalty": "0 is none",
        "frequency_penalty": "0 is none",
        "logprobs": "False is what comes anyway",
    },
    "gemini": {
        "stream": "it stands in the address",
        "service_tier": "auto is what comes anyway",
        "parallel_tools": "judged by the lane",
        "logit_bias": "an empty one says nothing",
        "metadata": "an empty one says nothing",
        "n": "1 is what comes anyway",
    },
}
# Why a wire may refuse to say a part of a message, by words in the writer's own.
UNSAYABLE = (
    "audio", "image by URL", "picture by its address", "by URL", "document", "file", "free text",
    "go on with", "audio in", "an image in",
)  # fmt: skip


def prepared(request: ir.Request, host: str) -> ir.Request:
    """Return a request as the gateway gives it to a writer: no foreign state, no custom tools."""
    # Every state here is this very host's own; what its wire does not know it ignores.
    mine, _ = for_route(request, "r/m", lambda _state: "r/m", lambda _id: None)
    if not WIRES[host].custom_tools:
        mine, _ = emulate.without_custom_tools(mine)
    return mine


def written(request: ir.Request, host: str, dialect: Dialect) -> Written | None:
    """Return the body of a request; None where a part of it cannot be said."""
    try:
        return WIRES[host].host.write(request, "m", dialect)
    except CannotExpressError as fault:
        what = fault.what
    assert any(words in what for words in UNSAYABLE), what
    return None


def flat(value: Any) -> str:
    """Return every text in a body, decoded where it is base64 of a text or JSON in a text."""
    found: list[str] = []

    def walk(inner: Any) -> None:
        if isinstance(inner, dict):
            for name, item in inner.items():
                found.append(name)
                walk(item)
        elif isinstance(inner, list):
            for item in inner:
                walk(item)
        elif isinstance(inner, str):
            found.append(inner)
            data = inner.partition(";base64,")[2] or inner
            with contextlib.suppress(ValueError):
                found.append(base64.b64decode(data, validate=True).decode())
            if inner[:1] in ("{", "["):
                with contextlib.suppress(ValueError):
                    walk(json.loads(inner))
        else:
            found.append(json.dumps(inner))

    walk(value)
    return "\x1f".join(found)


def content_of(request: ir.Request) -> list[str]:
    """Return what must not get lost of a conversation, in order, as text of some kind."""
    found: list[str] = []
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ir.ToolResult):
                found += [words for inner in part.parts for words in _said(inner)]
            else:
                found += _said(part)
    return found


def _said(part: ir.Part) -> list[str]:
    if isinstance(part, ir.Text | ir.Refused):
        # A text without a word in it is refused by some wires, and what ends a prompt is cut.
        return [part.text.rstrip()] if part.text.strip() else []
    if isinstance(part, ir.Image | ir.File):
        return [part.data or part.url or part.text.rstrip()]
    if isinstance(part, ir.Audio):
        return [part.data]
    if isinstance(part, ir.ToolCall):
        return [part.name]
    return []


@each_host
@examples
def test_nothing_of_a_conversation_is_lost_in_silence(host: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(asked=requests("elsewhere"))
    def holds(asked: ir.Request) -> None:
        request = prepared(asked, host)
        before = msgspec.json.encode(request)
        for dialect in DIALECTS[host]:
            made = written(request, host, dialect)
            assert msgspec.json.encode(request) == before, "the writer changed its request"
            if made is None:
                continue
            json.dumps(made.body)
            assert len(made.lost) == len(set(made.lost))
            body = flat(made.body)
            for words in content_of(request):
                assert words in body or _as_object(words, made.body), words
            _in_order(request, flat(made.body[TURNS.get(host, "messages")]))
            _calls_and_results(request, body, host, dialect)
            for name in request.extras:
                assert name in made.lost or name in made.body
            for tool in request.tools:
                said = f"tools.{tool.name}" in made.lost or tool.name in body
                assert said or _left_aside(request, made), tool.name
            for name in ("top_k", "seed", "n", "logit_bias", "cache_key", "verbosity", "metadata"):
                value = getattr(request, name)
                # A top_k of 0 sets no limit.
                idle = value in (None, "", {}) or (name, value) in (("n", 1), ("top_k", 0))
                assert idle or name in made.lost or _says(body, name, value), name

    holds()


def _as_object(words: str, body: Any) -> bool:
    """Whether a text that is a JSON object stands in a body as that very object."""
    try:
        wanted = json.loads(words)
    except ValueError:
        return False
    return isinstance(wanted, dict) and _stands_in(wanted, body)


def _stands_in(wanted: ir.Json, value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value == wanted or any(_stands_in(wanted, item) for item in inner)


TURNS = {"responses": "input", "gemini": "contents"}


def _in_order(request: ir.Request, body: str) -> None:
    """What user and model said stands in the order in which they said it."""
    at = 0
    for message in request.messages:
        if message.role in ("user", "assistant"):
            for part in message.parts:
                if isinstance(part, ir.Text) and part.text.strip():
                    words = part.text.rstrip()
                    found = body.find(words, at)
                    assert found >= 0, words
                    at = found + len(words)


def _calls_and_results(request: ir.Request, body: str, host: str, dialect: Dialect) -> None:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ir.ToolCall) and part.kind == "function":
                for name in json.loads(part.arguments):
                    # A call that is told in words has its arguments as they were written.
                    assert name in body or part.arguments in body, name
            if isinstance(part, ir.ToolResult) and part.is_error:
                assert "rror" in body


def _left_aside(request: ir.Request, made: Written) -> bool:
    """Whether a choice leaves tools out, so that the model cannot call them."""
    choice = request.tool_choice
    return choice is not None and (bool(choice.allowed) or choice.mode in ("named", "none"))


def _says(body: str, name: str, value: Any) -> bool:
    if isinstance(value, dict):
        return all(str(inner) in body for inner in value)
    return str(value) in body


@pytest.mark.parametrize("host", CLIENT_WIRES)
@examples
def test_what_is_written_is_read_again(host: str, examples: int) -> None:
    wire = WIRES[host]
    altered = {**EVERYWHERE, **ALTERED[host]}

    @settings(max_examples=examples, deadline=None)
    @given(asked=requests(host))
    def holds(asked: ir.Request) -> None:
        request = prepared(asked, host)
        for dialect in DIALECTS[host]:
            made = written(request, host, dialect)
            if made is None:
                continue
            again = read(host, made)
            for name in request.__struct_fields__:
                if name in altered or name in made.lost:
                    continue
                assert getattr(again, name) == getattr(request, name), name
            assert spoken(again) == spoken(request)
            twice = read(host, wire.host.write(prepared(again, host), "m", dialect))
            thrice = read(host, wire.host.write(prepared(twice, host), "m", dialect))
            assert thrice == twice

    holds()


def read(host: str, made: Written) -> ir.Request:
    """Read a host's body as a client's; what stands in the address is put in."""
    body = json.loads(json.dumps(made.body))
    return replace(WIRES[host].front.read(body), model="m")


def spoken(request: ir.Request) -> list[tuple[str, str]]:
    """Return the calls in order, and after those of each turn which of them were answered.

    Calls are numbered, since some wires do not take every id.
    """
    out: list[tuple[str, str]] = []
    numbers: dict[str, int] = {}
    for message in request.messages:
        answered: list[tuple[str, str]] = []
        for part in message.parts:
            if isinstance(part, ir.ToolCall):
                number = numbers.setdefault(part.id, len(numbers))
                out.append(("call", f"{number:03} {part.name} {_plain(part)}"))
            elif isinstance(part, ir.ToolResult):
                answered.append(("result", f"{numbers[part.call_id]:03} {part.name}"))
        # Results stand in one message, where some wires want them in the order of the calls.
        out += sorted(answered)
    return out


def _plain(call: ir.ToolCall) -> str:
    if call.kind == "custom":
        return call.arguments
    return json.dumps(json.loads(call.arguments), sort_keys=True)


@examples
def test_converse_bodies_satisfy_the_service_model(examples: int) -> None:
    """The body is what botocore's own description of the operation allows."""
    loaders = pytest.importorskip("botocore.loaders", reason="botocore is not installed")
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    described = loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    shape = ServiceModel(described).operation_model("Converse").input_shape

    @settings(max_examples=examples, deadline=None)
    @given(asked=requests("elsewhere"))
    def holds(asked: ir.Request) -> None:
        for dialect in DIALECTS["converse"]:
            made = written(prepared(asked, "converse"), "converse", dialect)
            if made is None:
                continue
            report = ParamValidator().validate({"modelId": "m", **_bytes(made.body)}, shape)
            assert not report.has_errors(), report.generate_report()
            roles = [turn["role"] for turn in made.body["messages"]]
            assert roles[0] == "user"
            assert all(one != other for one, other in pairwise(roles))

    holds()


def _bytes(value: Any) -> Any:
    """Return a body as botocore is given it: blobs are bytes there, base64 on the wire."""
    if isinstance(value, dict):
        return {
            name: inner.encode()
            if name in ("bytes", "redactedContent") and isinstance(inner, str)
            else _bytes(inner)
            for name, inner in value.items()
        }
    return [_bytes(item) for item in value] if isinstance(value, list) else value


COHERE = {
    "model": str, "messages": list, "stream": bool, "tools": list, "tool_choice": str,
    "strict_tools": bool, "response_format": dict, "max_tokens": int, "temperature": (int, float),
    "p": (int, float), "k": int, "seed": int, "frequency_penalty": (int, float),
    "presence_penalty": (int, float), "stop_sequences": list, "logprobs": bool, "thinking": dict,
}  # fmt: skip


@examples
def test_cohere_bodies_have_the_documented_form(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(asked=requests("elsewhere"))
    def holds(asked: ir.Request) -> None:
        for dialect in DIALECTS["cohere"]:
            made = written(prepared(asked, "cohere"), "cohere", dialect)
            if made is None:
                continue
            body = made.body
            assert body.keys() <= COHERE.keys()
            for name, value in body.items():
                assert isinstance(value, COHERE[name])
            assert len(body.get("stop_sequences", [])) <= 5
            assert body.get("tool_choice") in (None, "REQUIRED", "NONE")
            assert not ("tools" in body and "response_format" in body)
            waiting: list[str] = []
            for message in body["messages"]:
                role = message["role"]
                assert role in ("system", "user", "assistant", "tool")
                if role == "tool":
                    waiting.remove(message["tool_call_id"])
                    assert isinstance(message["content"], str)
                    continue
                assert not waiting
                waiting = [call["id"] for call in message.get("tool_calls", [])]
                for part in message.get("content", []):
                    kind = part["type"] if isinstance(part, dict) else "text"
                    assert kind in ("text", "image_url", "thinking")
            assert not waiting

    holds()
