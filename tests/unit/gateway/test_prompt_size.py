"""How long a prompt certainly is."""

from __future__ import annotations

import pytest

from gateway import prompt_size
from providers import ir


def request(*parts: ir.Part) -> ir.Request:
    return ir.Request(
        "chat", "m", (ir.Message("user", parts),), tools=(ir.Tool("long words here"),)
    )


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("", 0),
        ("one two, three", 3),
        ("   \n\t ", 0),
        ("internationalisation", 1),
        ("das heißt: schön", 3),
        ("日本語の文章はこのように続く", 1 + 1),
        ("!!! ??? ...", 0),
    ],
)
def test_no_more_is_counted_than_there_certainly_is(text: str, least: int) -> None:
    assert prompt_size.words(request(ir.Text(text))) == least


def test_only_what_is_said_counts() -> None:
    made = request(
        ir.Text("a b"),
        ir.Image(data="x y z"),
        ir.Reasoning("not this"),
        ir.ToolCall("1", "f", '{"not": "this"}'),
        ir.ToolResult("1", (ir.Text("c d é"), ir.Image(url="x"))),
    )
    assert prompt_size.words(made) == 5
    assert prompt_size.text(made) == "a b\nc d é"
    assert prompt_size.text_bytes(made) == len("a b") + len("c d é".encode())


def test_broken_text_is_counted_too() -> None:
    assert prompt_size.text_bytes(request(ir.Text("a\ud800"))) == 4
