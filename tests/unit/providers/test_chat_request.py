"""What a chat request may be, and what goes on to a host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.wires.chat.request import BadRequestError, decode, patch, peek, refused

HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"model":"m"} x', "not valid JSON"),
        (b'{"n":NaN}', "not valid JSON"),
        (b'{"n":1e400}', "not valid JSON"),
        (b'{"m":"\xff"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "must be a JSON object"),
        (b'"hello"', "must be a JSON object"),
    ],
)
def test_what_is_no_json_object_is_said(raw: bytes, says: str) -> None:
    with pytest.raises(BadRequestError, match=says):
        decode(raw)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"model": "m" * 257}, "model"),
        ({"model": "m\r\nset-cookie: x"}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": ["Hello"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"tools": {}}, "tools"),
        ({"stop": 3}, "stop"),
        ({"stream_options": []}, "stream_options"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        peek({**HELLO, **change}, 100)
    assert caught.value.param == param
    assert param.split("[")[0].split(".")[0] in caught.value.message


def test_null_is_absence() -> None:
    seen = peek({**HELLO, "stream": None, "max_tokens": None, "stop": None, "n": None}, 10)
    assert (seen.stream, seen.max_output, seen.n) == (False, None, 1)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abxy_", max_size=6), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcxyz_", min_size=1, max_size=9), JSON, max_size=6))
def test_every_unknown_field_passes_unchanged(extra: dict[str, Any]) -> None:
    body = {**HELLO, **extra}
    sent = json.loads(patch(decode(json.dumps(body).encode()), "upstream-id", Dialect()))
    assert sent == {**body, "model": "upstream-id"}


def test_a_stream_asks_for_its_usage_and_keeps_the_clients_own_options() -> None:
    body = {**HELLO, "stream": True, "stream_options": {"chunk_size": 3}}
    sent = json.loads(patch(body, "m", Dialect()))
    assert sent["stream_options"] == {"chunk_size": 3, "include_usage": True}
    assert body["stream_options"] == {"chunk_size": 3}, "the client's body is left as it was"
    sent = json.loads(patch(body, "m", Dialect(ask_stream_usage=False)))
    assert "stream_options" not in sent
    assert "stream_options" not in json.loads(patch(HELLO, "m", Dialect()))


def test_a_field_the_host_refuses_is_named() -> None:
    dialect = Dialect(refuses=frozenset({"logit_bias"}))
    assert refused({**HELLO, "logit_bias": {}}, dialect) == "logit_bias"
    assert refused({**HELLO, "logit_bias": None}, dialect) is None
    assert refused(HELLO, dialect) is None


TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("change", "needs"),
    [
        ({}, set()),
        ({"tools": [TOOL]}, {"tools"}),
        ({"functions": [{"name": "f"}], "function_call": {"name": "f"}}, {"tools", "forced_tool"}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tools", "forced_tool"}),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tools"}),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tools", "forced_tool"}),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}}, {"tools"}),
        ({"response_format": {"type": "json_schema"}}, {"schema"}),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "file"}, {"type": "input_audio"}, 3, {"type": []}]}]}, {"images", "files", "audio"}),
    ],
)  # fmt: skip
def test_what_a_route_must_be_able_to_do(change: dict[str, Any], needs: set[str]) -> None:
    assert peek({**HELLO, **change}, 1, "").needs == needs


def test_roles_and_ids_and_words_that_the_host_does_not_take() -> None:
    call = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body: dict[str, Any] = {
        "model": "m",
        "tool_choice": "required",
        "messages": [
            {"role": "developer", "content": "x"},
            {"role": "assistant", "content": None, "tool_calls": [call], "annotations": []},
            {"role": "tool", "tool_call_id": "call_abc", "content": "1"},
        ],
    }
    dialect = Dialect(
        developer_role=False,
        tool_ids="[a-zA-Z0-9]{9}",
        tool_choice_words={"required": "any"},
        strips=frozenset({"annotations"}),
    )
    sent = json.loads(patch(body, "m", dialect))
    assert sent == json.loads(patch(body, "m", dialect)), "the same every time"
    assert sent["tool_choice"] == "any"
    assert sent["messages"][0]["role"] == "system"
    assert "annotations" not in sent["messages"][1]
    theirs = sent["messages"][1]["tool_calls"][0]["id"]
    assert len(theirs) == 9
    assert sent["messages"][2]["tool_call_id"] == theirs
    assert json.loads(patch(body, "m", Dialect())) == body, "a plain dialect changes nothing"
    assert body["messages"][0]["role"] == "developer"


@pytest.mark.parametrize(
    ("dialect", "change", "field"),
    [
        (Dialect(structured="json"), {"response_format": {"type": "json_schema"}}, "response_format"),
        (Dialect(structured="json"), {"response_format": {"type": "json_object"}}, None),
        (Dialect(structured="none"), {"response_format": {"type": "json_object"}}, "response_format"),
        (Dialect(forced_tools=False), {"tool_choice": "required"}, "tool_choice"),
        (Dialect(forced_tools=False), {"tool_choice": "auto"}, None),
        (Dialect(named_tools=False), {"tool_choice": {"type": "function"}}, "tool_choice"),
        (Dialect(max_stops=1), {"stop": ["a", "b"]}, "stop"),
        (Dialect(max_stops=1), {"stop": "a"}, None),
    ],
)  # fmt: skip
def test_what_a_host_would_refuse_by_its_dialect(
    dialect: Dialect, change: dict[str, Any], field: str | None
) -> None:
    assert refused({**HELLO, **change}, dialect) == field
