"""What of a host's figures is believed, and what its words for a tier mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.usage import BUCKETS, TOKENS_MAX, Usage, believed, tier_of
from providers.wires.chat.counts import usage_of

FIGURES = st.integers(-(2**70), 2**70) | st.floats() | st.none() | st.text(max_size=3)


@given(FIGURES, FIGURES, FIGURES, FIGURES, FIGURES)
def test_no_figure_overflows_or_falls_below_zero(
    prompt: object, output: object, cached: object, thought: object, total: object
) -> None:
    said = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached, "image_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thought}}  # fmt: skip
    found = believed(usage_of(said, Dialect()))
    figures = [getattr(found, name) for name in BUCKETS]
    assert all(0 <= figure <= TOKENS_MAX for figure in figures)
    if isinstance(prompt, int) and prompt > TOKENS_MAX and found.state == "reported":
        assert not found.reconciled


def test_what_is_absurd_contradicts_itself() -> None:
    assert believed(Usage(input=TOKENS_MAX)) == Usage(input=TOKENS_MAX)
    assert believed(Usage(searches=10**15)) == Usage(searches=TOKENS_MAX, reconciled=False)


def test_a_picture_may_have_been_cached() -> None:
    said = {"prompt_tokens": 356, "completion_tokens": 68, "total_tokens": 424,
            "prompt_tokens_details": {"cached_tokens": 320, "image_tokens": 90}}  # fmt: skip
    assert usage_of(said, Dialect()) == Usage(cache_read=320, image_input=36, output=68)


def test_reasoning_on_the_wrong_side_is_marked() -> None:
    said = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45,
            "completion_tokens_details": {"reasoning_tokens": 30}}  # fmt: skip
    assert usage_of(said, Dialect(reasoning="beside")).reconciled
    assert not usage_of(said, Dialect(reasoning="inside")).reconciled
    inside = {**said, "completion_tokens": 35}
    assert usage_of(inside, Dialect(reasoning="inside")).reconciled
    assert not usage_of(inside, Dialect(reasoning="beside")).reconciled


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ("default", ""), ("standard", ""), ("on_demand", ""), ("auto", ""), ("ON_DEMAND", ""),
        ("TRAFFIC_TYPE_UNSPECIFIED", ""), (None, ""), (1, ""), ("", ""), ("<b>", "unreadable"),
        ("flex", "flex"), ("priority", "priority"), ("batch", "batch"), ("ON_DEMAND_FLEX", "flex"),
        ("PROVISIONED_THROUGHPUT", "provisioned_throughput"), ("x" * 99, "x" * 32),
        ("SERVICE_TIER_PRIORITY", "priority"), ("service_tier_standard", ""), ("ultra-fast", "ultra-fast"),
    ],
)  # fmt: skip
def test_words_for_a_tier(said: object, tier: str) -> None:
    assert tier_of(said) == tier
