"""docs/routing.md says what is so: every word of the config, every counter, every number."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from billing.bands import ALWAYS
from billing.money import usd_text
from billing.price import Price
from billing.price_list import PriceList
from gateway import home_load, shadow
from gateway.config import ServerForm
from gateway.config_file import read
from gateway.config_models import BlendForm, HedgeForm, ModelForm, ShadowForm
from gateway.config_providers import ProviderForm
from gateway.metrics import COUNTERS, Metrics
from gateway.setup import compile_setup
from gateway.translate import GATHERED_MAX_CHARS
from providers.errors import ErrorKind
from providers.retry_after import RETRY_AFTER_MAX_S
from routing import affinity, breaker, expected, health, retry, strategies
from routing.detectors.finding import KINDS
from routing.expected import Expected, View, Warm
from routing.route import Route
from routing.wish import ASKABLE, Wish
from tests.source_tree import ROOT
from tests.unit.routing.sick_routes import route

GUIDE = (ROOT / "docs/routing.md").read_text(encoding="utf-8")
ONE_LINE = " ".join(GUIDE.split())
OF_ROUTING = ("api_keys", "quota", "tier", "max_wait_s", "slots", "only_for")
WORDS = [
    *(word for form in (ModelForm, BlendForm) for word in form.model_fields),
    *OF_ROUTING,
    *ASKABLE,
    *KINDS,
]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_config_is_told(word: str) -> None:
    assert f"`{word}`" in GUIDE


@pytest.mark.parametrize("word", [*HedgeForm.model_fields, *ShadowForm.model_fields])
def test_every_word_within_a_word_is_told(word: str) -> None:
    assert re.search(rf"\{{[^}}]*\b{word}\b", GUIDE)


@pytest.mark.parametrize("word", ProviderForm.model_fields)
def test_every_word_of_a_provider_stands_in_some_document(word: str) -> None:
    pages = ("routing", "catalog", "plans", "home", "prices")
    documents = (*(f"docs/{page}.md" for page in pages), "config.example.yaml")
    assert any(re.search(rf"\b{word}\b", (ROOT / name).read_text()) for name in documents)


def test_every_counter_and_gauge_is_told() -> None:
    families = Metrics({}).collect()
    names = {family.name for family in families if family.type == "counter"}
    assert {f"entrepot_{name}" for name in COUNTERS} <= names
    assert set(re.findall(r"`(entrepot_\w+)_total`", GUIDE)) == names
    gauges = re.findall(r'"(entrepot_\w+)": \(', (ROOT / "gateway/app.py").read_text())
    assert len(gauges) >= 6
    for gauge in gauges:
        assert f"`{gauge}`" in GUIDE


DEFAULT = ServerForm()
NUMBERS = {
    f"{expected.USUAL_ANSWER} tokens until any was counted": True,
    f"of the last {health.SAMPLES} answers": True,
    f"below {health.SPEED_LEAST} answers it ranks behind": True,
    f"one request in {strategies.EXPLORES_ONE_IN} tries": True,
    "twice the worst": strategies.UNKNOWN_COUNTS == 2,
    f"{affinity.ASSUMED_LIFETIME_S / 60:.0f} minutes are assumed": True,
    f"`server.retries` more times ({DEFAULT.retries}, at most 10)": True,
    f"up to {retry.BACK_OFF_S} s, doubled each time up to {retry.BACK_OFF_MOST_S:.0f} s": True,
    f"A wait of over {retry.WAIT_MOST_S:.0f} s": True,
    f"of at least {breaker.ATTEMPTS_LEAST} attempts in {breaker.WINDOW_S:.0f} s half failed": (
        breaker.RATE == 0.5
    ),
    f"for {breaker.OPEN_S:.0f} s (a quarter more or less)": breaker.JITTER == 0.25,
    f"up to {breaker.OPEN_MOST_S:.0f} s. Then one attempt": True,
    "two good ones close it": breaker.PROBES_GOOD == 2,
    "else 1 s, doubled with each refusal in a row up to 60 s": (
        health.COOLS_S[ErrorKind.RATE_LIMITED] == (1, 60)
    ),
    "60 s doubled up to an hour": (
        health.COOLS_S[ErrorKind.QUOTA] == health.COOLS_S[ErrorKind.AUTH] == (60, 3600)
    ),
    "up to a day": RETRY_AFTER_MAX_S == 24 * 3600,
    f"{HedgeForm().percentile} in `hedge: {{}}`": True,
    f"at least {health.PERCENTILE_LEAST}) had theirs": True,
    "at most a million characters": GATHERED_MAX_CHARS == 1_000_000,
    "at most once a second": home_load.AGAIN_S == 1,
    f"at most {shadow.AT_ONCE} at a time": True,
    f"at most 1, {ShadowForm(route='a/b').share} where none is said": True,
}


@pytest.mark.parametrize("said", NUMBERS)
def test_every_number_is_that_of_the_code(said: str) -> None:
    assert said in ONE_LINE
    assert NUMBERS[said]


FAILS = {
    "credit or plan used up": (ErrorKind.QUOTA,),
    "429, rate limit": (ErrorKind.RATE_LIMITED,),
    "cannot be reached, 5xx, no room": (
        ErrorKind.CONNECT,
        ErrorKind.SERVER,
        ErrorKind.OVERLOADED,
    ),
    "key refused": (ErrorKind.AUTH,),
    "time limit, cut, no valid answer": (ErrorKind.TIMEOUT, ErrorKind.CUT, ErrorKind.MALFORMED),
    "its model or address is not there": (
        ErrorKind.NOT_FOUND,
        ErrorKind.FORBIDDEN,
        ErrorKind.CONTEXT_TOO_LONG,
    ),
    "400, content refused": (ErrorKind.BAD_REQUEST, ErrorKind.FILTERED),
}


@pytest.mark.parametrize("fault", FAILS)
def test_what_becomes_of_a_fault_is_as_the_table_says(fault: str) -> None:
    (row,) = [line for line in GUIDE.splitlines() if line.startswith(f"| {fault}")]
    _, _, call, routes, _ = (cell.strip() for cell in row.split("|"))
    for kind in FAILS[fault]:
        cure = retry.CURES[kind]
        assert ("then again" in call) == cure.same, kind
        assert ("next route" in call) == cure.other, kind
        assert ("a failure" in routes) == (kind in health.FAILURES), kind


def priced(name: str, into: str, out: str, cached: str | None = None) -> Route:
    price = Price(Decimal(into), Decimal(out), cache_read=Decimal(cached) if cached else None)
    return replace(route(name), prices=PriceList(((ALWAYS, price),)))


def test_the_price_of_switching_is_as_in_the_example() -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    dear, cheap = priced("a/m", "1", "2", "0.1"), priced("b/m", "0.6", "1.2")
    asked = Expected(20_000, 500)
    warm = {"a/m": Warm(18_000, now + timedelta(minutes=5))}
    views = [View(now, asked, warm=warm), View(now, asked)]
    told = [views[0].cost(dear), views[0].cost(cheap), views[1].cost(dear)]
    assert None not in told
    for pico in told:
        assert f" {float(usd_text(pico or 0)):.4f} USD |" in GUIDE
    assert "a move costs 0.0078 USD more" in ONE_LINE
    assert strategies.order((cheap, dear), Wish("cheapest"), views[0])[0][0] is dear
    first, reasons = strategies.order((cheap, dear), Wish("listed"), views[0])
    assert first[0] is dear
    assert "a move costs 0.0078 USD more" in reasons[0]
    assert strategies.order((dear, cheap), Wish("cheapest"), views[1])[0][0] is cheap
    assert (
        f"18,000 tokens, {usd_text(expected.lost(dear, now, 20_000, 18_000) or 0)} USD" in ONE_LINE
    )


def test_the_configs_of_the_guide_can_be_used(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        said = yaml.safe_load(block)
        said["providers"] = {
            "home": {"catalog": "llama-cpp", "base_url": "http://127.0.0.1:1/v1"},
            "mistral": {"api_key": "k"},
            "deepseek": {"api_key": "k"},
            **said.get("providers", {}),
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
        assert compile_setup(read(tmp_path / "config.yaml", {})).model_names
