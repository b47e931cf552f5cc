"""`entrepot reconcile` and `entrepot whatif` on a ledger in files, as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.ledger import Entry
from billing.migrate import migrate
from billing.store import Store
from gateway import kept_bills
from tests.unit.billing.samples import an_entry
from tests.unit.gateway.commands import entrepot, told

Make = Callable[..., Path]
DAYS = 3
# Three whole days that end before this one.
FIRST = (datetime.now(UTC) - timedelta(days=5)).replace(hour=0, minute=0, second=0, microsecond=0)


def entries(**changes: Any) -> list[Entry]:
    """Two calls a day at one provider, 2 USD in and 8 USD out a million tokens."""
    found = []
    for n in range(DAYS * 2):
        at = FIRST + timedelta(days=n // 2, hours=3 + 12 * (n % 2))
        usage = {"input": 100_000 + n, "cache_read": 0, "output": 20_000}
        cost = usage["input"] * 2 * 10**6 + usage["output"] * 8 * 10**6
        fields = {"at_us": int(at.timestamp()) * 10**6, "provider": "ours", "model": "gpt-6.1-sol"}
        money = {"cost_pico": cost, "cost_least_pico": cost, "cost_most_pico": cost}
        found.append(an_entry(n, **{**fields, **usage, **money, **changes}))
    return found


@pytest.fixture
def make(tmp_config: Callable[..., Path], tmp_path: Path) -> Make:
    """``make(entries)`` gives a config whose ledger has these."""

    def made(found: Iterable[Entry] = ()) -> Path:
        path = tmp_config(
            {
                "ledger": "sqlite:///ledger.db",
                "journal": "journal",
                "providers": {
                    "ours": {"catalog": "openai", "api_key": "x"},
                    "home": {"catalog": "ollama", "base_url": "http://127.0.0.1:9", "free": "ours"},
                },
                "models": {"m": ["ours/gpt-6.1-sol", "home/small"]},
            }
        )
        url = f"sqlite:///{tmp_path}/ledger.db"
        migrate(url)
        store = Store.open(url)
        store.insert(list(found))
        store.close()
        return path

    return made


def usage_file(folder: Path, found: Iterable[Entry], **changes: Any) -> Path:
    """What the provider's usage API says of them."""
    data: dict[int, dict[str, Any]] = {}
    for entry in found:
        begin = entry.at_us // 10**6 // 86_400 * 86_400
        line = {
            "input_tokens": 0,
            "output_tokens": 0,
            "num_model_requests": 0,
            "model": "gpt-6.1-sol",
        }
        row = data.setdefault(begin, line)
        row["input_tokens"] += entry.prompt_tokens
        row["output_tokens"] += entry.completion_tokens
        row["num_model_requests"] += 1
    rows = [{"start_time": at, "results": [{**row, **changes}]} for at, row in data.items()]
    path = folder / "usage.json"
    path.write_text(json.dumps({"data": rows}))
    return path


def test_a_bill_that_agrees(make: Make, tmp_path: Path) -> None:
    config = make(entries())
    done = entrepot(
        "reconcile", "openai-usage", usage_file(tmp_path, entries()), "--config", config
    )
    assert done.exit_code == 0
    assert "3 matched" in done.stdout
    assert "different" not in done.stdout


def test_a_bill_with_more_says_where_it_went_and_by_how_much(make: Make, tmp_path: Path) -> None:
    config = make(entries()[2:])
    bill = usage_file(tmp_path, entries())
    done = entrepot("reconcile", "openai-usage", bill, "--config", config)
    assert done.exit_code == 1
    assert FIRST.date().isoformat() in done.stdout
    assert "past the gateway" in done.stdout
    found = told("reconcile", "openai-usage", bill, "--config", config)
    assert [cell["state"] for cell in found["cells"]] == ["missing", "matched", "matched"]
    assert found["agrees"] is False


def test_costs_are_compared_to_the_cent_and_the_error_is_told(make: Make, tmp_path: Path) -> None:
    config = make(entries())
    lines = []
    for n in range(DAYS):
        day = FIRST + timedelta(days=n)
        amount = sum(e.cost_pico or 0 for e in entries()[2 * n : 2 * n + 2])
        value = Decimal(amount) / 10**12 * (Decimal("1.1") if n == 2 else 1)
        lines.append({"starting_at": day.isoformat(), "results": [{"amount": f"{value * 100:f}", "currency": "USD"}]})  # fmt: skip
    bill = tmp_path / "cost.json"
    bill.write_text(json.dumps({"data": lines}))
    found = told("reconcile", "anthropic-costs", bill, "--provider", "ours", "--config", config)
    assert [cell["state"] for cell in found["cells"]] == ["matched", "matched", "different"]
    assert found["cells"][2]["causes"][0]["kind"] == "price drift"
    assert Decimal(found["error_percent"]) < 0


