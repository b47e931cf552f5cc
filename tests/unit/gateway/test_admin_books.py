"""The operators' API of the books: dimensions, filters, bands, flows, cursors and files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import Refusal
from tests.fakes.house import ADMIN_KEY, FakeHouse, a_key, house, some_entries
from tests.unit.billing.samples import NOON_US, an_entry
from tests.unit.gateway.test_admin import bearer, client, get

DAY_US = 86_400 * 1_000_000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway of one machine."""
    with house(tmp_path) as made:
        yield made


async def test_sums_by_several_things_with_filters_and_percentiles(home: FakeHouse) -> None:
    home.keep(
        an_entry(1, team="x", tags="a,b", total_ms=9, first_content_ms=4),
        an_entry(2, team="x", at_us=NOON_US + DAY_US, cost_least_pico=1, cost_most_pico=2_000),
        an_entry(3, team="y"),
    )
    path = "/api/spend?by=team&grain=day&where=team=x&where=team=z&latency=1"
    found = (await get(home, path)).json()
    assert (found["by"], found["where"]) == ("day,team", {"team": ["x", "z"]})
    assert [(row["day"], row["team"]) for row in found["rows"]] == [
        ("2025-11-25", "x"), ("2025-11-26", "x"),
    ]  # fmt: skip
    assert found["rows"][0]["total_ms"]["p99"] == 9
    assert found["latency"] == "exact"
    second = found["rows"][1]
    assert (second["cost_usd"], second["cost_least_usd"], second["cost_most_usd"]) == (
        "0.000000001", "0.000000000001", "0.000000002",
    )  # fmt: skip
    tagged = (await get(home, "/api/spend?by=tag&where=tag=b")).json()
    assert [row["tag"] for row in tagged["rows"]] == ["a", "b"]
    assert tagged["total"]["attempts"] == 1


async def test_tables_for_spreadsheets(home: FakeHouse) -> None:
    home.keep(an_entry(1, key="@SUM(1)", team="+1"))
    for path in (
        "/api/spend?by=key,team&format=csv",
        "/api/flows?format=csv",
        "/api/ledger?format=csv",
    ):
        answer = await get(home, path)
        assert answer.headers["content-type"].startswith("text/csv")
        (row,) = csv.DictReader(io.StringIO(answer.text))
        assert row["team"] == "'+1"


async def test_flows_have_team_policy_and_time(home: FakeHouse) -> None:
    home.keep(an_entry(1, policy_hash="p1"), an_entry(2, operator="CN", error="connect"))
    found = (await get(home, "/api/flows?grain=week")).json()
    (flow,) = found["flows"]
    assert (flow["week"], flow["team"], flow["policy"]) == ("2025-W48", "platform", "p1")
    assert (flow["operator"], flow["transfers"]) == (["US"], 1)
    assert flow["first"] <= "2025-11-25T12:00:00+00:00" < flow["last"]


async def test_pages_stay_where_they_are_and_are_bounded_by_time_and_filters(
    home: FakeHouse,
) -> None:
    home.keep(*(an_entry(n, at_us=NOON_US + n // 2, team="xy"[n % 2]) for n in range(8)))
    first = (await get(home, "/api/ledger?limit=2&where=team=x")).json()
    home.keep(an_entry(9, at_us=NOON_US + 50, team="x"))
    query = f"/api/ledger?limit=5&where=team=x&before={first['next']}"
    second = (await get(home, query)).json()
    ids = [entry["attempt_id"] for entry in (*first["entries"], *second["entries"])]
    assert ids == ["req_6.1", "req_4.1", "req_2.1", "req_0.1"]
    assert second["next"] is None
    since = "2025-11-25T12:00:00.000002Z"
    later = (await get(home, f"/api/ledger?since={since}&until=2025-11-25T12:00:00.000003Z")).json()
    assert [entry["attempt_id"] for entry in later["entries"]] == ["req_5.1", "req_4.1"]
    lines = await get(home, "/api/ledger?format=jsonl&limit=3")
    assert len(lines.text.splitlines()) == 3
    assert lines.headers["x-entrepot-next"] == "1764072000000003.req_6.1"


async def test_a_whole_time_as_a_file(home: FakeHouse) -> None:
    entries = some_entries()
    home.keep(*entries)
    jsonl = await get(home, "/api/ledger/export?format=jsonl")
    assert "attachment" in jsonl.headers["content-disposition"]
    told = [json.loads(line)["attempt_id"] for line in jsonl.text.splitlines()]
    assert told == [e.attempt_id for e in sorted(entries, key=lambda e: (e.at_us, e.attempt_id))]
    parquet = await get(home, "/api/ledger/export?format=parquet")
    assert parquet.content[:4] == parquet.content[-4:] == b"PAR1"
    focus = await get(home, "/api/ledger/export?format=focus")
    assert focus.text.startswith("BilledCost,")
    # The one before has ended, so that the next may begin.
    assert (await get(home, "/api/ledger/export?until=2020-01-01")).status_code == 200


async def test_one_export_at_a_time_and_a_wrong_one_keeps_no_place(home: FakeHouse) -> None:
    home.keep(an_entry(1))
    wrong = await get(home, "/api/ledger/export?format=focus&since=2025-11-25T11:00:01Z")
    assert wrong.status_code == 200, "nothing is at that edge"
    wrong = await get(home, "/api/ledger/export?format=focus&since=2025-11-25T12:00:00.5Z")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_request")
    pieces = await home.books.export("csv", None, None, {})
    with pytest.raises(Refusal, match="another export"):
        await home.books.export("csv", None, None, {})
    assert len(list(pieces)) == 2
    assert list(await home.books.export("csv", None, None, {}))


async def test_files_need_the_admin_key(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()], server={"admin_key": ADMIN_KEY}) as made:
        async with client(made) as asking:
            assert (await asking.get("/api/ledger/export")).status_code == 401
            answer = await asking.get("/api/ledger/export", headers=bearer(ADMIN_KEY))
            assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/ledger?before=9223372036854775807.x",
        "/api/ledger?before=253402300799999999.x",
        "/api/ledger?before=-9223372036854775808.x",
        f"/api/ledger?before={'9' * 200}.x",
        "/api/ledger?before=1.%00",
        "/api/spend?where=team=%00",
        "/api/plans?until=0001-01-01",
        "/api/home?until=0001-01-01",
    ],
)
async def test_forged_cursors_and_times_beyond_all_are_the_askers_fault(
    home: FakeHouse, path: str
) -> None:
    home.keep(an_entry(1))
    answer = await get(home, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
