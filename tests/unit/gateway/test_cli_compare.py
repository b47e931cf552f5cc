"""`entrepot compare`: numbers of pairs from the ledger alone, and no figure where they are few."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from billing.compare import ENOUGH
from billing.ledger import Entry
from billing.migrate import migrate
from billing.store import Store
from tests.unit.billing.samples import an_entry
from tests.unit.gateway.commands import entrepot, told

DAY_US = 86_400 * 1_000_000
MODELS = {
    "assistant": {"routes": ["here/small"], "shadow": {"route": "there/large", "share": 0.25}},
    "gpt-*": "assistant",
    "plain": ["here/small"],
}
Make = Callable[..., Path]


def a_pair(number: int, **changes: Any) -> list[Entry]:
    """One call two days ago and its shadow, which costs a quarter of it."""
    asked = {"model_asked": "assistant", "at_us": time.time_ns() // 1000 - 2 * DAY_US}
    shadow = {"attempt_id": f"req_{number}.s1", "purpose": "shadow", "provider": "there"}
    return [
        an_entry(number, **asked, cost_pico=4 * 10**9, total_ms=900, finish="stop"),
        an_entry(
            number,
            **{**asked, **shadow, "model": "large", "cost_pico": 10**9, "total_ms": 300, **changes},
        ),
    ]


def a_verdict(number: int, verdict: str) -> Entry:
    at_us = time.time_ns() // 1000 - 2 * DAY_US
    ours = {"attempt_id": f"req_{number}.j1", "purpose": "judge", "model_asked": "judge"}
    return an_entry(number, **ours, at_us=at_us, verdict=verdict, cost_pico=10**8)


@pytest.fixture
def make(tmp_config: Callable[..., Path], tmp_path: Path) -> Make:
    """``make(entries)`` gives a config whose ledger has these."""

    def made(entries: Iterable[Entry] = ()) -> Path:
        path = tmp_config(
            {
                "ledger": "sqlite:///ledger.db",
                "journal": "journal",
                "providers": {
                    name: {"catalog": "ollama", "base_url": "http://127.0.0.1:9"}
                    for name in ("here", "there")
                },
                "models": MODELS,
            }
        )
        url = f"sqlite:///{tmp_path}/ledger.db"
        migrate(url)
        store = Store.open(url)
        store.insert(list(entries))
        store.close()
        return path

    return made


def test_enough_pairs_say_what_a_switch_saves(make: Make) -> None:
    entries = [entry for k in range(ENOUGH) for entry in a_pair(k)]
    path = make([*entries, *(a_verdict(k, "better" if k else "worse") for k in range(ENOUGH))])
    found = told("compare", "assistant", "-c", path)
    (made,) = found["comparisons"]
    assert (made["pairs"], made["priced"], made["unknown_cost"]) == (ENOUGH, ENOUGH, 0)
    assert (made["client"]["route"], made["shadow"]["route"]) == ("here/small", "there/large")
    assert (made["client"]["cost_usd"], made["shadow"]["cost_usd"]) == ("0.12", "0.03")
    assert (made["client"]["median_ms"], made["shadow"]["p95_ms"]) == (900, 300)
    assert made["cost_ratio"] == 0.25
    # 0.12 USD in two days are 1.80 in thirty; three quarters of it are saved.
    assert abs(float(made["saves_usd_30d"]) - 1.35) < 0.01
    assert made["verdicts"]["better"] == ENOUGH - 1
    assert made["verdicts"]["ahead_95"][0] > 0.5
    shown = entrepot("compare", "assistant", "-c", path).stdout
    assert "would have saved about 1.3" in shown
    assert "there/large is ahead" in shown


def test_few_pairs_say_that_they_are_few(make: Make) -> None:
    path = make(entry for k in range(12) for entry in a_pair(k))
    shown = entrepot("compare", "assistant", "-c", path)
    assert shown.exit_code == 0
    assert "n=12: too few to say" in shown.stdout
    (made,) = told("compare", "assistant", "-c", path)["comparisons"]
    assert (made["enough"], made["saves_usd_30d"]) == (False, None)


def test_what_is_unknown_or_failed_is_counted_apart(make: Make) -> None:
    unknown = {"cost_pico": None, "cost_state": "unknown"}
    failed = {"outcome": "failed", "error": "server", "cost_pico": 0, "cost_state": "nothing"}
    path = make([*a_pair(1), *a_pair(2, **unknown), *a_pair(3, **failed)])
    (made,) = told("compare", "assistant", "-c", path)["comparisons"]
    assert (made["pairs"], made["answered_by_both"], made["unknown_cost"]) == (3, 2, 1)
    assert (made["client"]["failed"], made["shadow"]["failed"]) == (0, 1)
    assert "A cost is unknown in 1 pairs" in entrepot("compare", "assistant", "-c", path).stdout


def test_aliases_lead_to_their_model(make: Make) -> None:
    entries = [*a_pair(1), *a_pair(2, model_asked="gpt-9")]
    path = make(entries)
    for asked in ("assistant", "gpt-5"):
        found = told("compare", asked, "-c", path)
        assert (found["model"], found["comparisons"][0]["pairs"]) == ("assistant", 2)


def test_markdown_is_a_table_and_a_list(make: Make) -> None:
    lines = entrepot("compare", "assistant", "--markdown", "-c", make(a_pair(1))).stdout.split("\n")
    assert lines[:2] == ["|  | here/small | there/large |", "| --- | --- | --- |"]
    assert all(line.startswith(("| ", "- ")) for line in lines if line)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("assistent", "did you mean 'assistant'"),
        ("plain", "models.plain"),
        ("assistant", "0.25"),
    ],
)
def test_without_pairs_it_says_what_is_missing(model: str, says: str, make: Make) -> None:
    shown = entrepot("compare", model, "-c", make())
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert says in shown.stderr
    assert told("compare", model, "-c", make())["comparisons"] == []


def test_a_time_without_shadows_has_no_pairs(make: Make) -> None:
    assert entrepot("compare", "assistant", "--since", "1d", "-c", make(a_pair(1))).exit_code == 1


def test_a_wrong_time_is_answered_with_a_right_one(make: Make) -> None:
    shown = entrepot("compare", "assistant", "--since", "yesterday", "-c", make())
    assert (shown.exit_code, "30d" in shown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("shadow", "says"),
    [
        ({"route": "there"}, "provider/model"),
        ({"route": "nowhere/m"}, "nowhere"),
        ({"route": "any/llama"}, "one route"),
        ({"route": "here/small"}, "nothing to compare"),
        ({"route": "there/large", "judge": "nobody"}, "there is no model 'nobody'"),
    ],
)
def test_a_shadow_that_cannot_be_is_a_mistake_of_the_config(
    shadow: dict[str, str], says: str, tmp_config: Callable[..., Path]
) -> None:
    here = {"catalog": "ollama", "base_url": "http://127.0.0.1:9"}
    models = {"assistant": {"routes": ["here/small"], "shadow": shadow}}
    path = tmp_config({"providers": {"here": here, "there": here}, "models": models})
    shown = entrepot("compare", "assistant", "-c", path)
    assert shown.exit_code == 2
    assert says in shown.stderr
