"""What a config says of prices, rates and discounts, and what is refused or told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as copied

from billing.pricing import cost
from gateway.commands import price_words
from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.setup import Setup, compile_setup
from providers.usage import Usage

Config = Callable[..., Path]
NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
USED = Usage(input=1_000_000, output=1_000_000)
YUAN = {"input": 1, "output": 4, "currency": "CNY", "time_zone": "Asia/Shanghai"}
PEAK = {"name": "peak", "factor": 2, "weekdays": ["mon", "thu"], "hours": ["09:00-12:00"]}


def setup_of(tmp_config: Config, provider: dict[str, Any], **more: Any) -> Setup:
    models = {"a": ["p/m", "p/other"]}
    settings = {"policy": {"rules": []}, "providers": {"p": provider}, "models": models, **more}
    return compile_setup(read(tmp_config(settings), {}))


def usd(setup: Setup, name: str = "p/m", usage: Usage = USED) -> Decimal | None:
    found = cost(usage, setup.route(name).prices, NOW).pico
    return None if found is None else Decimal(found).scaleb(-12)


def priced(price: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"catalog": "mistral", "api_key": "x", "prices": {"m": price}, **more}


def test_a_price_in_yuan_at_peak_hours(tmp_config: Config) -> None:
    provider = priced({**YUAN, "bands": [PEAK], "source": "contract 7", "date": "2026-11-01"})
    rates = {"CNY": [{"usd": "0.14"}, {"from": "2026-11-01", "usd": "0.1405", "source": "ECB"}]}
    setup = setup_of(tmp_config, provider, exchange=rates)
    assert usd(setup) == Decimal("1.405")
    found = cost(USED, setup.route("p/m").prices, NOW)
    assert found.price is not None
    assert (found.price.where_from, found.price.date) == ("contract 7; rate: ECB", "2026-11-01")
    assert found.native_pico == 10 * 10**12


def test_the_short_form_of_a_rate(tmp_config: Config) -> None:
    assert usd(setup_of(tmp_config, priced(YUAN), exchange={"CNY": "0.2"})) == Decimal(1)


def test_yuan_without_a_rate_are_told_and_stay_unknown_in_dollars(tmp_config: Config) -> None:
    setup = setup_of(tmp_config, priced(YUAN))
    assert usd(setup) is None
    assert any("billed in CNY" in one.what for one in setup.warnings)
    prices = setup.route("p/m").prices
    assert prices is not None
    assert price_words.cells(prices, prices.at(NOW), NOW) == ("1 CNY", "4 CNY")


def test_a_calendar_that_does_not_reach_so_far_is_told(
    tmp_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    bands = [{**PEAK, "holidays": "never"}]
    monkeypatch.setattr("gateway.config_price_checks.AHEAD", timedelta(days=365 * 70))
    setup = setup_of(tmp_config, priced({**YUAN, "holidays_of": "CN", "bands": bands}))
    assert any("are not surely known" in one.what for one in setup.warnings)


def test_discounts_and_the_fee_of_credit(tmp_config: Config) -> None:
    off = {"percent": 15, "from": "2026-01-01", "until": "2027-01-01"}
    fee = {"percent": "5.5", "source": "its terms"}
    plain = setup_of(tmp_config, {"catalog": "mistral", "api_key": "x"})
    name = "p/mistral-small-2603"
    listed = usd(plain, name)
    assert listed is not None
    cheaper = setup_of(tmp_config, {"catalog": "mistral", "api_key": "x", "discounts": [off]})
    assert usd(cheaper, name) == listed * Decimal("0.85")
    both = {"catalog": "mistral", "api_key": "x", "discounts": [off], "surcharges": [fee]}
    assert usd(setup_of(tmp_config, both), name) == listed * Decimal("0.85") * Decimal("1.055")
    stated = copied(USED, stated_usd=Decimal(2))
    assert usd(setup_of(tmp_config, both), name, stated) == Decimal("2.11")
    assert usd(setup_of(tmp_config, both), "p/unheard-of", stated) == Decimal("2.11")
    own = priced({"input": 1, "output": 4}, **{k: both[k] for k in ("discounts", "surcharges")})
    assert usd(setup_of(tmp_config, own)) == Decimal(5), "a stated price is what is paid"
    others = {**both, "discounts": [{**off, "models": ["other"]}], "surcharges": []}
    assert usd(setup_of(tmp_config, others), name) == listed


def test_a_committed_price_holds_for_its_time_only(tmp_config: Config) -> None:
    name = "mistral-small-2603"
    price = {"input": 7, "output": 7, "from": "2026-12-01"}
    provider = {"catalog": "mistral", "api_key": "x", "prices": {name: price}}
    setup, plain = setup_of(tmp_config, provider), setup_of(tmp_config, priced(price))
    prices = setup.route(f"p/{name}").prices
    assert cost(USED, prices, datetime(2026, 12, 2, tzinfo=UTC)).pico == 14 * 10**12
    assert usd(setup, f"p/{name}") == usd(plain, f"p/{name}") is not None
    assert usd(plain) is None


def test_what_is_free_is_so_in_every_way(tmp_config: Config) -> None:
    free = {"catalog": "mistral", "api_key": "x", "free": "a trial"}
    usage = copied(USED, searches=3, tier="priority", image_output=5)
    assert usd(setup_of(tmp_config, free), usage=usage) == 0


def test_words_for_people(tmp_config: Config) -> None:
    price = {**YUAN, "bands": [PEAK], "tiers": {"batch": {"factor": "0.5"}}, "search": "0.03",
             "above": [{"prompt_tokens": 1000, "factor": 2}]}  # fmt: skip
    setup = setup_of(tmp_config, priced(price), exchange={"CNY": "0.14"})
    prices = setup.route("p/m").prices
    assert prices is not None
    assert price_words.cells(prices, prices.at(NOW), NOW) == ("0.28+~", "1.12+~")
    assert price_words.in_words(prices, NOW) == [
        "billed in CNY; 1 CNY is 0.14 USD by config",
        "1 in, 4 out: else",
        "peak 2 in, 8 out: mon thu, 09:00-12:00 (Asia/Shanghai)",
        "above 1,000 tokens of prompt: peak 4 in, 16 out",
        "tier batch: peak 1 in, 4 out",
        "0.03 CNY for a search",
    ]
    told = price_words.told(prices, NOW)
    assert told is not None
    assert (told["currency"], told["usd_per_unit"]) == ("CNY", "0.14")
    assert told["now"]["tiers"]["batch"]["input"] == "1"
    assert next(band["when"] for band in told["bands"]) == "else"


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ({"input": "1000.5", "output": 1}, "is over 1000 USD per million tokens"),
        ({"input": 600, "output": 1, "tiers": {"p": {"factor": 2}}}, "comes to over 1000 USD"),
        ({**YUAN, "input": 900, "bands": [{**PEAK, "factor": 12}]}, "comes to over 10000 CNY"),
        ({"input": "1e-999999999", "output": 1}, "more than 30 places"),
        ({"input": 1, "output": 1, "tiers": {"p": {"factor": "1e-999999"}}}, "more than 30 places"),
        ({"input": 1}, "has an input and no output"),
        ({"output": 1}, "adds to the price package's list"),
        ({}, "says no price"),
        ({"input": 1, "output": 1, "tiers": {"p": {"factor": 2, "input": 1}}}, "one of the two"),
        ({"input": 1, "output": 1, "tiers": {"p": {}}}, "says no price"),
        ({"input": 1, "output": 1, "bands": [{"name": "b", "input": 2}]}, "says no time"),
        ({"input": 1, "output": 1, "bands": [{**PEAK, "hours": ["9-12"]}]}, "no hours of a day"),
        ({"input": 1, "output": 1, "bands": [{**PEAK, "holidays": "only"}]}, "whose?"),
        ({"input": 1, "output": 1, "holidays_of": "XX"}, "no calendar of 'XX'"),
        ({"input": 1, "output": 1, "time_zone": "Mars"}, "names no time zone"),
        ({"input": 1, "output": 1, "currency": "ZWL"}, "one of 'USD'"),
        ({"input": 1, "output": 1, "from": "soon"}, "no day or moment"),
        ({"input": 1, "output": 1, "from": "2026-12-02", "until": "2026-12-01"}, "before it begins"),
        ({"input": 1, "output": 1, "above": [{"input": 2}]}, "from where on it holds"),
        ({"input": 1, "output": 1, "above": [{"prompt_tokens": 9, "factor": 2},
                                             {"prompt_tokens": 8, "factor": 2}]}, "must rise"),
    ],
)  # fmt: skip
def test_a_price_that_cannot_be(tmp_config: Config, price: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        setup_of(tmp_config, priced(price))


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"CNY": "7.1"}, "comes to over 1000 USD per million tokens by exchange.CNY"),
        ({"CNY": 0}, "a number over 0"),
        ({"CNY": "1e-999999999"}, "more than 30 places"),
        ({"USD": 1}, "one of"),
        ({"CNY": []}, "at least 1"),
        ({"CNY": [{"from": "2026-02-01", "usd": 1}, {"from": "2026-01-01", "usd": 1}]}, "of order"),
        ({"CNY": [{"usd": 1}, {"usd": 1}]}, "out of order"),
    ],
)
def test_a_rate_that_cannot_be(tmp_config: Config, rates: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        setup_of(tmp_config, priced({**YUAN, "input": 200}), exchange=rates)


def test_an_overlay_of_the_catalogue_with_an_absurd_price_fails(
    tmp_config: Config, tmp_path: Path
) -> None:
    overlay = tmp_path / "mine"
    overlay.mkdir()
    (overlay / "mistral.yaml").write_text(
        "sources: {site: {url: 'https://a.example', date: '2026-11-26'}}\n"
        "models: {new: {prices: {is: {input: '0.1', output: '1001'}, source: [site]}}}\n"
    )
    with pytest.raises(ConfigError, match="comes to 1001 USD per million tokens"):
        setup_of(tmp_config, {"catalog": "mistral", "api_key": "x"}, catalog=[str(overlay)])
