"""`entrepot explain REQUEST_ID`: a past request as the ledger has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from billing.journal import Journal
from billing.migrate import migrate
from billing.store import Store
from tests.fakes.upstream import Upstream
from tests.running import HELLO, config, running
from tests.unit.billing.samples import NOON_US, an_entry
from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]
# An id as the gateway makes it at that noon.
ID = f"req_{NOON_US // 1000:x}0123456789abcdef"
DECISION = (
    '{"prefer":"listed","model":"assistant","label":"internal","policy":"0123456789ab",'
    '"rules":["stays here"],"facts":[[0,"operator"]],'
    '"routes":[["here/small","listed at place 1",[["home"]]],["far/m","moved last",[["FR"]]]],'
    '"dropped":[["us/m","policy","stays here","operator","US","a page, 2026",'
    '"forbids operator US: operator is US",null]],"more":2}'
)


def an_attempt(number: int, **changes: Any) -> Any:
    return an_entry(
        1,
        **{
            "attempt_id": f"{ID}.{number}",
            "request_id": ID,
            "attempt": number,
            "at_us": NOON_US + number,
            "decision": DECISION,
            **changes,
        },
    )


@pytest.fixture
def path(tmp_config: Config, tmp_path: Path) -> Path:
    """A config whose ledger has a request of three attempts, one of them still in the journal."""
    path = tmp_config({"ledger": "sqlite:///ledger.db", "journal": "journal"})
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    first = an_attempt(1, outcome="failed", error="overloaded", status=503, cost_pico=0)
    store.insert([first, an_entry(7)])
    store.close()
    journal = Journal(tmp_path / "journal")
    moved = {"moved_from": "here/small", "cache_lost_tokens": 900, "cache_lost_pico": 27 * 10**8}
    journal.append(first)  # moved to the database already, and not yet removed
    journal.append(an_attempt(2, provider="far", model="m", first_content_ms=120, **moved))
    journal.append(an_attempt(3, purpose="shadow", cost_pico=None, cost_state="unknown"))
    journal.close()
    return path


def test_what_was_decided_and_all_that_was_tried_is_shown(path: Path) -> None:
    shown = entrepot("explain", ID, "--config", path)
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == f"{ID}, 2025-11-25 12:00:00 UTC"
    assert "  1. here/small: listed at place 1" in lines
    assert "       keeps 'stays here': operator is home" in lines
    (refused,) = [line for line in lines if line.startswith("  -  us/m")]
    assert refused.endswith("forbids operator US: operator is US (a page, 2026)")
    assert "  and 2 more routes, which had no room in the ledger" in lines
    tried = lines[lines.index("what happened:") + 2 :]
    assert [line.split()[:3] for line in tried] == [
        ["call", "here/small", "failed"],
        ["call", "far/m", "completed"],
        ["shadow", "here/small", "completed"],
    ]
    assert "overloaded" in tried[0]
    assert "503" in tried[0]
    assert "moved from here/small, 900 tokens of its cache lost, 0.0027 USD" in tried[1]
    assert "unknown" in tried[2]


def test_as_json_it_is_the_decision_and_the_entries(path: Path) -> None:
    found = told("explain", ID, "--config", path)
    assert found["request_id"] == ID
    assert [route["route"] for route in found["decision"]["routes"]] == [
        "here/small",
        "far/m",
        "us/m",
    ]
    assert [one["attempt_id"] for one in found["attempts"]] == [f"{ID}.{n}" for n in (1, 2, 3)]
    assert found["attempts"][1]["cache_lost_usd"] == "0.0027"
    assert "decision" not in found["attempts"][0]


def test_an_entry_from_before_decisions_were_kept_is_shown_too(path: Path) -> None:
    shown = entrepot("explain", "req_7", "--config", path)
    assert shown.exit_code == 0
    assert "is not kept" in shown.stdout
    assert told("explain", "req_7", "--config", path)["decision"] is None


@pytest.mark.parametrize("name", [f"{ID[:-1]}0", "req_", "req_" + "f" * 28, "req_" + "f" * 27])
def test_an_unknown_id_is_said_with_what_would_help(name: str, path: Path) -> None:
    shown = entrepot("explain", name, "--config", path)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "x-entrepot-request-id" in shown.stderr
    assert "ledger.db" in shown.stderr


def test_before_the_first_call_nothing_is_made(tmp_config: Config, tmp_path: Path) -> None:
    path = tmp_config({"ledger": "sqlite:///var/l.db"})
    assert entrepot("explain", ID, "--config", path).exit_code == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_that_is_away_is_said(tmp_config: Config) -> None:
    path = tmp_config({"ledger": "postgresql://me:canary@127.0.0.1:1/db?password=canary"})
    shown = entrepot("explain", ID, "--config", path)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "127.0.0.1:1" in shown.stderr


def test_a_call_just_made_can_be_explained(tmp_path: Path, upstream: Upstream) -> None:
    paid = {
        "catalog": "openai",
        "facts": {"operator": ["FR"], "processed_in": ["FR"]},
        "base_url": upstream.base_url,
        "api_key": "sk-canary",
    }
    path = config(tmp_path, providers={"paid": paid}, models={"assistant": ["paid/m"]})
    with running(path) as gateway:
        answer = gateway.chat()
        assert answer.status_code == 200
        found = told("explain", answer.headers["x-entrepot-request-id"], "--config", path)
        asked = gateway.client.post(
            "/api/explain", json={"model": "assistant", "messages": HELLO}
        ).json()
        ledger = gateway.client.get("/api/ledger?limit=1").json()["entries"]
    assert [one["outcome"] for one in found["attempts"]] == ["completed"]
    for name in ("model", "label", "policy", "rules", "prefer"):
        assert found["decision"][name] == asked[name]
    assert found["decision"]["routes"] == asked["routes"]
    assert ledger[0]["decision"] == found["decision"]