def test_keys_of_the_bill_are_providers_of_the_config(make: Make, tmp_path: Path) -> None:
    config = make(entries())
    bill = usage_file(tmp_path, entries(), api_key_id="key_9")
    words = ("reconcile", "openai-usage", bill, "--config", config)
    assert entrepot(*words).exit_code == 0
    assert entrepot(*words, "--key", "key_9=ours").exit_code == 0
    other = entrepot(*words, "--key", "key_1=ours")
    assert other.exit_code == 1
    assert "key_9" in other.stdout


def test_answers_name_the_model_as_the_bill_does(make: Make, tmp_path: Path) -> None:
    dated = entries(served_model="gpt-6.1-sol-2026-09-01")
    config = make(dated)
    bill = usage_file(tmp_path, dated, model="gpt-6.1-sol-2026-09-01")
    assert entrepot("reconcile", "openai-usage", bill, "--config", config).exit_code == 0


def test_a_comparison_is_kept_for_the_dashboard_where_that_is_asked(
    make: Make, tmp_path: Path
) -> None:
    config = make(entries()[2:])
    bill = usage_file(tmp_path, entries())
    words = ("reconcile", "openai-usage", bill, "--config", config)
    assert entrepot(*words).exit_code == 1
    assert kept_bills.listed(tmp_path / "bills") == {}
    assert entrepot(*words, "--keep").exit_code == 1
    (kept,) = kept_bills.listed(tmp_path / "bills").values()
    assert kept.providers == ("ours",)
    assert (kept.cells, kept.matched) == (DAYS, DAYS - 1)
    (tmp_path / "bills").rename(tmp_path / "moved")
    (tmp_path / "bills").write_text("")
    done = entrepot(*words, "--keep")
    assert done.exit_code == 1
    assert "cannot be kept" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("openai-usag", "x"), "openai-usage"),
        (("openai-usage",), "curl"),
        (("openai-usage", "nowhere.json"), "nowhere.json"),
        (("openrouter-activity", "x"), "--provider names whose bill"),
        (("openai-usage", "x", "--provider", "our"), "ours"),
        (("openai-usage", "x", "--key", "ours"), "BILLED=PROVIDER"),
        (("nowhere/form.yaml", "x"), "cannot be read"),
        (("openai-usage", "{bill}", "--since", "2026-11-01"), "for a bill without days"),
        (("deepseek-balance", "{earlier}", "{later}", "--provider", "ours"), "--since says when"),
        (
            (
                "deepseek-balance",
                "{earlier}",
                "{later}",
                "--provider",
                "ours",
                "--since",
                "2026-11-02",
                "--until",
                "2026-11-01",
            ),
            "later than --since",
        ),
    ],
)
def test_wrong_usage_says_what_would_be_right(
    make: Make, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    files = {"bill": usage_file(tmp_path, entries())}
    for name, left in (("earlier", "9"), ("later", "8")):
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps({"balance_infos": [{"total_balance": left}]}))
    done = entrepot("reconcile", *(word.format(**files) for word in words), "--config", make())
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_kinds_are_listed() -> None:
    done = entrepot("reconcile")
    assert done.exit_code == 0
    assert "openrouter-activity" in done.stdout
    assert {one["kind"] for one in told("reconcile")} >= {"openai-usage", "deepseek-amount"}


def test_whatif_prices_the_same_tokens_elsewhere(make: Make) -> None:
    config = make(entries())
    found = told(
        "whatif", "--to", "anthropic/claude-opus-5-5", "--to", "home/small", "--config", config
    )
    assert found["calls"] == 6
    by_route = {one["route"]: one for one in found["routes"]}
    assert by_route["home/small"]["cost_usd"] == "0"
    there = by_route["anthropic/claude-opus-5-5"]
    assert Decimal(there["difference_usd"]) == Decimal(there["cost_usd"]) - Decimal(
        found["cost_usd"]
    )
    done = entrepot("whatif", "--config", config)
    assert "ours/gpt-6.1-sol" in done.stdout
    assert "+0" not in done.stdout.split("ours/gpt-6.1-sol")[0]


def test_whatif_looks_at_what_the_filter_lets_through(make: Make) -> None:
    config = make([*entries(), an_entry(99, at_us=entries()[0].at_us, team="other")])
    assert told("whatif", "--where", "team=other", "--config", config)["calls"] == 1
    wrong = entrepot("whatif", "--where", "taem=other", "--config", config)
    assert wrong.exit_code == 2
    assert "team" in wrong.stderr


def test_whatif_of_nothing_and_of_no_route(make: Make) -> None:
    config = make()
    assert "no calls" in entrepot("whatif", "--config", config).stdout
    wrong = entrepot("whatif", "--to", "anthropc/x", "--config", config)
    assert wrong.exit_code == 2
    assert "anthropic" in wrong.stderr
