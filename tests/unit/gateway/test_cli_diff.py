"""`entrepot diff`: past requests through a proposed config, as a check for pull requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from billing.journal import Journal
from billing.migrate import migrate
from billing.store import Store
from gateway.auth import key_hash
from gateway.config_file import read
from tests.unit.billing.samples import an_entry
from tests.unit.gateway.commands import entrepot, own_process, told

Config = Callable[..., Path]
HERE = {"catalog": "vllm", "base_url": "http://127.0.0.1:9/v1", "free": "our own machine"}
# The variable is not set: where a proposal is checked, nobody has the keys.
PAID = {
    "catalog": "openai",
    "api_key": "${PAID_API_KEY}",
    "prices": {"*": {"input": "2", "output": "4", "cached_read": "1"}},
}
EUROPE = {
    "catalog": "mistral",
    "api_key": "sk-canary-0123456789",
    "prices": PAID["prices"],
    "facts": {"operator": ["FR"], "processed_in": ["FR"]},
}
NOW: dict[str, Any] = {
    "ledger": "sqlite:///ledger.db",
    "journal": "journal",
    "policy": {"labels": ["public", "internal"]},
    "providers": {"here": HERE, "paid": PAID},
    "models": {"assistant": ["here/m", "paid/m"]},
    "keys": [{"name": "ci", "hash": key_hash("x"), "team": "platform"}],
}
SINCE = ("--since", "2025-11-01")


def written(tmp_config: Config, tmp_path: Path, *entries: Any) -> Path:
    path = tmp_config(NOW)
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert(entries)
    store.close()
    return path


@pytest.fixture
def now(tmp_config: Config, tmp_path: Path) -> Path:
    """A config whose ledger has three requests: two at home, one of them under a higher label."""
    common = {"model_asked": "assistant", "wire": "chat", "model": "m", "provider": "here"}
    return written(
        tmp_config,
        tmp_path,
        an_entry(1, **common, label="public"),
        an_entry(2, **common),
        an_entry(3, **{**common, "provider": "paid"}, label="public"),
    )


def proposal(tmp_config: Config, **changes: Any) -> Path:
    # Its own ledger is not there, and nobody looks.
    return tmp_config({**NOW, "ledger": "sqlite:///nowhere.db", **changes}, name="new.yaml")


def test_the_same_config_changes_nothing(now: Path, tmp_config: Config) -> None:
    new = proposal(tmp_config)
    found = told("diff", "-c", new, "--against", now, *SINCE)
    assert (found["good"], found["requests"], found["moved"], found["denied"]) == (True, 3, [], [])
    assert found["home"]["before"] == found["home"]["after"]
    assert found["home"]["after"]["requests"] == 3
    assert found["answered_elsewhere"] == 1
    shown = entrepot("diff", "-c", new, "--against", now, *SINCE)
    assert shown.exit_code == 0
    assert "are not in the ledger" in shown.stdout
    assert "3 attempts of 3 requests read" in shown.stderr


def test_what_would_change_is_counted_and_fails(now: Path, tmp_config: Config) -> None:
    rule = {"name": "no US", "when": {"label": "internal"}, "forbid": {"operator": ["US"]}}
    new = proposal(
        tmp_config,
        policy={"labels": ["public", "internal"], "rules": [rule]},
        models={"assistant": ["paid/m"]},
    )
    shown = entrepot("diff", "-c", new, "--against", now, *SINCE)
    assert shown.exit_code == 1
    found = told("diff", "-c", new, "--against", now, *SINCE)
    assert found["broken"] == ["denied: 1 requests would be denied that are not now"]
    (denied,) = found["denied"]
    assert (denied["by"], denied["rule"], denied["key"]) == ("policy", "no US", "ci")
    assert (denied["label"], denied["examples"]) == ("internal", ["req_2"])
    (moved,) = found["moved"]
    assert (moved["from"], moved["to"], moved["requests"]) == ("here/m", "paid/m", 2)
    # 10 in at 2, 5 cached at 1, 7 out at 4, twice.
    assert (moved["before_usd"], moved["after_usd"]) == ("0", "0.000106")
    assert found["home"]["after"]["requests"] == 0
    assert {(gone["label"], gone["word"]) for gone in found["no_longer_reached"]} >= {
        ("public", "home"),
        ("internal", "US"),
    }
    assert "NOT SO  denied" in shown.stdout


def test_new_countries_and_operators_fail(now: Path, tmp_config: Config) -> None:
    new = proposal(
        tmp_config,
        providers={**NOW["providers"], "eu": EUROPE},
        models={"assistant": ["here/m", "paid/m", "eu/m"]},
    )
    found = told("diff", "-c", new, "--against", now, *SINCE)
    assert {"operator", "country"} == {words.split(":")[0] for words in found["broken"]}
    reached = {(one["label"], one["fact"], one["word"]): one for one in found["newly_reached"]}
    assert reached["public", "operator", "FR"]["requests_first"] == 0
    assert reached["public", "operator", "FR"]["requests_that_may"] == 2
    assert found["reordered"] == 3
    for words in ("denied", "none", "denied,cost>5%"):
        done = entrepot("diff", "-c", new, "--against", now, *SINCE, "--fail-on", words)
        assert done.exit_code == 0, words


@pytest.mark.parametrize(("limit", "code"), [("cost>10%", 1), ("cost>60%", 0), ("cost>49.9%", 1)])
def test_a_cost_that_rises_fails(limit: str, code: int, now: Path, tmp_config: Config) -> None:
    current = tmp_config({**NOW, "models": {"assistant": ["paid/m"]}}, "current.yaml")
    half_more = {"*": {"input": "3", "output": "6", "cached_read": "1.5"}}
    new = proposal(
        tmp_config,
        providers={**NOW["providers"], "paid": {**PAID, "prices": half_more}},
        models={"assistant": ["paid/m"]},
    )
    ask = ("diff", "-c", new, "--against", current, *SINCE, "--fail-on", limit)
    assert entrepot(*ask).exit_code == code
    assert told(*ask)["compared"]["change_usd"] == "0.0000795"


def test_a_cost_that_nobody_would_know_any_more_fails(now: Path, tmp_config: Config) -> None:
    only_paid = {"models": {"assistant": ["paid/m"]}}
    current = tmp_config({**NOW, **only_paid}, "current.yaml")
    unpriced = {name: value for name, value in PAID.items() if name != "prices"}
    new = proposal(tmp_config, providers={"here": HERE, "paid": unpriced}, **only_paid)
    ask = ("diff", "-c", new, "--against", current, *SINCE, "--fail-on")
    found = told(*ask, "cost>1000%")
    assert found["broken"] == ["cost: that of 3 requests would be known no more"]
    assert found["compared"]["newly_unknown_cost"] == 3
    assert entrepot(*ask, "none").exit_code == 0


def test_a_key_or_a_model_that_is_gone_denies(now: Path, tmp_config: Config) -> None:
    other = [{"name": "other", "hash": key_hash("y")}]
    found = told("diff", "-c", proposal(tmp_config, keys=other), "--against", now, *SINCE)
    assert {row["by"] for row in found["denied"]} == {"unknown key"}
    models = {"helper": ["here/m"]}
    found = told("diff", "-c", proposal(tmp_config, models=models), "--against", now, *SINCE)
    assert {row["by"] for row in found["denied"]} == {"unknown model"}


def test_an_order_that_a_client_asked_for_stays(tmp_config: Config, tmp_path: Path) -> None:
    path = tmp_config(NOW)
    decision = '{"prefer":"listed","model":"assistant"}'
    common = {"model_asked": "assistant", "wire": "chat", "decision": decision}
    cheap = {"routes": ["paid/m", "here/m"], "prefer": "cheapest"}
    tmp_config({**NOW, "models": {"assistant": cheap}})
    hash_of_now = read(path, {}).hash
    common["config_hash"] = hash_of_now
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    store.insert([an_entry(1, **common), an_entry(2, **{**common, "decision": ""})])
    store.close()
    new = proposal(tmp_config, models={"assistant": cheap})
    found = told("diff", "-c", new, "--against", path, *SINCE)
    # Of two the first was asked for in the listed order, and goes to the dear route on both sides.
    assert found["home"]["after"] == found["home"]["before"]
    assert found["home"]["after"]["requests"] == 1


def test_markdown_is_one_comment_and_nothing_breaks_out(tmp_config: Config, tmp_path: Path) -> None:
    nasty = "a|b`c`<img src=x>\n@everyone **bold**"
    now = written(tmp_config, tmp_path, an_entry(1, model_asked=f"here/{nasty}", wire="chat"))
    new = proposal(tmp_config, providers={"paid": PAID}, models={"assistant": ["paid/m"]})
    shown = entrepot("diff", "-c", new, "--against", now, *SINCE, "--markdown")
    assert shown.exit_code == 1
    assert shown.stdout.startswith("### Replay of past requests\n\n❌")
    (row,) = [line for line in shown.stdout.splitlines() if "everyone" in line]
    assert r"a\|b\`c\`\<img src=x\>" in row
    assert "@everyone" not in row
    assert r"\*\*bold\*\*" in row


def test_only_the_time_that_is_asked_for_counts(now: Path, tmp_config: Config) -> None:
    new = proposal(tmp_config)
    assert told("diff", "-c", new, "--against", now)["requests"] == 0, "30 days by themselves"
    ask = ("diff", "-c", new, "--against", now, *SINCE, "--until", "2025-11-25")
    assert told(*ask)["requests"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--fail-on", "everything"), "none of denied, country"),
        (("--fail-on", "cost>x%"), "cost>10%"),
        (("--since", "yesterday"), "30d"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "later"),
        (("--json", "--markdown"), "not both"),
        (("--against", "nowhere.yaml"), "nowhere.yaml:1:"),
    ],
)
def test_wrong_words_are_answered_with_right_ones(
    words: tuple[str, ...], says: str, now: Path, tmp_config: Config
) -> None:
    shown = entrepot("diff", "-c", proposal(tmp_config), "--against", now, *words)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert says in shown.stderr


def test_a_proposal_that_cannot_be_used_ends_with_its_mistakes(
    now: Path, tmp_config: Config
) -> None:
    new = proposal(tmp_config, models={"assistant": ["nobody/m"]})
    shown = entrepot("diff", "-c", new, "--against", now)
    assert shown.exit_code == 2
    assert shown.stderr.startswith(f"{new}:")


def test_without_a_ledger_there_is_nothing_to_replay(tmp_config: Config, tmp_path: Path) -> None:
    now, new = tmp_config(NOW), proposal(tmp_config)
    shown = entrepot("diff", "-c", new, "--against", now)
    assert shown.exit_code == 2
    assert "no ledger yet" in shown.stderr
    assert sorted(tmp_path.iterdir()) == [now, new]


def test_the_current_config_is_the_usual_one(now: Path, tmp_config: Config, tmp_path: Path) -> None:
    Journal(tmp_path / "journal").append(an_entry(4, at_us=int(datetime.now(UTC).timestamp())))
    done = own_process("diff", "-c", proposal(tmp_config), *SINCE, "--json", folder=tmp_path)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["against"], found["requests"], found["waiting"]) == ("config.yaml", 3, 1)
