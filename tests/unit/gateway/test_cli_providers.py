"""What `entrepot providers` says of the config's providers and of the catalogue's hosts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]
PROVIDERS: dict[str, Any] = {
    "home": {"catalog": "vllm", "base_url": "http://127.0.0.1:8000"},
    "mistral": {"endpoint": "eu", "api_key": "sk-canary-1"},
    "openai": {"api_key": "sk-canary-2"},
    "deepseek": {"api_key": "${DEEPSEEK_API_KEY}"},
}
# A host with one of everything that an entry can depend on; dates long gone and just now.
HOST = """
id: harbour
name: Harbour
kind: hosted
status: {is: live, source: [old]}
auth: {kind: bearer, env: HARBOUR_API_KEY}
wires: {chat: /v1/chat/completions}
operator:
  company: {is: {name: Harbour AB, countries: [SE]}, source: [new]}
  parent: {is: {name: Pier Inc, countries: [US]}, source: [old], note: by its register}
place:
  trains_on_data: {is: by_default, source: [old], conflict: [{is: never, source: [new], note: its page}]}
  retention_days: {is: 30, source: [new]}
default_endpoint: eu
endpoints:
  eu:
    base_url: {is: 'https://eu.harbour.example', source: [new]}
    processed_in: {is: [SE], source: [nodate]}
    zdr: {is: on_approval, source: [new]}
  us:
    base_url: {is: 'https://us.harbour.example', source: [new]}
    processed_in: {is: unknown, source: [new], note: not promised}
    zdr: {is: unknown}
    models:
      glm-5.2: {prices: {is: {input: '8', output: '28', currency: CNY}, source: [new]}}
settings:
  scope:
    what: where the account is
    source: [new]
    choices:
      none: {note: nothing was agreed}
      inside: {processed_in: {is: [SE], source: [new]}, trains_on_data: {is: never, source: [new]}}
models:
  glm-5.2:
    family: glm-5.2
    quantisation: {is: fp8, source: [new]}
    prices: {is: {input: '1.4', output: '4.4'}, source: [new]}
  'far.*': {processed_in: {is: unknown, source: [new]}}
sources:
  old: {url: 'https://harbour.example/terms', date: read 2024-01-02}
  new: {url: 'https://harbour.example/docs', date: 'TODAY'}
  nodate: {url: 'https://harbour.example/map', date: 'a copy, undated'}
""".replace("TODAY", datetime.now(UTC).date().isoformat())
PLAN = """
id: harbour-plan
like: harbour
name: Harbour Plan
kind: hosted
default_endpoint: eu
endpoints:
  eu: {base_url: {is: 'https://plan.harbour.example', source: [new]}, processed_in: {is: [SE], source: [new]}, zdr: {is: unknown}}
models: {glm-5.2: {}}
plan:
  name: Harbour Plan
  payg: harbour
  tiers:
    small:
      fees: {is: [{amount: '18', currency: USD, per: month}], source: [new]}
      windows: {is: [{per: 5h, unit: prompts, amount: '120', starts: rolling}], source: [new]}
  terms:
    gateway: {is: allowed, source: [new]}
    clients: {is: [any], source: [new]}
"""


@pytest.fixture
def path(tmp_config: Config) -> Path:
    """A config with two paid hosts, one without its key, and a server at home."""
    return tmp_config({"providers": PROVIDERS})


@pytest.fixture
def own(tmp_config: Config, tmp_path: Path) -> Path:
    """A config with a folder of entries of its own."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "harbour.yaml").write_text(HOST)
    (folder / "harbour-plan.yaml").write_text(PLAN)
    us = {"catalog": "harbour", "endpoint": "us", "api_key": "sk-canary"}
    inside = {"catalog": "harbour", "api_key": "sk-canary", "settings": {"scope": "inside"}}
    return tmp_config({"catalog": ["own"], "providers": {"us": us, "inside": inside}})


def lines(*words: object) -> list[str]:
    """Run a command that is good and return its lines."""
    shown = entrepot(*words)
    assert shown.exit_code == 0, shown.stderr
    return shown.stdout.splitlines()


def test_providers_are_a_table(path: Path) -> None:
    shown = entrepot("providers", "--config", path)
    rows = {line.split()[0]: line.split() for line in shown.stdout.splitlines() if line}
    assert rows["mistral"][1:4] == ["mistral", "hosted", "FR"]
    assert rows["openai"][3] == "US"
    assert "openrouter" in shown.stdout, "hosts that are not configured are named"
    found = told("providers", "--config", path)["providers"]
    assert [provider["provider"] for provider in found] == list(PROVIDERS)
    assert found[3]["operator"] == ["CN"]


