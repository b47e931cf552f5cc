"""Explore, flows and requests: every number is what the single entries add up to by hand."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from billing.ledger import Entry
from billing.money import usd_text
from gateway.dashboard.flows import maker_of
from gateway.errors import Refusal
from gateway.periods import first_and_last_day, midnight
from tests.fakes import seeded
from tests.fakes.house import FakeHouse, ago_us, house
from tests.fakes.page import HOSTILE, Page, browser, get, of_period, page
from tests.unit.billing.samples import an_entry

COUNT = 4_000
Key = Callable[[Entry], tuple[str, ...]]


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeHouse, list[Entry]]]:
    """A gateway with a lively quarter in its ledger, and the entries by themselves."""
    with house(tmp_path_factory.mktemp("lively"), seeded.config()) as made:
        entries = list(seeded.entries(made.setup, COUNT, time.time_ns() // 1000))
        assert made.store.insert(entries) == []
        yield made, entries


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway of one machine, whose ledger is empty."""
    with house(tmp_path) as made:
        yield made


def grouped(entries: list[Entry], key: Key) -> dict[tuple[str, ...], list[Entry]]:
    """Return entries by what ``key`` says of them."""
    found: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    return dict(found)


def cost(entries: list[Entry]) -> str:
    """Return between what costs lie, exactly; where nothing is known at all, ""."""
    if entries and all(entry.cost_pico is None for entry in entries):
        return ""
    least = sum(entry.cost_least_pico or 0 for entry in entries)
    most = sum(entry.cost_most_pico or 0 for entry in entries)
    least_text, most_text = usd_text(least), usd_text(most)
    return f"{least_text} USD" if least == most else f"{least_text} – {most_text} USD"


def numbers(entries: list[Entry]) -> dict[str, str]:
    """Return what a row of the table has to say of entries."""
    return {
        "requests": f"{sum(entry.attempt == 1 for entry in entries):,}",
        "attempts": f"{len(entries):,}",
        "failed": f"{sum(entry.outcome == 'failed' for entry in entries):,}",
        "tokens_in": f"{sum(entry.prompt_tokens for entry in entries):,}",
        "tokens_out": f"{sum(entry.completion_tokens for entry in entries):,}",
        "=cost": cost(entries),
    }


def said(row: dict[str, str]) -> dict[str, str]:
    """Return those numbers of a row."""
    return {name: row[name] for name in numbers([])}


@pytest.mark.parametrize("period", ["7d", "30d", "last-month"])
@pytest.mark.parametrize("by", ["provider", "team", "label", "user", "operator", "model_asked"])
async def test_the_sums_of_explore(
    lively: tuple[FakeHouse, list[Entry]], by: str, period: str
) -> None:
    made, entries = lively
    shown, own = await page(made, f"/explore?by={by}&period={period}"), of_period(entries, period)
    groups = grouped(own, lambda entry: (getattr(entry, by),))
    rows = {row[""]: row for row in shown.rows if "attempts" in row and row["id"] != "total"}
    assert rows.keys() == {name or "none" for (name,) in groups}
    for (name,), found in groups.items():
        assert said(rows[name or "none"]) == numbers(found)
    total = next(row for row in shown.rows if row["id"] == "total")
    assert said(total) == numbers(own)


async def test_filters_hold_and_can_be_taken_away(lively: tuple[FakeHouse, list[Entry]]) -> None:
    made, entries = lively
    query = "/explore?by=key&period=30d&where=team=support&where=team=sales&where=label=personal"
    shown = await page(made, query)
    own = [
        entry
        for entry in of_period(entries, "30d")
        if entry.team in ("support", "sales") and entry.label == "personal"
    ]
    total = next(row for row in shown.rows if row["id"] == "total")
    assert said(total) == numbers(own)
    links = [value or "" for key, value in shown.attributes if key == "href"]
    chips = [link for link in links if link.startswith("/dashboard/explore") and "where=" in link]
    assert any("team%3Dsupport" not in link and "team%3Dsales" in link for link in chips)


