"""The operators' API: who may ask, what it answers, and that money stays exact."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from billing import flows, pages, reports
from billing.budgets import BudgetRule
from billing.limits import RateRule
from billing.money import usd_text
from billing.reports import Asked
from billing.store import StoreError
from gateway.books import READERS_MAX
from gateway.errors import Refusal
from gateway.periods import moment
from tests.fakes.house import (
    ADMIN_KEY,
    CLIENT_KEY,
    CONFIG,
    HOST_KEY,
    FakeHouse,
    a_key,
    house,
    some_entries,
)
from tests.unit.billing.samples import NOON_US, an_entry

GETS = ("/api/spend", "/api/ledger", "/api/flows", "/api/providers", "/api/policy/proof")
CHAT = {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway of one machine: no keys, no admin key."""
    with house(tmp_path) as made:
        yield made


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway with a client key, labelled, and an admin key."""
    keys = [a_key(label="personal", team="legal")]
    with house(tmp_path, keys=keys, server={"admin_key": ADMIN_KEY}) as made:
        yield made


@asynccontextmanager
async def client(made: FakeHouse, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the house's pages."""
    transport = httpx.ASGITransport(made.app())
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=headers
    ) as asking:
        yield asking


async def get(made: FakeHouse, path: str, **headers: str) -> httpx.Response:
    """Make one GET."""
    async with client(made, **headers) as asking:
        return await asking.get(path)


async def explain(made: FakeHouse, body: Any = None, **headers: str) -> httpx.Response:
    """Ask for an explanation of a chat body."""
    async with client(made, **headers) as asking:
        return await asking.post("/api/explain", json=body or CHAT)


def bearer(key: str) -> dict[str, str]:
    """The header of a key."""
    return {"authorization": f"Bearer {key}"}