def test_each_fact_has_its_age_its_sources_and_who_says_otherwise(own: Path) -> None:
    shown = lines("providers", "harbour", "-c", own)
    trains = next(n for n, line in enumerate(shown) if line.startswith("trains_on_data"))
    days = (datetime.now(UTC).date() - date(2024, 1, 2)).days
    assert shown[trains].split("  ")[1:][-2].strip() == f"{days} days, stale"
    assert shown[trains].endswith("by_default [old]")
    assert shown[trains + 1].strip() == "but never: its page [new]"
    assert any(line.startswith("retention_days  today") for line in shown)
    assert any(line.split()[:2] == ["processed_in", "undated"] for line in shown)
    assert any(
        line.startswith("parent") and "Pier Inc (US): by its register [old]" in line
        for line in shown
    )
    assert any(line.split() == ["old", "read", "2024-01-02", "https://harbour.example/terms"]
               for line in shown)  # fmt: skip


def test_what_an_entry_depends_on_is_said_first(own: Path) -> None:
    shown = lines("providers", "harbour", "-c", own)
    needs = shown[shown.index("depends on:") + 2 :]
    assert needs[0].startswith("the address")
    assert "processed_in" in needs[0]
    assert "models or their prices (2 endpoints)" in needs[0]
    assert needs[1].startswith("the model's name")
    assert needs[1].endswith("processed_in, for far.*")
    assert needs[2].startswith("an account's setting")
    assert needs[2].endswith("processed_in, trains_on_data, by scope")
    plan = told("providers", "harbour-plan", "-c", own)["depends_on"]
    assert plan[-1]["on"] == "the plan"
    assert plan[-1]["decides"].endswith("the same vendor is harbour")


def test_choices_of_an_account_are_shown_with_what_they_decide(own: Path) -> None:
    shown = "\n".join(lines("providers", "harbour", "-c", own))
    assert "setting scope: where the account is" in shown
    assert "nothing was agreed" in shown
    assert "trains_on_data never [new]" in shown
    mine = lines("providers", "inside", "-c", own)
    (trains,) = (line for line in mine if line.startswith("trains_on_data"))
    assert trains.endswith("never: by the account's scope: inside [new]")
    assert any("the config says inside" in line for line in mine)


def test_prices_are_in_the_vendors_money_where_each_is_charged(own: Path) -> None:
    shown = lines("providers", "harbour", "-c", own)
    (europe,) = (line for line in shown if line.startswith("glm-5.2 (eu)"))
    (america,) = (line for line in shown if line.startswith("glm-5.2 (us)"))
    assert europe.split()[2:4] == ["1.4", "4.4"]
    assert america.split()[2:6] == ["8", "CNY", "28", "CNY"]
    assert "fp8" in europe
    assert "also every model called far.*" in shown
    offers = told("providers", "harbour", "-c", own)["models"]["glm-5.2"]["offers"]
    assert offers[1]["native"] == {"currency": "CNY", "input": "8", "output": "28"}
    assert offers[1]["usd_in"] is None


def test_what_is_unknown_and_what_is_old_is_summed_up(own: Path) -> None:
    found = told("providers", "harbour", "-c", own)
    assert found["unknown"]["processed_in"] == ["endpoint us"]
    assert found["unknown"]["zdr"] == ["endpoint us"]
    assert {old["fact"] for old in found["stale"]} >= {"status", "parent", "trains_on_data"}
    shown = lines("providers", "harbour", "-c", own)
    assert "  zdr: endpoint us" in shown[shown.index("unknown:") :]
    assert "older than 180 days:" in shown
    assert not any(line.startswith("older than") for line in
                   lines("providers", "harbour", "-c", _young(own)))  # fmt: skip


def _young(own: Path) -> Path:
    """The same config, with facts that may be as old as they like."""
    path = own.with_name("young.yaml")
    path.write_text(f"facts_stale_days: 100000\n{own.read_text()}")
    return path


def test_a_plan_is_told_with_its_tiers_windows_and_terms(own: Path) -> None:
    shown = "\n".join(lines("providers", "harbour-plan", "-c", own))
    assert "18 USD a month [new]" in shown
    assert "120 prompts in 5h, rolling [new]" in shown
    assert any(line.startswith("gateway ") and line.endswith("allowed [new]")
               for line in shown.splitlines())  # fmt: skip
    facts = told("providers", "harbour-plan", "-c", own)["plan"]["facts"]
    assert facts["gateway"]["is"] == "allowed"
    assert facts["small fees"]["is"] == [{"amount": "18", "currency": "USD", "per": "month",
                                          "note": ""}]  # fmt: skip


def test_json_has_every_fact_with_sources_and_age(own: Path) -> None:
    at = told("providers", "harbour", "-c", own)["endpoints"]["eu"]["facts"]
    trains = at["trains_on_data"]
    assert (trains["is"], trains["confirmed"], trains["stale"]) == (
        "by_default",
        "2024-01-02",
        True,
    )
    assert trains["sources"][0]["url"] == "https://harbour.example/terms"
    assert trains["others"][0]["is"] == "never"
    assert at["processed_in"]["age_days"] is None
    assert at["retention_days"]["age_days"] == 0


