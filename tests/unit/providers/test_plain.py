"""The endpoints that are only relayed: what is read of the request and of the answer."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import Usage
from providers.wires import plain
from providers.wires.plain import COMPLETIONS, EMBEDDINGS, RERANK
from providers.wires.wire import BadRequestError, CannotExpressError, Context, Tap, Wire

PLAIN = Dialect()
Body = dict[str, Any]


def tapped(wire: Wire, body: Body, dialect: Dialect = PLAIN) -> Tap:
    return wire.passing.tap(msgspec.json.encode(body), dialect)


def test_a_completion_is_peeked() -> None:
    body = {
        "model": "coder",
        "prompt": "def f(",
        "suffix": "return 1",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 12,
        "n": 2,
    }
    peek = COMPLETIONS.front.peek(body, 99, "")
    assert (peek.model, peek.stream, peek.wants_usage) == ("coder", True, True)
    assert (peek.max_output, peek.n, peek.text_bytes) == (12, 2, 99)


@pytest.mark.parametrize(
    ("prompt", "answers"),
    [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), ([], 1)],
)
def test_each_prompt_has_its_own_answers(prompt: Any, answers: int) -> None:
    peek = COMPLETIONS.front.peek({"model": "m", "prompt": prompt}, 1, "")
    assert peek.n == answers
    more = COMPLETIONS.front.peek({"model": "m", "prompt": prompt, "best_of": 3}, 1, "")
    assert more.n == answers * 3


def test_a_scored_prompt_asks_for_no_output() -> None:
    body = {"model": "m", "prompt": "a", "echo": True, "max_tokens": 0}
    assert COMPLETIONS.front.peek(body, 1, "").max_output == 0


def test_embeddings_and_orders_have_no_output() -> None:
    peek = EMBEDDINGS.front.peek({"model": "m", "input": ["a", "b"], "stream": True}, 10, "")
    assert (peek.stream, peek.max_output, peek.n, peek.text_bytes) == (False, 0, 1, 10)
    body = {"model": "m", "query": "four", "documents": ["a", "b", "c"]}
    peek = RERANK.front.peek(body, 50, "")
    # The query is read with each document: twice more than it stands in the body.
    assert (peek.max_output, peek.text_bytes) == (0, 50 + 2 * len('"four"'))


@pytest.mark.parametrize(
    ("wire", "body", "param"),
    [
        (COMPLETIONS, {"prompt": "a"}, "model"),
        (COMPLETIONS, {"model": 3, "prompt": "a"}, "model"),
        (COMPLETIONS, {"model": "a\n", "prompt": "a"}, "model"),
        (COMPLETIONS, {"model": "m"}, "prompt"),
        (COMPLETIONS, {"model": "m", "prompt": {}}, "prompt"),
        (COMPLETIONS, {"model": "m", "prompt": "a", "stream": "yes"}, "stream"),
        (COMPLETIONS, {"model": "m", "prompt": "a", "n": 0}, "n"),
        (COMPLETIONS, {"model": "m", "prompt": "a", "n": True}, "n"),
        (COMPLETIONS, {"model": "m", "prompt": "a", "max_tokens": -1}, "max_tokens"),
        (COMPLETIONS, {"model": "m", "prompt": "a", "stream_options": []}, "stream_options"),
        (EMBEDDINGS, {"model": "m"}, "input"),
        (EMBEDDINGS, {"model": "m", "input": 1}, "input"),
        (EMBEDDINGS, {"model": "m", "input": "a", "dimensions": 0}, "dimensions"),
        (RERANK, {"model": "m", "query": "a"}, "documents"),
        (RERANK, {"model": "m", "query": "a", "documents": "b"}, "documents"),
        (RERANK, {"model": "m", "documents": ["b"]}, "query"),
    ],
)
def test_the_field_at_fault_is_named(wire: Wire, body: Body, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        wire.front.peek(body, 1, "")
    assert caught.value.param == param
    assert f"`{param}`" in caught.value.message


def test_a_body_goes_on_as_it_came_but_for_its_model() -> None:
    body = {"model": "coder", "prompt": "a", "suffix": "b", "odd": {"x": None}, "max_tokens": 3}
    sent = COMPLETIONS.passing.patch(body, "theirs", PLAIN)
    assert json.loads(sent) == {
        "model": "theirs", "prompt": "a", "suffix": "b", "odd": {"x": None}, "max_tokens": 3,
    }  # fmt: skip
    assert body["model"] == "coder"
    sent = EMBEDDINGS.passing.patch({"model": "m", "input": [1, 2], "stream": True}, "e", PLAIN)
    assert json.loads(sent) == {"model": "e", "input": [1, 2], "stream": True}


def test_a_stream_of_a_completion_asks_for_its_usage() -> None:
    body = {"model": "m", "prompt": "a", "stream": True}
    sent = json.loads(COMPLETIONS.passing.patch(body, "m", PLAIN))
    assert sent["stream_options"] == {"include_usage": True}
    sent = json.loads(COMPLETIONS.passing.patch(body, "m", Dialect(ask_stream_usage=False)))
    assert "stream_options" not in sent


def test_what_the_host_refuses_is_found() -> None:
    dialect = Dialect(refuses=frozenset({"suffix"}))
    assert COMPLETIONS.passing.refused({"prompt": "a", "suffix": "b"}, dialect) == "suffix"
    assert COMPLETIONS.passing.refused({"prompt": "a", "suffix": None}, dialect) is None
    assert COMPLETIONS.passing.without_state({"prompt": "a"}, bool) == ({"prompt": "a"}, 0)


def test_a_whole_completion_is_tapped() -> None:
    body: Body = {
        "model": "m-1",
        "choices": [{"text": "four", "finish_reason": "length"}, {"text": "4"}, None],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    assert tapped(COMPLETIONS, body) == Tap(Usage(input=5, output=2), "length", "m-1", 0)
    del body["usage"]
    tap = tapped(COMPLETIONS, body)
    assert (tap.usage.state, tap.text_bytes) == ("missing", 5)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"prompt_tokens": 7, "total_tokens": 7}, Usage(input=7)),
        ({"prompt_tokens": 7.0, "completion_tokens": 0, "total_tokens": 7}, Usage(input=7)),
        ({"total_tokens": 9}, Usage(input=9)),
        (
            {"prompt_tokens": 5, "total_tokens": 5, "cost": "0.00000014"},
            Usage(input=5, stated_usd=Decimal("0.00000014")),
        ),
    ],
)
def test_what_embeddings_used_is_read(said: Body, usage: Usage) -> None:
    dialect = Dialect(cost_path=("cost",))
    body = {"object": "list", "model": "e", "data": [{"embedding": [0.5]}], "usage": said}
    assert tapped(EMBEDDINGS, body, dialect) == Tap(usage, "stop", "e", 0)


def test_what_an_order_of_documents_used_is_read() -> None:
    results = [{"index": 0, "relevance_score": 0.5}]
    assert tapped(RERANK, {"results": results, "usage": {"total_tokens": 17}}).usage.input == 17
    # A search is no token, and what is paid by the search is not paid by the token too.
    tap = tapped(RERANK, {"results": results, "meta": {"billed_units": {"search_units": 1}}})
    assert tap.usage == Usage(searches=1)
    meta = {"billed_units": {"search_units": 2}, "tokens": {"input_tokens": 30}}
    tap = tapped(RERANK, {"results": results, "meta": meta})
    assert tap.usage == Usage(searches=2)
    billed = {"billed_units": {"input_tokens": 7, "image_tokens": 0}}
    assert tapped(EMBEDDINGS, {"embeddings": {"float": [[1]]}, "meta": billed}).usage.input == 7


@pytest.mark.parametrize("wire", plain.WIRES, ids=lambda wire: wire.name)
def test_an_error_in_a_200_is_an_error(wire: Wire) -> None:
    with pytest.raises(UpstreamError) as caught:
        tapped(wire, {"error": {"message": "no money", "code": "insufficient_quota"}})
    assert caught.value.kind is ErrorKind.QUOTA
    for raw in (b"<html>", b"{}", b"[]", b'{"choices": 3, "data": "x", "results": null}', b"\xff"):
        with pytest.raises(UpstreamError) as caught:
            wire.passing.tap(raw, PLAIN)
        assert caught.value.kind is ErrorKind.MALFORMED


STREAM = (
    b'data: {"id":"c","choices":[{"text":"Th","index":0,"finish_reason":null}],"model":"m"}\n\n'
    b'data: {"id":"c","choices":[{"text":"e","index":0,"finish_reason":"stop"}],"model":"m"}\n\n'
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,'
    b'"total_tokens":5}}\n\ndata: [DONE]\n\n'
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_a_stream_passes_byte_for_byte_however_it_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = COMPLETIONS.host.reader(PLAIN, "r", False)
    out = b"".join(reader.feed(STREAM[a:b]) for a, b in itertools.pairwise(places))
    assert out + reader.end() == STREAM
    assert reader.fault is None
    assert (reader.content, reader.done, reader.finish, reader.model) == (True, True, "stop", "m")
    assert (reader.text_bytes, reader.usage) == (3, Usage(input=3, output=2))


def test_usage_that_was_not_asked_for_is_taken_out() -> None:
    reader = COMPLETIONS.host.reader(PLAIN, "r", True)
    assert b"usage" not in reader.feed(STREAM)
    assert reader.usage.prompt_tokens == 3


def test_a_stream_that_is_cut_or_in_error_is_a_fault() -> None:
    reader = COMPLETIONS.host.reader(PLAIN, "r", False)
    reader.feed(STREAM[:90])
    reader.end()
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.CUT
    reader = COMPLETIONS.host.reader(PLAIN, "r", False)
    assert reader.feed(b'data: {"error": {"code": 429, "message": "slow down"}}\n\n') == b""
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.RATE_LIMITED


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_a_crash(raw: bytes) -> None:
    for wire in plain.WIRES:
        with pytest.raises(UpstreamError):
            wire.passing.tap(raw, PLAIN)
    reader = COMPLETIONS.host.reader(PLAIN, "r", False)
    reader.feed(b"data: " + raw + b"\n\n")
    reader.end()


@pytest.mark.parametrize("wire", plain.WIRES, ids=lambda wire: wire.name)
def test_these_wires_are_only_relayed(wire: Wire) -> None:
    assert not wire.neutral
    with pytest.raises(CannotExpressError, match="only relayed"):
        wire.host.write(ir.Request("chat", "m", ()), "m", PLAIN)
    with pytest.raises(BadRequestError, match="only relayed"):
        wire.front.read({"model": "m"})
    with pytest.raises(UpstreamError, match="only relayed"):
        wire.host.read(b"{}", PLAIN, "r")
    context = Context("id", "m", {}, 0, 0)
    failed = wire.front.writer(context).fail("broke off", "upstream_error", "upstream_error")
    assert failed.startswith(b"data: {")
    said = json.loads(wire.front.write_error(400, "no", "invalid_request", "input", "id"))
    assert said["error"]["param"] == "input"
