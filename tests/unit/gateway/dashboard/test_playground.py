"""The playground: what it offers to ask for, and what it says that a call came to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from billing.ledger import Entry
from billing.money import usd_text
from billing.store import StoreError
from gateway.dashboard.playground import groups
from gateway.dashboard.words import LANGUAGES, words
from gateway.ids import Ids
from providers.host import Model
from tests.fakes.house import ADMIN_KEY, FakeHouse, a_key, ago_us, house
from tests.fakes.page import HOSTILE, Page, get, page
from tests.unit.billing.samples import an_entry

OUTCOME = "/playground/outcome"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway of one machine, whose ledger is empty."""
    with house(tmp_path) as made:
        yield made


def attempt(name: str, number: int, **changes: Any) -> Entry:
    """One attempt at a request of ours, a moment ago."""
    fields = {"attempt_id": f"{name}.{number}", "request_id": name, "attempt": number}
    return an_entry(0, at_us=ago_us(0.001) + number, **fields, **changes)


def offered(shown: Page) -> set[str]:
    """The options of the page's selects."""
    return {value or "" for name, value in shown.attributes if name == "value"}


async def test_it_offers_the_configs_models_and_those_of_available_providers(
    home: FakeHouse,
) -> None:
    for language in LANGUAGES:
        shown = await page(home, f"/playground?lang={language}")
        found = offered(shown)
        assert {"assistant", "far", "desk/small", "mistral/mistral-small-2603"} <= found
        assert "mistral/mistral-large-2512" in found, "what no model leads to can be tried too"
        assert "gpt-*" not in found
        assert not any(name.startswith("deepseek/") for name in found), "it has no key"
        assert {"public", "internal", "personal"} <= found
        assert words(language)("playground.needs_script") in shown.text
        assert "curl http://127.0.0.1:8080/v1/chat/completions" in shown.text
    # What is typed in can get into no address, and a gateway without keys asks for none.
    assert {value for name, value in shown.attributes if name == "name"} == {
        "viewport",
        "color-scheme",
    }
    assert "password" not in {value for _, value in shown.attributes}


async def test_a_gateway_with_keys_asks_for_one(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()], server={"admin_key": ADMIN_KEY}) as made:
        shown = await page(made, "/playground", ADMIN_KEY)
        assert "password" in {value for _, value in shown.attributes}
        assert ADMIN_KEY not in (await get(made, "/playground", ADMIN_KEY)).text
        assert (await get(made, "/playground")).status_code == 401
        assert (await get(made, f"{OUTCOME}?id={Ids().new()}")).status_code == 401


def test_models_that_cannot_be_asked_are_not_offered(home: FakeHouse) -> None:
    host = home.setup.providers["mistral"].host
    today = date(2026, 11, 27)
    strange = {
        "words": Model("words", wires=("embeddings",)),
        "gone": Model("gone", until=date(2026, 11, 1)),
        "any-*": Model("any-*"),
        "new": Model("new", wires=("chat",)),
    }
    owner = replace(home.setup.providers["mistral"], host=replace(host, models=strange))
    setup = replace(home.setup, providers={**home.setup.providers, "mistral": owner})
    ours, _, theirs = groups(setup, today)
    assert ours.models == ("assistant", "far")
    assert theirs.models == ("mistral/mistral-small-2603", "mistral/new")


async def test_what_a_call_came_to_is_the_sum_of_its_attempts(home: FakeHouse) -> None:
    name = Ids().new()
    found = [
        attempt(name, 1, provider="mistral", model="mistral-small-2603", outcome="failed",
                usage_state="none", input=0, cache_read=0, output=0, cost_pico=0),
        attempt(name, 2, provider="desk", model="small", operator="home", place="home",
                served_model="small:q8", cost_pico=1_234_567_891),
        attempt(name, 3, provider="desk", model="small", purpose="shadow", cost_pico=7),
    ]  # fmt: skip
    home.keep(*found, attempt(Ids().new(), 1, cost_pico=999))
    told = (await get(home, f"{OUTCOME}?id={name}&lang=en")).json()
    assert told["found"] is True
    assert told["attempts"] == 2, "a copy for comparison is no attempt at the answer"
    assert told["exact"] == f"{usd_text(1_234_567_898)} USD"
    assert told["cost"] == "$0.001235"
    assert told["tokens_in"] == sum(entry.prompt_tokens for entry in found)
    assert told["tokens_out"] == sum(entry.completion_tokens for entry in found)
    assert (told["route"], told["served"]) == ("desk/small", "small:q8")
    assert (told["operator"], told["place"]) == ("home", "home")
    assert told["usage"] == ""
    assert (await get(home, told["link"].removeprefix("/dashboard"))).status_code == 200


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_is_not_known_is_said(home: FakeHouse, language: str) -> None:
    name = Ids().new()
    home.keep(attempt(name, 1, cost_pico=None, cost_state="unknown", usage_state="estimated",
                      outcome="cancelled"))  # fmt: skip
    told = (await get(home, f"{OUTCOME}?id={name}&lang={language}")).json()
    t = words(language)
    assert (told["cost"], told["exact"]) == (t("money.unknown"), "")
    assert told["usage"] == t("usage.estimated")
    assert told["outcome"] == t("outcome.cancelled")
    home.keep(attempt(name, 2, cost_pico=10**12))
    told = (await get(home, f"{OUTCOME}?id={name}&lang={language}")).json()
    assert told["cost"] == f"$1.0000 {t('money.and_unknown', n=1)}"


async def test_a_request_that_is_not_there_yet_is_not_found(home: FakeHouse) -> None:
    answer = await get(home, f"{OUTCOME}?id={Ids().new()}")
    assert answer.status_code == 200
    assert answer.json() == {"found": False}


@pytest.mark.parametrize("name", ["", "req_1", "nothing", "req_" + "0" * 3000, "%00"])
async def test_what_is_no_id_is_refused(home: FakeHouse, name: str) -> None:
    assert (await get(home, f"{OUTCOME}?id={name}")).status_code == 400
    assert (await get(home, "/playground?prompt=x")).status_code == 400


async def test_while_the_ledger_is_away_it_can_still_be_tried(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreError("the database is away")

    monkeypatch.setattr("billing.past.attempts", away)
    assert (await get(home, f"{OUTCOME}?id={Ids().new()}")).status_code == 503
    assert (await get(home, "/playground")).status_code == 200


async def test_names_that_are_meant_as_html_stay_text(tmp_path: Path) -> None:
    rude = [name for name in HOSTILE if "*" not in name and name.isprintable()]
    models = {name[:200]: [f"desk/{name[:200]}"] for name in rude}
    with house(tmp_path, models=models, policy={"labels": ["a<b", '">x']}) as made:
        answer = await get(made, "/playground")
        shown = Page(answer.text)
        assert set(models) <= offered(shown)
        assert shown.tags.count("script") == 1
        assert "img" not in shown.tags
