"""A host's whole Responses answer: what is none, and its usage in disjoint buckets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import MISSING
from providers.wires.responses.response import read, tap, usage_of

PLAIN = Dialect()
USAGE = {"input_tokens": 10, "output_tokens": 8, "total_tokens": 18}


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"<html>", ErrorKind.MALFORMED),
        (b"[]", ErrorKind.MALFORMED),
        (b"{}", ErrorKind.MALFORMED),
        (b'{"status": "in_progress", "output": []}', ErrorKind.MALFORMED),
        (b'{"status": "cancelled", "output": []}', ErrorKind.CUT),
        (b'{"status": "failed", "error": {"code": "server_error", "message": "x"}, "output": []}', ErrorKind.SERVER),
        (b'{"status": "failed", "error": null, "output": []}', ErrorKind.SERVER),
        (b'{"error": {"code": "insufficient_quota", "message": "x"}}', ErrorKind.QUOTA),
        (b'{"error": {"code": "invalid_prompt", "message": "x"}}', ErrorKind.BAD_REQUEST),
    ],
)  # fmt: skip
def test_a_200_that_is_no_answer(raw: bytes, kind: ErrorKind) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(raw, PLAIN, "r")
    assert caught.value.kind is kind
    if b"in_progress" not in raw:
        with pytest.raises(UpstreamError):
            tap(raw, PLAIN)


COUNT = st.integers(0, 10**6)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, st.none() | COUNT)
def test_buckets_are_disjoint_and_add_up(
    prompt: int, output: int, cached: int, written: int, reasoning: int, total: int | None
) -> None:
    usage = usage_of(
        {"input_tokens": prompt, "output_tokens": float(output), "total_tokens": total,
         "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
         "output_tokens_details": {"reasoning_tokens": reasoning}},
        PLAIN,
    )  # fmt: skip
    assert (usage.prompt_tokens, usage.completion_tokens) == (prompt, output)
    assert min(usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning) >= 0
    assert usage.reconciled == (
        cached + written <= prompt and reasoning <= output and total in (None, prompt + output)
    )


def test_usage_that_is_none_and_a_charge_in_small_units() -> None:
    nothing: tuple[Any, ...] = (None, [], {}, {"input_tokens": 1}, {"input_tokens": True})
    for said in nothing:
        assert usage_of(said, PLAIN) == MISSING
    ticks = Dialect(cost_path=("cost_in_usd_ticks",), cost_unit="0.0000000001")
    usage = usage_of({**USAGE, "cost_in_usd_ticks": 2521500}, ticks)
    assert usage.stated_usd == Decimal("0.00025215")
