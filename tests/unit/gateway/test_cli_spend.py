"""`entrepot spend`: exact sums, read beside a gateway that runs and before it ever ran."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from billing.journal import Journal
from billing.migrate import migrate
from billing.store import Store
from tests.fakes.upstream import Upstream
from tests.running import config, running
from tests.unit.billing.samples import NOON_US, an_entry
from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]


@pytest.fixture
def path(tmp_config: Config, tmp_path: Path) -> Path:
    """A config whose ledger has two requests, one of them with an unknown cost."""
    path = tmp_config({"ledger": "sqlite:///ledger.db", "journal": "journal"})
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert(
        [
            an_entry(1, cost_pico=123_456_789),
            an_entry(2, provider="there", cost_pico=None, cost_state="unknown", team=""),
        ]
    )
    store.close()
    return path


def test_before_the_first_call_nothing_is_made(tmp_config: Config, tmp_path: Path) -> None:
    path = tmp_config({"ledger": "sqlite:///var/l.db"})
    shown = entrepot("spend", "--config", path)
    assert shown.exit_code == 0
    assert "no calls" in shown.stdout
    assert list(tmp_path.iterdir()) == [path]
    assert told("spend", "--config", path)["total"]["requests"] == 0


def test_sums_are_exact_and_the_unknown_is_counted(path: Path) -> None:
    found = told("spend", "--config", path)
    assert [row["group"] for row in found["rows"]] == ["here", "there"]
    assert found["total"]["cost_usd"] == "0.000123456789"
    assert found["total"]["unknown_cost"] == 1
    assert found["waiting"] == 0
    shown = entrepot("spend", "--config", path).stdout.splitlines()
    assert shown[1].split() == ["here", "1", "1", "15", "5", "7", "0.000123456789", "0", "0", "0"]
    assert shown[3].split()[0] == "total"
    assert any("cost of 1 attempts is unknown" in line for line in shown)


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("model", ["small"]),
        ("day", ["2025-11-25"]),
        ("key", ["ci"]),
        ("team", ["platform", ""]),
        ("label", ["internal"]),
        ("operator", ["US"]),
        ("purpose", ["call"]),
    ],
)
def test_rows_are_what_is_asked_for(by: str, groups: list[str], path: Path) -> None:
    assert [row["group"] for row in told("spend", "--by", by, "-c", path)["rows"]] == groups
    assert entrepot("spend", "--by", by, "-c", path).exit_code == 0


def test_what_route_changes_cost_has_a_column_where_there_is_something(
    path: Path, tmp_path: Path
) -> None:
    assert "cache lost" not in entrepot("spend", "-c", path).stdout
    total = told("spend", "-c", path)["total"]
    assert (total["moves"], total["cache_lost_tokens"], total["cache_lost_usd"]) == (0, 0, "0")
    assert total["cache_hit_share"] == "0.3333"
    moved = {"moved_from": "here/small", "cache_lost_tokens": 400}
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    store.insert(
        [
            an_entry(3, **moved, cache_lost_pico=1_234_567_891, cost_pico=9_000_000_000_000),
            an_entry(4, **moved, provider="there", cache_lost_pico=None, cost_pico=0),
            an_entry(5, **moved, provider="third", cache_lost_pico=3, cost_pico=0),
        ]
    )
    store.close()
    shown = entrepot("spend", "-c", path).stdout
    lines = {line.split()[0]: line for line in shown.splitlines() if line}
    assert lines["provider"].endswith("cache lost USD")
    assert lines["here"].endswith(" 0.001234567891")
    assert lines["there"].endswith(" unknown")
    assert lines["third"].endswith(" 0.000000000003")
    assert lines["total"].endswith(" 0.001234567894 + 1 unknown")
    assert "lost 1200 cached tokens, 0.001234567894 USD (1 more of unknown price)" in shown
    total = told("spend", "-c", path)["total"]
    assert (total["moves"], total["cache_lost_tokens"]) == (3, 1200)
    assert (total["cache_lost_usd"], total["unknown_cache_lost"]) == ("0.001234567894", 1)


def test_hedges_shadows_and_judges_have_rows_of_their_own(path: Path, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    beside = {"hedge": 30, "shadow": 20, "judge": 10}
    store.insert(
        [
            an_entry(1, attempt_id=f"req_1.{name}", attempt=2, purpose=name, cost_pico=cost)
            for name, cost in beside.items()
        ]
    )
    store.close()
    found = told("spend", "--by", "purpose", "-c", path)
    rows = {row["group"]: (row["requests"], row["cost_usd"]) for row in found["rows"]}
    assert rows["hedge"] == (0, "0.00000000003")
    assert rows["shadow"] == (0, "0.00000000002")
    assert rows["judge"] == (0, "0.00000000001")
    assert found["total"]["requests"] == 2


@pytest.mark.parametrize(
    ("span", "requests"),
    [
        (("--since", "2025-11-25"), 2),
        (("--since", "2025-11-26"), 0),
        (("--until", "2025-11-25"), 0),
        (("--until", "2025-11-26"), 2),
        (("--since", "2025-11-25T12:00Z"), 2),
        (("--since", "2025-11-25T12:00:00.000001Z"), 0),
        (("--since", "30d"), 0),
        (("--since", "12h"), 0),
        (("--since", "9999d"), 2),
    ],
)
def test_spans_bound_what_is_summed(span: tuple[str, ...], requests: int, path: Path) -> None:
    assert told("spend", *span, "-c", path)["total"]["requests"] == requests


def test_days_are_whole_and_today_is_one(path: Path, tmp_path: Path) -> None:
    found = told("spend", "--since", "2d", "-c", path)
    since = datetime.fromisoformat(found["since"])
    now = datetime.now(UTC)
    assert since.time() == datetime.min.time()
    assert timedelta(days=1) <= now - since < timedelta(days=2, seconds=60)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--by", "planet"), "planet"),
        (("--by", "day", "--grain", "hour"), "only one"),
        (("--grain", "year"), "hour, day, week, month"),
        (("--where", "planet=mars"), "team=research"),
        (("--since", "yesterday"), "30d"),
        (("--since", "0d"), "30d"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "later"),
    ],
)
def test_wrong_words_are_answered_with_right_ones(
    words: tuple[str, ...], says: str, path: Path
) -> None:
    shown = entrepot("spend", *words, "--config", path)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert says in shown.stderr


def test_what_waits_in_the_journal_is_said(path: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(an_entry(3))
    journal.append(an_entry(4))
    journal.seal()
    assert told("spend", "--config", path)["waiting"] == 2
    assert "2 entries wait in the journal" in entrepot("spend", "--config", path).stdout
    journal.close()


@pytest.mark.parametrize("text", ["no database at all, but forty signs of text", ""])
def test_a_file_that_is_no_ledger_is_said(text: str, tmp_config: Config, tmp_path: Path) -> None:
    path = tmp_config({"ledger": "sqlite:///l.db"})
    (tmp_path / "l.db").write_text(text)
    shown = entrepot("spend", "--config", path)
    assert shown.exit_code == (1 if text else 0)
    assert (tmp_path / "l.db").read_text() == text


def test_a_ledger_of_another_version_is_said(path: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    shown = entrepot("spend", "--config", path)
    assert shown.exit_code == 1
    assert "9999" in shown.stderr


def test_a_database_server_that_is_away_is_said(tmp_config: Config) -> None:
    path = tmp_config({"ledger": "postgresql://me:canary@127.0.0.1:1/db?password=canary"})
    shown = entrepot("spend", "--config", path)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "127.0.0.1:1" in shown.stderr


def test_a_call_just_made_is_in_the_sums_of_a_running_gateway(
    tmp_path: Path, upstream: Upstream
) -> None:
    paid = {
        "catalog": "openai",
        "facts": {"operator": ["FR"], "processed_in": ["FR"]},
        "base_url": upstream.base_url,
        "api_key": "sk-canary",
    }
    prices = {"m": {"input": "1", "output": "2"}}
    whole = {"providers": {"paid": {**paid, "prices": prices}}, "models": {"assistant": ["paid/m"]}}
    path = config(tmp_path, **whole)
    with running(path) as gateway:
        assert gateway.chat().status_code == 200
        found = told("spend", "--by", "model", "--config", path)
        assert found["total"]["requests"] == 1
        assert found["total"]["cost_usd"] != "0"
        assert found["waiting"] == 0


def test_several_dimensions_filters_and_spreadsheets(path: Path, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    store.insert([an_entry(3, team="=cmd()", user="ada", cost_pico=-5)])
    store.close()
    found = told("spend", "--by", "team,provider", "--grain", "month", "-c", path)
    assert (found["by"], found["rows"][0]["month"]) == ("month,team,provider", "2025-11")
    assert {(row["team"], row["provider"]) for row in found["rows"]} == {
        ("platform", "here"), ("", "there"), ("=cmd()", "here"),
    }  # fmt: skip
    where = ("--where", "team=platform", "--where", "team=", "--where", "user=")
    assert told("spend", *where, "-c", path)["total"]["attempts"] == 2
    lines = entrepot("spend", "--by", "team", "--csv", "-c", path).stdout.splitlines()
    assert lines[0].startswith("team,requests,attempts,")
    assert "-0.000000000005" in next(line for line in lines if line.startswith("'=cmd()"))
    shown = entrepot("spend", "--by", "user,model", "-c", path).stdout
    assert "ada" in shown
    assert "(none)" in shown


def test_a_sum_with_estimates_is_a_band(path: Path, tmp_path: Path) -> None:
    bounds = {"cost_least_pico": 3 * 10**11, "cost_most_pico": 5 * 10**11}
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    store.insert([an_entry(3, team="x", usage_state="estimated", cost_pico=4 * 10**11, **bounds)])
    store.close()
    shown = entrepot("spend", "--by", "team", "-c", path).stdout
    assert "0.3 – 0.5" in shown
    assert "the true sum lies between" in shown
    total = told("spend", "--where", "team=x", "-c", path)["total"]
    assert (total["cost_usd"], total["cost_least_usd"], total["cost_most_usd"]) == (
        "0.4", "0.3", "0.5",
    )  # fmt: skip
    assert (total["estimated_usage"], total["unbounded_cost"]) == (1, 0)


def test_percentiles_where_they_are_asked_for(path: Path, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    store.insert([an_entry(3, total_ms=250, first_content_ms=70, team="x")])
    store.close()
    found = told("spend", "--by", "team", "--latency", "--where", "team=x", "-c", path)
    assert found["rows"][0]["total_ms"] == {"p50": 250, "p90": 250, "p95": 250, "p99": 250}
    assert found["total"]["first_content_ms"]["p50"] == 70
    assert found["latency"] == "exact"
    assert "Percentiles are exact." in entrepot("spend", "--latency", "-c", path).stdout


def test_the_sample_is_at_noon() -> None:
    assert datetime.fromtimestamp(NOON_US / 1e6, UTC).hour == 12