def test_one_model_is_told_with_what_its_family_says(own: Path) -> None:
    shown = lines("providers", "us/glm-5.2", "-c", own)
    (maker,) = (line for line in shown if line.startswith("maker"))
    assert "(CN)" in maker
    assert "[family:" in maker
    (prices,) = (line for line in shown if line.startswith("prices"))
    assert prices.endswith("8 in, 28 out (CNY per million tokens) [new]")
    facts = told("providers", "harbour/glm-5.2", "-c", own)["facts"]
    assert facts["quantisation"]["is"] == "fp8"
    wrong = entrepot("providers", "harbour/glm-5.1", "-c", own)
    assert wrong.exit_code == 1
    assert "did you mean 'glm-5.2'?" in wrong.stderr


@pytest.mark.parametrize("name", ["harbour", "us", "harbour-plan", "amazon-bedrock", "openrouter"])
def test_it_can_be_read_in_eighty_columns(
    name: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = lines("providers", name, "-c", own)
    tables = [line for line in shown if "  " in line.strip()]
    assert len(tables) > 10
    assert max(map(len, tables)) <= 80


def test_a_host_of_the_catalogue_shows_every_endpoint(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)  # and no config is needed for that
    shown = lines("providers", "mistral")
    assert any(line.startswith("endpoint us: ") for line in shown)
    assert any(line.startswith("processed_in") and "no place is promised" in line for line in shown)
    assert any(line.strip().startswith("but EEA") for line in shown)
    assert "mistral" in told("providers")["catalogue"]
    company = told("providers", "vllm")["endpoints"]["default"]["facts"]["company"]
    assert company["is"] == {"name": "you", "countries": ["home"]}


def test_a_conflict_is_shown_with_the_model(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    shown = lines("providers", "mistral/codestral-2508")
    context = next(n for n, line in enumerate(shown) if line.startswith("context"))
    assert " 128000" in shown[context]
    assert shown[context + 1].strip().startswith("but 256000")
    assert any(line.split()[0] == "max_output" and "unknown" in line for line in shown if line)


def test_a_fact_of_the_config_is_said_to_be_its_own(tmp_config: Config) -> None:
    own = {"base_url": "https://models.example.com/v1", "api_key": "sk-canary"}
    facts = {"trains_on_data": "never", "operator": ["FR"]}
    path = tmp_config({"providers": {"openai": {**own, "facts": facts}}})
    said = told("providers", "openai", "--config", path)["facts"]
    trains = said["trains_on_data"]
    assert (trains["is"], trains["note"]) == ("never", "stated in the config")
    assert (said["operator"]["is"], said["operator"]["age_days"]) == (["FR"], None)
    assert said["zdr"]["note"] == "the address is not the host's own"
    assert "company" not in said, "who runs another address is not the host's company"
    assert not any(
        line.startswith("base_url") for line in lines("providers", "openai", "--config", path)
    )


def test_an_unknown_provider_is_answered_with_the_nearest(path: Path) -> None:
    shown = entrepot("providers", "mitsral", "--config", path)
    assert shown.exit_code == 1
    assert "did you mean 'mistral'?" in shown.stderr


def test_what_the_config_names_itself_is_told_with_its_family(tmp_config: Config) -> None:
    named = {"qwen.gguf": {"family": "qwen3.6-27b", "quantisation": "int4", "context": 32768}}
    home = {"catalog": "llama-cpp", "base_url": "http://127.0.0.1:9", "models": named}
    path = tmp_config({"providers": {"home": {**home, "free": "our own machine"}}})
    shown = lines("providers", "home", "-c", path)
    (row,) = (line for line in shown if line.startswith("qwen.gguf"))
    assert row.split()[1:6] == ["0", "0", "32k", "unknown", "int4"]
    facts = told("providers", "home/qwen.gguf", "-c", path)["facts"]
    assert (facts["quantisation"]["is"], facts["quantisation"]["note"]) == (
        "int4", "stated in the config"
    )  # fmt: skip
    assert facts["maker"]["is"]["countries"] == ["CN"]
    assert facts["context"]["is"] == 32768


def test_prices_of_a_provider_are_those_that_its_config_states(tmp_config: Config) -> None:
    prices = {"gpt-6-luna": {"input": 7, "output": 9}}
    path = tmp_config({"providers": {"openai": {"api_key": "sk-canary", "prices": prices}}})
    (offer,) = told("providers", "openai", "-c", path)["models"]["gpt-6-luna"]["offers"]
    assert (offer["usd_in"], offer["usd_out"]) == ("7", "9")