def basic(password: str) -> dict[str, str]:
    """The header that a browser sends after asking for a password."""
    return {"authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


def no_floats(found: Any) -> bool:
    """Whether no number of a JSON document has a point."""
    json.loads(json.dumps(found), parse_float=lambda text: pytest.fail(f"a float: {text}"))
    return True


@pytest.mark.parametrize("path", GETS)
async def test_the_admin_key_opens_and_nothing_else(guarded: FakeHouse, path: str) -> None:
    assert (await get(guarded, path, **bearer(ADMIN_KEY))).status_code == 200
    assert (await get(guarded, path, **{"x-api-key": ADMIN_KEY})).status_code == 200
    assert (await get(guarded, path, **basic(ADMIN_KEY))).status_code == 200
    refused_ones: tuple[dict[str, str], ...] = (
        {},
        bearer(CLIENT_KEY),
        bearer("wrong"),
        basic("wrong"),
        {"authorization": "Basic !"},
    )
    for headers in refused_ones:
        refused = await get(guarded, path, **headers)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_key"
        assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", GETS)
async def test_a_website_is_kept_out_of_a_gateway_without_keys(home: FakeHouse, path: str) -> None:
    assert (await get(home, path)).status_code == 200
    foreign = await get(home, path, origin="https://example.com")
    assert foreign.status_code == 403
    assert foreign.json()["error"]["code"] == "forbidden_origin"


@pytest.mark.parametrize("path", GETS)
async def test_answers_are_not_kept_by_anybody_and_hold_no_key(home: FakeHouse, path: str) -> None:
    home.keep(*some_entries())
    answer = await get(home, path)
    assert answer.headers["cache-control"] == "no-store"
    assert HOST_KEY not in answer.text
    assert no_floats(answer.json())


@pytest.mark.parametrize("by", reports.GROUPS)
async def test_spend_is_what_the_reports_say(home: FakeHouse, by: Any) -> None:
    home.keep(*some_entries())
    found = (await get(home, f"/api/spend?by={by}")).json()
    rows = reports.spend(home.store, Asked((by,))).rows
    assert [row["group"] for row in found["rows"]] == [row.group for row in rows]
    assert [row["cost_usd"] for row in found["rows"]] == [usd_text(row.cost_pico) for row in rows]
    assert [row["unknown_cost"] for row in found["rows"]] == [row.unknown for row in rows]
    total = found["total"]
    assert total["attempts"] == len(some_entries())
    assert (total["requests"], total["unknown_cost"], total["estimated_usage"]) == (61, 1, 1)


async def test_money_is_exact_to_the_last_digit(home: FakeHouse) -> None:
    home.keep(an_entry(1, cost_pico=123), an_entry(2, cost_pico=10**18), an_entry(3, cost_pico=0))
    found = (await get(home, "/api/spend?by=key")).json()
    assert found["currency"] == "USD"
    assert found["total"]["cost_usd"] == "1000000.000000000123"


async def test_a_call_just_made_is_seen(home: FakeHouse) -> None:
    home.keep(an_entry(1))
    assert (await get(home, "/api/spend")).json()["total"]["attempts"] == 1
    home.keep(an_entry(2))
    answer = (await get(home, "/api/spend")).json()
    assert (answer["total"]["attempts"], answer["waiting"]) == (2, 0)


async def test_since_and_until_bound_the_sums(tmp_path: Path) -> None:
    with house(tmp_path, server={"time_zone": "Asia/Tokyo"}) as made:
        # Noon in UTC is nine in the evening in Tokyo, where the 25th ends three hours later.
        made.keep(an_entry(1), an_entry(2, at_us=NOON_US + 4 * 3600 * 1_000_000))
        one = (await get(made, "/api/spend?since=2025-11-25&until=2025-11-26")).json()
        assert one["total"]["attempts"] == 1
        assert one["since"] == "2025-11-25T00:00:00+09:00"
        assert one["time_zone"] == "Asia/Tokyo"
        both = await get(
            made, "/api/spend?since=2025-11-25T12:00:00Z&until=2025-11-26T01:00:01+09:00"
        )
        assert both.json()["total"]["attempts"] == 2
        days = (await get(made, "/api/spend?by=day")).json()["rows"]
        assert [row["group"] for row in days] == ["2025-11-25", "2025-11-26"]
        none = await get(made, "/api/flows?since=2025-11-27")
        assert none.json()["flows"] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/spend?by=colour", "by"),
        ("/api/spend?since=yesterday", "since"),
        ("/api/spend?until=2025-13-01", "until"),
        ("/api/spend?since=2025-11-25&until=2025-11-24", "until"),
        ("/api/spend?form=1", "form"),
        ("/api/spend?by=key&by=model", "by"),
        ("/api/ledger?limit=0", "limit"),
        ("/api/ledger?limit=501", "limit"),
        ("/api/ledger?limit=1e3", "limit"),
        ("/api/ledger?limit=²", "limit"),
        ("/api/ledger?before=", "before"),
        ("/api/ledger?before=req_1.1", "before"),
        ("/api/ledger?where=colour=red", "where"),
        ("/api/ledger?format=parquet", "format"),
        ("/api/ledger/export?format=xml", "format"),
        ("/api/spend?grain=year", "grain"),
        ("/api/spend?by=day,hour", "by"),
        ("/api/spend?where=team", "where"),
        ("/api/spend?format=xml", "format"),
        ("/api/flows?by=key", "by"),
        ("/api/providers?y", "y"),
        ("/api/providers?x=1", "x"),
    ],
)
async def test_a_wrong_parameter_is_named(home: FakeHouse, path: str, name: str) -> None:
    answer = await get(home, path)
    assert answer.status_code == 400
    fault = answer.json()["error"]
    assert (fault["code"], fault["param"]) == ("invalid_request", name)
    assert f"`{name}`" in fault["message"]


async def test_the_ledger_is_read_page_by_page(home: FakeHouse) -> None:
    everything = some_entries()
    home.keep(*everything)
    seen: list[str] = []
    query = "limit=25"
    while True:
        page = (await get(home, f"/api/ledger?{query}")).json()
        seen += [entry["attempt_id"] for entry in page["entries"]]
        if page["next"] is None:
            break
        query = f"limit=25&before={page['next']}"
    newest_first = sorted(everything, key=lambda e: (e.at_us, e.attempt_id), reverse=True)
    assert seen == [entry.attempt_id for entry in newest_first]


async def test_an_entry_says_all_that_the_ledger_has(home: FakeHouse) -> None:
    prices = '{"input": "0.25", "output": "2"}'
    home.keep(
        an_entry(1, prices=prices, price_source="config", cost_pico=1_000_001),
        an_entry(2, cost_pico=None, cost_state="unknown"),
    )
    second, first = (await get(home, "/api/ledger")).json()["entries"]
    assert first["cost_usd"] == "0.000001000001"
    assert first["prices"] == {"input": "0.25", "output": "2"}
    assert (first["at"], first["at_us"]) == ("2025-11-25T12:00:00+00:00", NOON_US)
    assert second["cost_usd"] is None
    assert second["cost_state"] == "unknown"
    assert second["prices"] is None