async def test_a_filter_is_added_to_the_address(lively: tuple[FakeHouse, list[Entry]]) -> None:
    made, _ = lively
    async with browser(made) as asking:
        sent = await asking.get(
            "/dashboard/explore?by=key&where=team=sales&field=label&value=a%26b%3D1"
        )
        assert sent.status_code == 303
        assert sent.headers["location"].endswith(
            "by=key&where=team%3Dsales&where=label%3Da%26b%3D1"
        )
        assert "cache-control" in sent.headers
        again = await asking.get(sent.headers["location"])
        assert again.status_code == 200
        wrong = await asking.get("/dashboard/explore?field=colour&value=red")
        assert wrong.status_code == 400


async def test_sums_by_three_things_at_once(lively: tuple[FakeHouse, list[Entry]]) -> None:
    made, entries = lively
    shown = await page(made, "/explore?by=team&and=label&third=provider&period=30d")
    own = of_period(entries, "30d")
    groups = grouped(own, lambda entry: (entry.team, entry.label, entry.provider))
    rows = [row for row in shown.rows if "attempts" in row and row["id"] != "total"]
    assert sorted((row[""], *said(row).values()) for row in rows) == sorted(
        (team, *numbers(of).values()) for (team, _, _), of in groups.items()
    )
    assert "entrepot spend --by team,label,provider" in shown.text


async def test_each_day_adds_up_to_the_whole(lively: tuple[FakeHouse, list[Entry]]) -> None:
    made, entries = lively
    shown = await page(made, "/explore?by=team&grain=day&period=7d")
    groups = grouped(
        of_period(entries, "7d"),
        lambda entry: (f"{datetime.fromtimestamp(entry.at_us / 1e6, UTC):%Y-%m-%d}", entry.team),
    )
    rows = [row for row in shown.rows if "attempts" in row and row["id"] != "total"]
    assert len(rows) == len(groups)
    found = sorted((row[""], sorted(said(row).items())) for row in rows)
    expected = sorted((day, sorted(numbers(of).items())) for (day, _), of in groups.items())
    assert found == expected


async def test_the_time_before_stands_beside(lively: tuple[FakeHouse, list[Entry]]) -> None:
    made, entries = lively
    shown = await page(made, "/explore?by=team&period=last-week&compare=1")
    first, last = first_and_last_day("last-week", datetime.now(UTC))
    week = timedelta(days=7)
    since, until = midnight(first, UTC) - week, midnight(last, UTC) + timedelta(days=1) - week
    before = [e for e in entries if since.timestamp() <= e.at_us / 1e6 < until.timestamp()]
    for row in (row for row in shown.rows if "before" in row):
        own = before if row["id"] == "total" else [e for e in before if e.team == row[""]]
        assert row["=before"] == cost(own)
        assert re.fullmatch(r"[+−]?[\d,]+\.\d %|–", row["change"])
    assert f"compared with {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}" in shown.text


async def test_it_says_the_command_and_the_files_with_the_same_figures(
    lively: tuple[FakeHouse, list[Entry]],
) -> None:
    made, entries = lively
    shown = await page(made, "/explore?by=provider&and=team&period=7d&where=label=public")
    assert "entrepot spend --by provider,team --since 20" in shown.text
    link = next(v for k, v in shown.attributes if k == "href" and v and v.startswith("/api/spend"))
    async with browser(made) as asking:
        csv = (await asking.get(link)).text.strip().splitlines()
        export = next(v for k, v in shown.attributes if v and v.startswith("/api/ledger/export"))
        single = (await asking.get(export)).text.strip().splitlines()
    own = [entry for entry in of_period(entries, "7d") if entry.label == "public"]
    assert len(csv) - 1 == len({(entry.provider, entry.team) for entry in own})
    assert len(single) - 1 == len(own)


