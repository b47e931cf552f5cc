"""Our prices against the package's own arithmetic, to the last digit."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import assume, given
from hypothesis import strategies as st

from billing.list_prices import from_genai_prices
from billing.money import pico
from billing.price_list import PriceList
from billing.pricing import cost
from providers.usage import BUCKETS, Usage

NAMED = [
    ("openai", "gpt-6.1-sol"),
    ("openai", "gpt-5"),
    ("deepseek", "deepseek-flash"),
    ("deepseek", "deepseek-chat"),
    ("mistral", "mistral-large-4"),
    ("openrouter", "google/gemini-3.8-flash"),
    ("openrouter", "google/gemini-2.5-flash"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-flash"),
    ("perplexity", "sonar"),
]
ALL = [
    (provider.id, model.id) for provider in get_snapshot().providers for model in provider.models
]

COUNTS = st.just(0) | st.integers(0, 600_000)
USAGES = st.builds(Usage, **dict.fromkeys(BUCKETS, COUNTS))
MOMENTS = st.datetimes(
    datetime(2024, 1, 1),  # noqa: DTZ001 - hypothesis wants bounds without a zone
    datetime(2027, 12, 31),  # noqa: DTZ001
    timezones=st.timezones(),
)


def theirs(provider: str, model: str, usage: Usage, when: datetime) -> int:
    """Return the package's own total in 1e-12 dollars."""
    counts: dict[str, Any] = {
        "input_tokens": usage.prompt_tokens,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write + usage.cache_write_long,
        "cache_write_1h_tokens": usage.cache_write_long,
        "input_audio_tokens": usage.audio_input,
        "cache_audio_read_tokens": 0,
        "output_tokens": usage.completion_tokens,
        "output_audio_tokens": usage.audio_output,
        "output_reasoning_tokens": usage.reasoning,
        "output_image_tokens": usage.image_output,
        "input_image_tokens": usage.image_input,
    }
    with localcontext() as context:
        context.prec = 60
        total = genai_prices.calc_price(
            genai_prices.Usage(**counts), model, provider_id=provider, genai_request_timestamp=when
        ).total_price
    return pico(total)


def agree(provider: str, model: str, usage: Usage, when: datetime) -> None:
    """Assert that a usage of priced buckets costs what the package says; others are unknown."""
    prices = from_genai_prices(provider, model)
    assert prices is not None
    price = prices.at(when)
    assert price is not None
    found = cost(usage, prices, when)
    rates = price.tier(usage.prompt_tokens).rates
    lacking = [
        name
        for name, rate in zip(BUCKETS, rates, strict=True)
        if rate is None and getattr(usage, name)
    ]
    if lacking:
        assert found.state == "unknown"
    else:
        assert found.pico == theirs(provider, model, usage, when)


@pytest.mark.parametrize(("provider", "model"), NAMED)
@given(usage=USAGES, when=MOMENTS)
def test_costs_agree_with_the_package(
    provider: str, model: str, usage: Usage, when: datetime
) -> None:
    agree(provider, model, usage, when)


@given(st.sampled_from(ALL), USAGES, MOMENTS)
def test_costs_agree_for_any_of_its_models(
    named: tuple[str, str], usage: Usage, when: datetime
) -> None:
    assume(from_genai_prices(*named) is not None)  # some ids do not match themselves
    agree(*named, usage, when)


@given(st.sampled_from(ALL), COUNTS, COUNTS, COUNTS, MOMENTS)
def test_costs_of_text_agree_for_any_of_its_models(
    named: tuple[str, str], read: int, cached: int, written: int, when: datetime
) -> None:
    prices = from_genai_prices(*named)
    price = prices.at(when) if prices is not None else None
    assume(price is not None and price.input is not None and price.output is not None)
    usage = Usage(input=read, cache_read=cached, output=written)
    assert cost(usage, prices, when).pico == theirs(*named, usage, when)


@pytest.mark.parametrize("tokens", [272_000, 272_001])
def test_a_tier_begins_above_its_number(tokens: int) -> None:
    usage = Usage(input=tokens, output=1)
    agree("openai", "gpt-6.1-sol", usage, datetime(2026, 11, 25, tzinfo=UTC))
    prices = from_genai_prices("openai", "gpt-6.1-sol")
    price = prices.at(datetime.now(UTC)) if prices is not None else None
    assert price is not None
    assert (price.tier(tokens) is price) == (tokens == 272_000)


def test_audio_without_a_price_is_unknown_not_text() -> None:
    prices = from_genai_prices("openai", "gpt-4o-audio-preview")
    assert prices is not None
    assert cost(Usage(audio_input=1), prices, datetime.now(UTC)).state == "unknown"


def test_a_price_says_where_and_since_when_it_is() -> None:
    prices = from_genai_prices("mistral", "mistral-large-4")
    price = prices.at(datetime(2026, 10, 25, tzinfo=UTC)) if prices is not None else None
    assert price is not None
    assert price.source == f"genai-prices {genai_prices.__version__}"
    assert price.date == "2026-10-20"
    assert price.input == Decimal("1.36")


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("no-such-host", "gpt-5")]
)
def test_what_the_package_does_not_know_has_no_list(provider: str, model: str) -> None:
    found: PriceList | None = from_genai_prices(provider, model)
    assert found is None


def test_the_package_is_not_imported_before_it_is_asked() -> None:
    code = "import sys, billing.list_prices; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
