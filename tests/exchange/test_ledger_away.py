"""A database that is away, at the start or later, makes no model unknown and no key invalid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.conftest import House
from tests.fakes.house import CLIENT_KEY, a_key

BUDGET = {"name": "all of us", "usd": 5, "per": "month"}
KEYS = [a_key()]
WHO = {"authorization": f"Bearer {CLIENT_KEY}"}


def works_away(house: House) -> None:
    """Check what has to go on while the database is away."""
    gateway = house.gateway
    assert gateway.chat(WHO).status_code == 200
    assert gateway.client.get("/v1/models", headers=WHO).json()["data"][0]["id"] == "assistant"
    assert gateway.client.get("/healthz").status_code == 200
    gateway.until(lambda: gateway.client.get("/readyz").json()["trouble"])
    assert gateway.client.get("/readyz").status_code == 200
    report = gateway.client.get("/api/spend")
    assert (report.status_code, report.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert "entrepot_journal_entries" in gateway.client.get("/metrics").text


@pytest.fixture
def server(own_postgres: Any) -> Any:
    """A PostgreSQL that a test stops and starts."""
    return own_postgres


def test_a_server_that_is_away_at_the_start(build: Callable[..., House], server: Any) -> None:
    server.stop()
    house = build(ledger=server.get_uri(), keys=KEYS)
    works_away(house)
    server.ensure_postgres_running()
    rows = house.gateway.entries(1)
    assert [(row["key"], row["outcome"]) for row in rows] == [("ci", "completed")]
    house.gateway.until(lambda: not house.gateway.client.get("/readyz").json()["trouble"])


def test_a_server_that_goes_away_and_comes_back(build: Callable[..., House], server: Any) -> None:
    house = build(ledger=server.get_uri(), keys=KEYS)
    assert house.gateway.chat(WHO).status_code == 200
    house.gateway.entries(1)
    server.stop()
    works_away(house)
    server.ensure_postgres_running()
    assert len(house.gateway.entries(2)) == 2


def test_a_file_that_cannot_be_opened_at_the_start(
    build: Callable[..., House], tmp_path: Path
) -> None:
    (tmp_path / "books.db").mkdir()
    house = build(ledger=f"sqlite:///{tmp_path}/books.db", keys=KEYS)
    works_away(house)
    (tmp_path / "books.db").rmdir()
    assert len(house.gateway.entries(1)) == 1


def test_a_budget_that_cannot_be_counted_refuses_until_it_can(
    build: Callable[..., House], server: Any
) -> None:
    server.stop()
    house = build(ledger=server.get_uri(), keys=KEYS, budgets=[BUDGET])
    refused = house.gateway.chat(WHO, max_tokens=1000)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert "nobody knows what is left of its budget" in refused.json()["error"]["message"]
    assert "debt_usd" in refused.json()["error"]["message"]
    assert house.first.requests == []
    server.ensure_postgres_running()
    house.gateway.until(lambda: house.gateway.chat(WHO, max_tokens=1000).status_code == 200, 20)


def test_a_debt_lets_calls_in_and_no_more_than_it_allows(
    build: Callable[..., House], server: Any
) -> None:
    server.stop()
    # A call with 1000 tokens to come can cost 0.002 USD and what its prompt costs.
    house = build(ledger=server.get_uri(), keys=KEYS, budgets=[BUDGET], debt_usd="0.0022")
    answers = [house.gateway.chat(WHO, max_tokens=1000).status_code for _ in range(50)]
    assert answers[0] == 200
    assert 503 in answers, "what they cost stays owed"
    debt = house.gateway.house.debt
    assert 0 < debt.owed_pico <= 2_200_000_000
    server.ensure_postgres_running()
    house.gateway.until(lambda: house.gateway.chat(WHO, max_tokens=1000).status_code == 200, 20)
    house.gateway.until(lambda: not debt.owed_pico, 20)