@pytest.mark.parametrize("start", ["team", "label", "key"])
async def test_flows_say_what_was_sent_where(
    lively: tuple[FakeHouse, list[Entry]], start: str
) -> None:
    made, entries = lively
    shown = await page(made, f"/flows?start={start}&period=30d")
    sent = [entry for entry in of_period(entries, "30d") if entry.error != "connect"]
    groups = grouped(
        sent,
        lambda entry: (
            getattr(entry, start),
            maker_of(made.setup, entry.provider, entry.model),
            entry.operator,
            entry.place,
        ),
    )
    rows = [row for row in shown.rows if "transfers" in row]
    assert len(rows) == len(groups)
    found = sorted(
        (row[""], row["operator"].replace(", ", ","), row["place"].replace(", ", ","),
         row["transfers"], row["tokens_in"], row["tokens_out"], row["=cost"])
        for row in rows
    )  # fmt: skip
    expected = sorted(
        (name, operator, place, f"{len(of):,}", numbers(of)["tokens_in"],
         numbers(of)["tokens_out"], cost(of))
        for (name, _, operator, place), of in groups.items()
    )  # fmt: skip
    assert found == expected


async def test_which_team_sent_personal_data_to_which_country(
    lively: tuple[FakeHouse, list[Entry]],
) -> None:
    """Three clicks from the first page: flows, last week, personal."""
    made, entries = lively
    async with browser(made) as asking:
        at = "/dashboard"
        for words in ("Flows", "Last week", "personal"):
            html = (await asking.get(at)).text
            found = re.search(rf'<a href="([^"]*)"[^>]*>(?:<bdi>)?{words}(?:</bdi>)?</a>', html)
            assert found is not None, words
            at = found[1].replace("&amp;", "&")
        shown = Page((await asking.get(at)).text)
    own = [entry for entry in of_period(entries, "last-week") if entry.label == "personal"]
    rows = {(r[""], r["operator"].replace(", ", ",")) for r in shown.rows if "transfers" in r}
    assert rows == {(entry.team, entry.operator) for entry in own}


@pytest.mark.parametrize("query", ["", "&failed=1", "&where=team=sales", "&where=user=visitor-3",
                                   "&where=label=personal&failed=1"])  # fmt: skip
async def test_entries_page_by_page(lively: tuple[FakeHouse, list[Entry]], query: str) -> None:
    made, entries = lively
    own = [
        entry
        for entry in of_period(entries, "30d")
        if ("failed" not in query or entry.outcome == "failed")
        and ("sales" not in query or entry.team == "sales")
        and ("visitor-3" not in query or entry.user == "visitor-3")
        and ("personal" not in query or entry.label == "personal")
    ]
    expected = [entry.request_id for entry in sorted(own, key=lambda e: -e.at_us)]
    found: list[str] = []
    async with browser(made) as asking:
        at: str | None = f"/dashboard/requests?period=30d{query}"
        for _ in range(4):
            html = (await asking.get(at or "")).text
            found += re.findall(r'href="/dashboard/requests/(req_[0-9a-f]+)', html)
            older = re.search(r'<a href="([^"]*)" rel="next">', html)
            if older is None:
                break
            at = older[1].replace("&amp;", "&")
    assert found == expected[: len(found)]
    assert len(found) == min(len(expected), 200)


async def test_a_request_is_told_line_by_line(lively: tuple[FakeHouse, list[Entry]]) -> None:
    made, entries = lively
    second = next(entry for entry in reversed(entries) if entry.attempt == 2)
    both = [entry for entry in entries if entry.request_id == second.request_id]
    shown = await page(made, f"/requests/{second.request_id}")
    assert shown.values["cost"] == cost(both)
    for entry in both:
        assert f"{entry.provider}/{entry.model}" in shown.text
    assert "How it was decided" in shown.text
    assert "was asked" in shown.text
    for name in ("key", "team", "label", "model_asked"):
        assert getattr(second, name) in shown.text
    counts = [row["count"] for row in shown.rows if "count" in row]
    used = [b for b in ("input", "cache_read", "output", "reasoning") if getattr(second, b)]
    if second.prices:
        assert counts == [f"{getattr(second, bucket):,}" for bucket in used]