async def test_a_loss_that_nobody_can_price_is_told_as_such(home: FakeHouse) -> None:
    moved = {"moved_from": "desk/small", "cache_lost_tokens": 7}
    home.keep(an_entry(1, **moved, cache_lost_pico=None), an_entry(2, **moved, cache_lost_pico=12))
    second, first = (await get(home, "/api/ledger")).json()["entries"]
    assert (first["cache_lost_usd"], second["cache_lost_usd"]) == (None, "0.000000000012")
    (row,) = (await get(home, "/api/spend?by=purpose")).json()["rows"]
    assert (row["group"], row["moves"], row["cache_lost_tokens"]) == ("call", 2, 14)
    assert (row["cache_lost_usd"], row["unknown_cache_lost"]) == ("0.000000000012", 1)
    assert row["cache_hit_share"] == "0.3333"


async def test_flows_say_which_label_went_where(home: FakeHouse) -> None:
    home.keep(
        an_entry(1, label="personal", operator="FR,US", place="EEA"),
        an_entry(2, operator="unknown", place="unknown"),
    )
    found = (await get(home, "/api/flows")).json()["flows"]
    ways = {(row["label"], *row["operator"], *row["place"]) for row in found}
    assert ways == {("personal", "FR", "US", "EEA"), ("internal", "unknown", "unknown")}


async def test_a_ledger_that_cannot_be_read_is_a_clear_503(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise StoreError("the ledger cannot be read: no such table")

    for room, name in ((reports, "spend"), (pages, "page"), (flows, "flows")):
        monkeypatch.setattr(room, name, gone)
    for path in ("/api/spend", "/api/ledger", "/api/flows"):
        answer = await get(home, path)
        assert answer.status_code == 503
        fault = answer.json()["error"]
        assert fault["code"] == "ledger_unavailable"
        assert fault["message"] == "the ledger cannot be read: no such table"
    assert (await get(home, "/api/providers")).status_code == 200


async def test_a_report_that_hangs_is_given_up_and_keeps_its_place(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Event()
    with monkeypatch.context() as hanging:
        hanging.setattr("gateway.books.READ_WITHIN_S", 0.05)
        hanging.setattr(pages, "last", lambda *_: end.wait(20))
        # Two hang in their threads; the third finds no place, and takes none from the drain.
        for _ in range(READERS_MAX + 1):
            with pytest.raises(Refusal, match="no answer within"):
                await home.books.last(1)
        home.keep(an_entry(1))
        assert await home.drain.move()
        end.set()
    assert [entry.attempt_id for entry in await home.books.last(1)] == ["req_1.1"]


async def test_providers_are_told_with_facts_and_evidence(home: FakeHouse) -> None:
    found = {p["name"]: p for p in (await get(home, "/api/providers")).json()["providers"]}
    desk, mistral, deepseek = found["desk"], found["mistral"], found["deepseek"]
    assert desk["base_url"] == "http://127.0.0.1:9/v1"
    assert desk["facts"]["operator"]["is"] == ["home"]
    assert [model["id"] for model in desk["models"]] == ["small"]
    assert (mistral["available"], mistral["why_not"]) == (True, None)
    assert mistral["facts"]["operator"]["is"] == ["FR"]
    assert "2026-" in mistral["facts"]["operator"]["evidence"]
    assert mistral["models"][0]["facts"]["weights"]["is"] in ("open", "closed", "unknown")
    assert not deepseek["available"]
    assert "DEEPSEEK_API_KEY" in deepseek["why_not"]
    maker = desk["models"][0]["facts"]["maker"]
    assert (maker["is"], maker["evidence"], maker["age_days"]) == ("unknown", "", None)
    operator = mistral["facts"]["operator"]
    confirmed = date.fromisoformat(operator["confirmed"])
    assert operator["age_days"] == (datetime.now(UTC).date() - confirmed).days
    assert operator["stale"] is (operator["age_days"] > 180)


async def test_the_proof_names_what_does_not_hold(tmp_path: Path, home: FakeHouse) -> None:
    found = (await get(home, "/api/policy/proof")).json()
    kept, broken = found["expectations"]
    assert kept["holds"]
    assert kept["counter_example"] is None
    assert not broken["holds"]
    assert "deepseek" in broken["counter_example"]
    assert not found["holds"]
    assert found["policy"] == home.setup.policy.hash
    assert found["cases"] > 10
    # The setup that serves is left as it was.
    assert not home.setup.price_all


async def test_explain_shows_every_route_and_calls_none(home: FakeHouse) -> None:
    found = (await explain(home, {**CHAT, "max_tokens": 10})).json()
    routes = {route["route"]: route for route in found["routes"]}
    assert routes["desk/small"]["admitted"]
    assert routes["mistral/mistral-small-2603"]["place"] == 2
    assert "DEEPSEEK_API_KEY" in routes["deepseek/deepseek-chat"]["reason"]
    assert (found["refusal"], found["key"], found["label"]) == (None, "local", "public")


async def test_explain_hears_the_request_headers(home: FakeHouse) -> None:
    found = (await explain(home, **{"x-entrepot-label": "personal"})).json()
    admitted = [route["route"] for route in found["routes"] if route["admitted"]]
    assert admitted == ["desk/small"]
    dropped = [route for route in found["routes"] if not route["admitted"]]
    assert {route["rule"] for route in dropped} == {"personal data stays at home"}


async def test_explain_says_what_the_client_would_read(home: FakeHouse) -> None:
    far = await explain(home, {**CHAT, "model": "far"}, **{"x-entrepot-label": "personal"})
    assert far.status_code == 200
    assert far.json()["refusal"]["code"] == "policy_denied"
    assert far.json()["refusal"]["status"] == 403
    down = (await explain(home, {**CHAT, "model": "far", "max_tokens": 1})).json()
    assert down["refusal"]["code"] == "no_healthy_route"


async def test_explain_knows_when_the_money_is_spent_and_uses_none_up(home: FakeHouse) -> None:
    budget = BudgetRule("all of us", Decimal("0.01"), "day")
    await home.limits.configure([RateRule("local", 1, None)], [budget])
    dear = {**CHAT, "model": "mistral/mistral-small-2603", "max_tokens": 100_000}
    found = (await explain(home, dear)).json()
    assert (found["refusal"]["status"], found["refusal"]["code"]) == (402, "budget_exceeded")
    assert [(route["admitted"], route["why"]) for route in found["routes"]] == [(False, "budget")]
    for _ in range(3):  # more often than the key may call in a minute
        assert (await explain(home, {**dear, "max_tokens": 10})).json()["refusal"] is None
    (standing,) = await home.limits.standings()
    assert (standing.spent, standing.held) == (0, 0)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "assistent", "messages": CHAT["messages"]}, 404, "model"),
        ({"model": "assistant", "messages": []}, 400, "messages"),
        ([], 400, None),
    ],
)
async def test_explain_refuses_what_is_no_request(
    home: FakeHouse, body: Any, status: int, param: str | None
) -> None:
    async with client(home) as asking:
        answer = await asking.post("/api/explain", content=json.dumps(body))
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param


