"""The number of tokens in a prompt, on the Responses wire: ``/responses/input_tokens``.

Its fields are those of a call that bear on the prompt (openai-python, ``responses.input_tokens``).
"""

from __future__ import annotations

from providers.wires.wire import Counting, Json

COUNTED = frozenset(
    {"input", "instructions", "tools", "tool_choice", "text", "reasoning", "truncation",
     "parallel_tool_calls"}
)  # fmt: skip


def prepare(body: Json) -> Json:
    """Return the call whose prompt is asked about."""
    return {"input": "", **{name: value for name, value in body.items() if name != "stream"}}


def question(body: Json, model: str) -> Json:
    """Return what a host is asked; ``body`` is the call's own."""
    return {**{name: value for name, value in body.items() if name in COUNTED}, "model": model}


def read(said: Json) -> int | None:
    """Return the number in a host's answer; None where it has none."""
    found = said.get("input_tokens")
    good = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    return found if good else None


def write(number: int) -> Json:
    """Return a client's answer."""
    return {"object": "response.input_tokens", "input_tokens": number}


COUNTING = Counting(prepare=prepare, body=question, read=read, write=write)