async def test_every_cost_is_written_out_and_comes_to_the_ledgers(
    lively: tuple[FakeHouse, list[Entry]],
) -> None:
    made, entries = lively
    routes: dict[str, Entry] = {}
    for entry in entries:
        if entry.prices and entry.usage_state == "reported" and entry.cost_pico:
            routes.setdefault(f"{entry.provider}/{entry.model}", entry)
    assert len(routes) >= 4
    for entry in routes.values():
        shown = await page(made, f"/requests/{entry.request_id}")
        assert "comes to just what the ledger has" in shown.text
        row = next(row for row in shown.rows if "sum" in row)
        assert row["sum"].replace(",", "").split()[0] == usd_text(entry.native_pico or 0)


async def test_a_request_that_is_not_known(home: FakeHouse) -> None:
    for name in ("req_nothing", quote(HOSTILE[0], safe=""), "x" * 3_000):
        answer = await get(home, f"/requests/{name}")
        assert answer.status_code == 404
        assert "The ledger knows no request of this id" in answer.text
        assert "<script>alert" not in answer.text


async def test_a_request_is_found_by_what_was_copied(home: FakeHouse) -> None:
    home.keep(an_entry(1, at_us=ago_us(0)))
    async with browser(home) as asking:
        for name in ("req_1", " req_1 ", "req_1.1"):
            sent = await asking.get("/dashboard/requests/find", params={"id": name})
            assert sent.headers["location"].partition("?")[0] == "/dashboard/requests/req_1"
        strange = await asking.get("/dashboard/requests/find", params={"id": "//evil.example/x"})
        assert strange.headers["location"].startswith("/dashboard/requests/%2F%2Fevil")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "path", ["/explore?by=key&and=model", "/flows", "/requests", "/requests/req_2"]
)
async def test_hostile_names_stay_text(home: FakeHouse, path: str, name: str) -> None:
    home.keep(
        an_entry(
            2, at_us=ago_us(0), key=name, label=name, team=name, user=name, tags=name, session=name,
            model_asked=name, provider=name, model=name, served_model=name, host=name,
            endpoint=name, operator=name[:200], place=name[:200], outcome=name, error=name,
            notes=name, purpose=name, finish=name, plan=name, price_source=name, needs=name,
            wire=name, currency="USD", tier=name, decision="no decision",
        )
    )  # fmt: skip
    answer = await get(home, path)
    assert answer.status_code == 200
    shown = Page(answer.text)
    assert not [key for key, _ in shown.attributes if key.startswith("on") or key == "style"]
    assert "img" not in shown.tags
    assert not re.search(r"<script(?![^>]*(?:src=|type=\"application/json\"))", answer.text)


@pytest.mark.parametrize("path", ["/explore", "/flows", "/requests", "/requests/req_1"])
async def test_without_a_ledger_a_page_says_so(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def gone(_: Any) -> None:
        raise Refusal("ledger_unavailable", "the ledger cannot be read: no such table")

    monkeypatch.setattr(home.books, "read", gone)
    answer = await get(home, path)
    assert answer.status_code == 503
    assert "no such table" in Page(answer.text).text


@pytest.mark.parametrize(
    "query",
    ["/explore?by=colour", "/explore?grain=year", "/explore?where=nothing", "/explore?show=weight",
     "/flows?start=place", "/requests?before=tomorrow", "/requests?where=a%00b=c"],
)  # fmt: skip
async def test_wrong_questions_are_answered_in_words(home: FakeHouse, query: str) -> None:
    answer = await get(home, query)
    assert answer.status_code == 400
    assert "This cannot be shown" in answer.text


@pytest.mark.parametrize("language", ["de", "zh"])
@pytest.mark.parametrize("path", ["/explore?compare=1", "/flows", "/requests?failed=1"])
async def test_they_speak_other_languages(
    lively: tuple[FakeHouse, list[Entry]], path: str, language: str
) -> None:
    made, entries = lively
    sign = "&" if "?" in path else "?"
    shown = await page(made, f"{path}{sign}lang={language}")
    assert not {"Explore", "Flows", "Requests"} & set(shown.text.split())
    one = await page(made, f"/requests/{entries[-1].request_id}?lang={language}")
    assert "How it was decided" not in one.text