async def test_a_body_too_large_to_explain_is_refused(tmp_path: Path) -> None:
    with house(tmp_path, server={"body_max_mb": 1}) as made:
        body = {**CHAT, "user": "x" * (1024 * 1024)}
        answer = await explain(made, body)
    assert answer.status_code == 413


async def test_a_client_key_explains_its_own_requests(guarded: FakeHouse) -> None:
    own = (await explain(guarded, **bearer(CLIENT_KEY))).json()
    assert (own["key"], own["team"], own["label"]) == ("ci", "legal", "personal")
    as_admin = (await explain(guarded, **bearer(ADMIN_KEY))).json()
    assert (as_admin["key"], as_admin["label"]) == ("local", "public")
    for headers in (dict[str, str](), bearer("wrong")):
        assert (await explain(guarded, **headers)).status_code == 401


async def test_an_unknown_key_explains_nothing_where_keys_are(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()]) as made:
        assert (await explain(made, **bearer("wrong"))).status_code == 401
        assert (await explain(made)).status_code == 200


async def test_facts_that_the_config_states_beat_the_catalogue(tmp_path: Path) -> None:
    desk = {**CONFIG["providers"]["desk"], "facts": {"operator": ["JP"], "retention_days": 0}}
    providers = {**CONFIG["providers"], "desk": desk}
    with house(tmp_path, providers=providers) as made:
        found = (await get(made, "/api/providers")).json()["providers"][0]
    operator = found["facts"]["operator"]
    assert (operator["is"], operator["evidence"]) == (["JP"], "stated in the config")
    assert (operator["age_days"], operator["stale"]) == (None, False), "our own word is not aged"
    assert found["facts"]["retention_days"]["is"] == 0


def test_times_are_read_as_people_write_them() -> None:
    assert moment("2025-11-25", UTC) == datetime(2025, 11, 25, tzinfo=UTC)
    # A plus sign in an address comes as a space.
    assert moment("2025-11-25T01:00 01:00", UTC) == datetime(2025, 11, 25, tzinfo=UTC)
    with pytest.raises(ValueError, match="would be right"):
        moment("soon", UTC)
