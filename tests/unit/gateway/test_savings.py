"""Savings against a baseline: the same tokens at its prices, beside what the reports say was spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import reports
from billing.bands import ALWAYS, Applies
from billing.ledger import Entry
from billing.migrate import migrate
from billing.money import pico
from billing.past_use import past
from billing.price import Price
from billing.price_list import PriceList
from billing.reports import Asked
from billing.store import Store
from billing.whatif import elsewhere
from gateway import savings
from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.savings import Baseline
from tests.double_check import rollups_agree
from tests.fakes.house import house
from tests.unit.billing.samples import NOON_US, an_entry
from tests.unit.gateway.commands import entrepot, told
from tests.unit.gateway.test_admin import get

Config = Callable[..., Path]
HOUR_US = 3_600_000_000
MILLION = 1_000_000
PRICE = Price(Decimal(2), Decimal(10), cache_read=Decimal("0.5"), request=Decimal("0.001"))
STEADY = PriceList(((ALWAYS, PRICE),))
INDIA = ZoneInfo("Asia/Kolkata")
BANDED = PriceList(
    (
        (ALWAYS, PRICE),
        (Applies(start=datetime.min.time(), end=datetime.min.time().replace(hour=6)), PRICE.times(Decimal(2))),
    )
)  # fmt: skip
HALF_HOURS = PriceList(
    ((ALWAYS, PRICE), (Applies(weekdays=frozenset({1}), zone=INDIA), PRICE.times(Decimal(3))))
)
# From a moment on that no quarter of an hour begins with.
ODD = PriceList(
    (
        (ALWAYS, PRICE),
        (Applies(since=datetime(2025, 11, 27, 9, 7, tzinfo=UTC)), PRICE.times(Decimal(5))),
        (Applies(since=datetime(2025, 11, 29, 9, 15, tzinfo=UTC)), PRICE.times(Decimal(7))),
    )
)
PRICED = {"there": {"catalog": "mistral", "api_key": "x",
                    "prices": {"big": {"input": 4, "output": 8, "cached_read": 1}}}}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty ledger, whose rollups are compared with its entries afterwards."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    made = Store.open(url)
    yield made
    made.close()
    rollups_agree(url)


@pytest.mark.parametrize("prices", [STEADY, BANDED, HALF_HOURS, ODD])
@pytest.mark.parametrize("where", [{}, {"user": ["ada"]}, {"tag": ["a"]}, {"session": ["s1"]}])
def test_sums_of_rollups_are_priced_as_entries_are(
    prices: PriceList, where: dict[str, list[str]], store: Store
) -> None:
    store.insert(
        [
            an_entry(
                number,
                at_us=NOON_US + number * 37 * HOUR_US // 11,
                user=("ada", "bob")[number % 2],
                tags=("a,b", "b", "")[number % 3],
                session=("s1", "s2")[number % 2],
                purpose=("call", "hedge", "shadow", "judge")[number % 4],
                input=number * 1000, cache_read=number % 5, output=number, reasoning=0,
            )
            for number in range(60)
        ]
    )  # fmt: skip
    since = datetime.fromtimestamp(NOON_US // MILLION, UTC) + timedelta(minutes=7, seconds=3)
    until = since + timedelta(days=5, hours=3, minutes=11)
    asked = Asked((), since, until, INDIA, where)
    spent = reports.spend(store, asked).total
    found = savings.compared(store, Baseline("p/m", prices), asked, spent)
    by_entries = elsewhere(past(store, since, until, where, []).used, prices)
    assert (found.pico, found.requests) == (by_entries.pico, by_entries.requests)
    assert found.requests > 0


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**15), st.integers(0, 10**15), st.integers(0, 10**15))
def test_what_is_said_to_be_saved_adds_up(there: int, least: int, more: int) -> None:
    found = savings.Saved("p/m", there, 1, 0, False, (), least, least + more, 0)
    assert found.least + least + more == found.most + least == there
    words = savings.difference(found)
    assert ("more spent" in words) == (found.least < 0)
    assert ("saved" in words) == (found.most > 0 or found.least == found.most == 0)


@pytest.fixture
def path(tmp_config: Config, tmp_path: Path) -> Path:
    """A config with a baseline whose ledger has two calls, one of which cost nobody knows what."""
    made = tmp_config(
        {"ledger": "sqlite:///ledger.db", "journal": "journal", "providers": PRICED,
         "models": {"m": ["there/big"]}, "baseline": "there/big"}
    )  # fmt: skip
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert([call(1, cost_pico=pico(Decimal("3.00"))), call(2, cost_pico=None)])
    store.close()
    return made


def call(number: int, **fields: Any) -> Entry:
    plain = {"cache_read": 0, "cache_write": 0, "reasoning": 0}
    return an_entry(number, input=MILLION, output=MILLION // 2, **plain, **fields)


def test_the_command_says_what_was_saved(path: Path) -> None:
    shown = entrepot("spend", "-c", path).stdout
    said = " ".join(shown.split())
    assert (
        "The same tokens at there/big (the baseline) would have cost 16 USD: "
        "13 USD (81 %) saved." in said
    )
    assert "1 attempt counts as nothing here, for the cost is unknown: less was saved." in said
    assert told("spend", "-c", path)["baseline"] == {
        "route": "there/big",
        "cost_usd": "16",
        "at_least": False,
        "unknown": 0,
        "assumed": [],
        "saved_least_usd": "13",
        "saved_most_usd": "13",
        "unbounded_cost": 1,
    }
    one = told("spend", "--where", "key=nobody", "-c", path)
    assert one["baseline"] is None, "no calls"


def test_bands_tiers_and_what_has_no_price_are_said() -> None:
    band = savings.Saved("p/m", 4 * 10**12, 3, 2, True, ("x is y",), 10**12, 3 * 10**12, 0)
    first, *rest = savings.in_words(band)
    assert "would have cost at least 4 USD: 1 USD – 3 USD (25 % – 75 %) saved." in first
    assert any("long prompts" in line for line in rest)
    assert any("Of 2 calls" in line for line in rest)
    assert "Assumed: x is y." in rest
    more = savings.Saved("p/m", 2 * 10**12, 1, 0, False, (), 5 * 10**12, 5 * 10**12, 0)
    assert savings.difference(more) == "3 USD (150 %) more spent"
    either = savings.Saved("p/m", 2 * 10**12, 1, 0, False, (), 10**12, 5 * 10**12, 0)
    assert savings.difference(either) == "from 3 USD more spent to 1 USD saved"


def test_a_baseline_of_no_known_price_is_said(store: Store) -> None:
    store.insert([call(1)])
    asked = Asked((), None, None, UTC, {})
    spent = reports.spend(store, asked).total
    found = savings.compared(store, Baseline("p/m", None), asked, spent)
    assert savings.told(found)["cost_usd"] is None
    assert "is unknown" in savings.in_words(found)[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ther/big", "did you mean 'there'"),
        ("nobody", "no provider 'nobody'"),
        ("there", "there/MODEL"),
        ("rented/m", "paid by the hour"),
        ("desk/m", "paid by the hour"),
        ("plan/m", "paid by a plan"),
    ],
)
def test_a_baseline_that_is_none_is_refused(tmp_config: Config, name: str, words: str) -> None:
    providers = {
        **PRICED,
        "rented": {"catalog": "ollama", "base_url": "http://127.0.0.1:9", "usd_per_hour": 1},
        "desk": {"catalog": "ollama", "base_url": "http://127.0.0.1:9",
                 "home": {"watts": 300, "usd_per_kwh": "0.3"}},
        "plan": {"catalog": "minimax-plan", "api_key": "x"},
    }  # fmt: skip
    made = tmp_config({"providers": providers, "baseline": name})
    with pytest.raises(ConfigError, match=words) as fault:
        read(made, {})
    assert ":" in str(fault.value)


async def test_the_api_says_it_and_null_without_one(tmp_path: Path) -> None:
    with house(tmp_path) as made:
        made.keep(call(1))
        assert (await get(made, "/api/spend")).json()["baseline"] is None
    folder = tmp_path / "two"
    folder.mkdir()
    with priced(folder) as made:
        made.keep(call(1, cost_pico=10**12))
        found = (await get(made, "/api/spend")).json()["baseline"]
        assert (found["cost_usd"], found["saved_least_usd"]) == ("8", "7")


def priced(folder: Path) -> Any:
    """Return a house with a baseline."""
    return house(folder, providers=PRICED, models={"m": ["there/big"]}, baseline="there/big",
                 policy={"labels": ["public"]})  # fmt: skip
