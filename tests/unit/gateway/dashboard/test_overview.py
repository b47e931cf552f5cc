"""The first page: what it shows is what the ledger says, whatever names clients and hosts invent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing import reports
from billing.ledger import Entry
from billing.money import usd_text
from billing.store import StoreError
from gateway.dashboard import charts, figures
from gateway.dashboard import page as pages
from gateway.dashboard.library import STATIC
from gateway.dashboard.regions import region
from gateway.dashboard.words import LANGUAGES
from tests.fakes.house import (
    ADMIN_KEY,
    CLIENT_KEY,
    CONFIG,
    HOST_KEY,
    FakeHouse,
    a_key,
    ago_us,
    house,
    some_entries,
)
from tests.fakes.page import HOSTILE, Page, browser, get, of_period, page
from tests.unit.billing.samples import an_entry


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway of one machine: no keys, no admin key."""
    with house(tmp_path) as made:
        yield made


def spent(entries: list[Entry]) -> str:
    """Return the exact sum of what is known of costs; "" where nothing of them is."""
    if entries and all(entry.cost_pico is None for entry in entries):
        return ""
    return f"{usd_text(sum(entry.cost_pico or 0 for entry in entries))} USD"


@pytest.mark.parametrize("period", ["today", "yesterday", "7d", "last-week", "30d", "month"])
async def test_the_figures_are_the_entries_sums(home: FakeHouse, period: str) -> None:
    entries = some_entries()
    home.keep(*entries)
    shown, own = await page(home, f"?period={period}"), of_period(entries, period)
    assert shown.values["calls"] == str(sum(entry.attempt == 1 for entry in own))
    assert shown.values["tokens-in"] == str(sum(entry.prompt_tokens for entry in own))
    assert shown.values["tokens-out"] == str(sum(entry.completion_tokens for entry in own))
    tokens = sum(entry.prompt_tokens + entry.completion_tokens for entry in own)
    assert shown.said("tokens") == f"{tokens:,}"
    assert shown.values["spent"] == spent(own)
    assert shown.values["spent-today"] == spent(of_period(entries, "today"))
    assert shown.values["spent-month"] == spent(of_period(entries, "month"))
    failed = sum(entry.outcome == "failed" for entry in own)
    assert f"{failed} of {len(own)} attempts failed" in shown.text
    further = sum(entry.attempt > 1 for entry in own)
    assert f"{further} attempt" in shown.text
    for row in (row for row in shown.rows if "operated_tokens" in row):
        name = next(n for n, text in REGIONS.items() if text == row[""])
        by_law = [entry for entry in own if region(entry.operator) == name]
        by_place = [entry for entry in own if region(entry.place) == name]
        assert row["=operated"] == spent(by_law)
        assert row["=placed"] == spent(by_place)
        for of, found in (("operated", by_law), ("placed", by_place)):
            count = sum(entry.prompt_tokens + entry.completion_tokens for entry in found)
            assert row[f"{of}_tokens"] == f"{count:,}"


REGIONS = {
    "home": "At home", "europe": "Europe", "us": "United States", "china": "China",
    "other": "Elsewhere", "unknown": "Unknown",
}  # fmt: skip


@pytest.mark.parametrize("by", ["provider", "operator", "model", "team", "key"])
async def test_the_chart_has_what_its_table_has(home: FakeHouse, by: str) -> None:
    entries = some_entries()
    home.keep(*entries)
    answer = await get(home, f"?period=30d&by={by}&show=tokens")
    told = json.loads(re.search(r'<script type="application/json">(.*?)</script>', answer.text)[1])
    drawn = {one["name"]: sum(one["values"]) for one in told["series"]}
    sums: dict[str, int] = {}
    for entry in of_period(entries, "30d"):
        name = figures.short(getattr(entry, by), charts.NAME_MAX_CHARS)
        sums[name] = sums.get(name, 0) + entry.prompt_tokens + entry.completion_tokens
    assert drawn == {name: count for name, count in sums.items() if count}
    assert len(told["labels"]) == 30


async def test_a_spend_of_nothing_draws_no_bars_of_money(home: FakeHouse) -> None:
    home.keep(an_entry(1, at_us=ago_us(0), cost_pico=0))
    shown = await page(home)
    assert shown.said("spent") == "$0"
    assert "every entry priced and counted" in shown.text
    assert "Tokens over time" in shown.text
    assert "figure" not in (await page(home, "?show=cost")).tags


async def test_an_unknown_cost_is_no_zero(home: FakeHouse) -> None:
    home.keep(an_entry(1, at_us=ago_us(0), cost_pico=None, cost_state="unknown"))
    shown = await page(home)
    assert shown.said("spent") == "unknown"
    assert shown.values["spent"] == ""
    assert shown.said("spent-today") == "unknown"


async def test_an_empty_ledger_shows_how_to_make_the_first_call(home: FakeHouse) -> None:
    shown = await page(home)
    assert "No call yet" in shown.text
    assert "curl http://127.0.0.1:8080/v1/chat/completions" in shown.text
    assert '"model": "assistant"' in shown.text
    assert "ENTREPOT_KEY" not in shown.text
    assert ("data-newest", "") in shown.attributes


async def test_a_quiet_period_says_so(home: FakeHouse) -> None:
    home.keep(an_entry(1))  # long ago
    shown = await page(home)
    assert shown.values["calls"] == "0"
    assert "Nothing in this time" in shown.text
    assert "No call yet" not in shown.text


async def test_the_first_call_takes_a_key_where_keys_are(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()]) as made:
        shown = await page(made)
    assert "Bearer $ENTREPOT_KEY" in shown.text
    assert CLIENT_KEY not in shown.text


async def test_a_gateway_without_anything_configured_says_what_to_do(tmp_path: Path) -> None:
    with house(tmp_path, {}, providers={}, models={}) as made:
        shown = await page(made)
    assert "add one under `models` in the config" in shown.text


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_text_and_nothing_else(home: FakeHouse, name: str) -> None:
    home.keep(an_entry(1, at_us=ago_us(0), model_asked="tame"))
    tame = await page(home)
    home.keep(
        an_entry(
            2, at_us=ago_us(0), key=name, label=name, model_asked=name, provider=name,
            model=name, operator=name[:200], place=name[:200], outcome=name, error=name,
            moved_from=name, cache_lost_tokens=1, lost=name, notes=name, purpose=name, verdict=name,
        )
    )  # fmt: skip
    answer = await get(home)
    shown = Page(answer.text)
    assert set(shown.tags) <= set(tame.tags) | {"small"}
    assert shown.tags.count("script") == tame.tags.count("script")
    assert not [key for key, _ in shown.attributes if key.startswith("on") or key == "style"]
    assert len(answer.text) < 400_000
    if len(name) < 60:
        assert name.replace("\u0001", "") in shown.text.replace("\u0001", "")


async def test_the_prompt_cache_says_what_it_saved_and_what_moves_lost(home: FakeHouse) -> None:
    home.keep(an_entry(1, at_us=ago_us(0)))
    shown = await page(home)
    assert shown.said("cache-read") == "33 %"
    assert shown.said("cache-lost").endswith("nothing lost to route changes")
    moved = {"at_us": ago_us(0), "moved_from": "desk/small", "cache_lost_tokens": 1200}
    home.keep(an_entry(2, **moved, cache_lost_pico=2_345_678_901))
    shown = await page(home)
    assert "1 route change lost 1,200 tokens of it: $0.002346" in shown.said("cache-lost")
    assert shown.values["cache-lost"] == "0.002345678901 USD"
    assert "moved from desk/small; 1,200 cached tokens lost, $0.002346" in shown.text
    home.keep(an_entry(3, **moved, cache_lost_pico=None))
    shown = await page(home)
    assert "2 route changes lost 2,400 tokens of it" in shown.said("cache-lost")
    assert "+ 1 unknown" in shown.said("cache-lost")
    assert "1,200 cached tokens lost, unknown" in shown.text


async def test_an_unknown_loss_is_no_zero(home: FakeHouse) -> None:
    moved = {"moved_from": "desk/small", "cache_lost_tokens": 9, "cache_lost_pico": None}
    home.keep(an_entry(1, at_us=ago_us(0), **moved))
    shown = await page(home)
    assert shown.said("cache-lost").endswith("1 route change lost 9 tokens of it: unknown")


async def test_entries_say_why_a_host_was_asked(home: FakeHouse) -> None:
    home.keep(
        an_entry(1, at_us=ago_us(0)),
        an_entry(1, attempt_id="req_1.2", attempt=2, at_us=ago_us(0), purpose="hedge", lane="translate",
                 wire="chat", host_wire="messages"),
        an_entry(1, attempt_id="req_1.s1", at_us=ago_us(0), purpose="shadow", verdict="better",
                 provider="mistral"),
    )  # fmt: skip
    shown = await page(home)
    assert "attempt 2; hedged second attempt; chat to messages" in shown.text
    assert "copy for comparison; judged better" in shown.text
    assert shown.values["calls"] == "1"


async def test_a_band_on_the_page_says_what_it_is(home: FakeHouse) -> None:
    bounds = {"cost_least_pico": 10**12, "cost_most_pico": 2 * 10**12}
    home.keep(an_entry(1, at_us=ago_us(0), usage_state="estimated", cost_pico=10**12, **bounds))
    shown = await page(home)
    assert shown.said("spent") == "$1.0000 – $2.0000"
    assert "the true sum lies between" in shown.text
    assert "1 entry with estimated tokens" in shown.text


async def test_the_month_stands_beside_its_budget_and_its_forecast(tmp_path: Path) -> None:
    budgets = [{"name": "all of us", "usd": 5, "per": "month"}]
    with house(tmp_path, budgets=budgets) as made:
        shown = await page(made)
        made.keep(an_entry(1, at_us=ago_us(0), cost_pico=10**12))
        shown = await page(made)
        assert "of $5.00, all of us" in shown.text
        assert shown.said("forecast") == "–"
        assert "known after one whole day" in shown.text
        made.keep(an_entry(2, at_us=ago_us(24), cost_pico=3 * 10**12))
        shown = await page(made)
        assert "at the pace of the last whole day" in shown.text
        assert shown.said("forecast").startswith("$")


async def test_strict_headers_and_scripts_of_its_own_alone(home: FakeHouse) -> None:
    home.keep(*some_entries())
    answer = await get(home)
    rules = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(rules)
    assert not any("unsafe" in rule for rule in rules)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    shown = Page(answer.text)
    links = [value or "" for key, value in shown.attributes if key in ("href", "src", "action")]
    assert all(link.startswith(("/", "#", "data:")) for link in links)
    # A script either has an address of ours, or is data that nobody runs.
    assert not re.search(r"<script(?![^>]*(?:src=|type=\"application/json\"))", answer.text)
    assert len(answer.content) < 120_000


async def test_pages_are_packed_for_those_who_take_it(home: FakeHouse) -> None:
    home.keep(*some_entries())
    async with browser(home) as asking:
        packed = await asking.get("/dashboard", headers={"accept-encoding": "gzip"})
        plain = await asking.get("/dashboard", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) * 4 < len(plain.content)


async def test_a_browser_is_asked_for_the_admin_key(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()], server={"admin_key": ADMIN_KEY}) as made:
        made.keep(*some_entries())
        for path in ("", *(f"/{name}" for name in pages.MENU if name), "/live", "/requests/req_1"):
            closed = await get(made, path)
            assert closed.status_code == 401, path
            assert closed.headers["www-authenticate"].startswith("Basic ")
            assert "content-security-policy" in closed.headers
            assert "mistral" not in closed.text
            asked = await get(made, path, authorization=f"Bearer {CLIENT_KEY}")
            assert asked.status_code == 401
        opened = await get(made, key=ADMIN_KEY)
        assert opened.status_code == 200
        for secret in (ADMIN_KEY, CLIENT_KEY, HOST_KEY):
            assert secret not in opened.text


async def test_a_website_cannot_read_it(home: FakeHouse) -> None:
    answer = await get(home, origin="https://example.com")
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("name", pages.MENU)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_speaks_every_language_and_shows_no_secret(
    home: FakeHouse, name: str, language: str
) -> None:
    home.keep(*some_entries())
    answer = await get(home, f"/{name}?lang={language}" if name else f"?lang={language}")
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
    assert HOST_KEY not in answer.text
    shown = Page(answer.text)
    assert ("aria-current", "page") in shown.attributes
    # Every link within the pages goes on in the language that was chosen.
    links = [value for key, value in shown.attributes if key == "href" and value]
    own = [link for link in links if link.startswith("/dashboard") and "static" not in link]
    assert len(own) > 10
    assert all("lang=" in link for link in own)


async def test_the_language_of_the_browser_is_taken(home: FakeHouse) -> None:
    answer = await get(home, "", **{"accept-language": "de-DE,de;q=0.9"})
    assert "Noch keine Anfrage" in answer.text
    assert "lang=" not in answer.text.replace('lang="', "").replace("?period=7d&amp;lang=", "")


async def test_what_is_wrong_with_an_address_is_a_page_that_says_so(home: FakeHouse) -> None:
    wrong = {
        "?period=fortnight": "period", "?by=colour": "by", "?nonsense=1": "nonsense",
        "?period=7d&period=7d": "period", "?from=today": "from",
    }  # fmt: skip
    for query, name in wrong.items():
        answer = await get(home, query)
        assert answer.status_code == 400, query
        shown = Page(answer.text)
        assert f"`{name}`" in shown.text
        assert "This cannot be shown" in shown.text
        assert ("href", "/dashboard") in shown.attributes


async def test_a_refused_edit_is_a_banner(home: FakeHouse) -> None:
    home.reload_problem = "config.yaml:3: <b>what</b>, right\nconfig.yaml:9: another"
    shown = await page(home)
    assert "The last edit of the config was refused" in shown.text
    assert "config.yaml:3: <b>what</b>, right" in shown.text
    assert ("role", "alert") in shown.attributes
    home.reload_problem = ""
    assert ("role", "alert") not in (await page(home)).attributes


async def test_a_journal_in_trouble_is_a_banner(home: FakeHouse) -> None:
    home.unsaved.append(an_entry())
    home.trouble = "the disk is full; free some space"
    shown = await page(home)
    assert "no call is let in" in shown.text
    assert "the disk is full" in shown.text


async def test_entries_that_wait_are_said(home: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Any) -> None:
        raise StoreError("connection refused")

    monkeypatch.setattr(home.store, "insert", away)
    home.keep(an_entry(1), an_entry(2))
    shown = await page(home)
    assert "2 entries wait in the journal" in shown.text
    assert "connection refused" in shown.text


async def test_without_a_ledger_the_rest_is_there(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise StoreError("the ledger cannot be read: no such table")

    monkeypatch.setattr(reports, "grouped", gone)
    answer = await get(home)
    assert answer.status_code == 503
    shown = Page(answer.text)
    assert "the ledger cannot be read: no such table" in shown.text
    assert "No call yet" not in shown.text


async def test_times_and_days_are_those_of_the_zone(tmp_path: Path) -> None:
    with house(tmp_path, CONFIG, server={"time_zone": "Asia/Tokyo"}) as made:
        made.keep(an_entry(1))
        for name in pages.MENU:
            assert "Asia/Tokyo" in (await get(made, f"/{name}" if name else "")).text
        answer = await get(made)
    assert "2025-11-25T21:00:00+09:00" in answer.text


async def test_what_goes_on_now_is_asked_for_apart(home: FakeHouse) -> None:
    async with browser(home) as asking:
        before = (await asking.get("/dashboard/live")).json()
        home.keep(an_entry(1, at_us=ago_us(0)))
        home.in_flight = 3
        after = (await asking.get("/dashboard/live")).json()
    assert before == {"calls": 0, "newest": ""}
    assert after == {"calls": 3, "newest": "req_1.1"}


async def test_files_are_kept_by_their_mark_and_no_other_is_given(home: FakeHouse) -> None:
    async with browser(home) as asking:
        shown = Page((await asking.get("/dashboard")).text)
        style = next(v for k, v in shown.attributes if k == "href" and v and "style.css" in v)
        kept = await asking.get(style)
        assert "immutable" in kept.headers["cache-control"]
        again = await asking.get("/dashboard/static/style.css")
        assert again.headers["cache-control"] == "no-cache"
        same = {"if-none-match": again.headers["etag"]}
        assert (await asking.get("/dashboard/static/style.css", headers=same)).status_code == 304
        for name in ("../page.py", "%2e%2e/page.py", "nothing.css", "built/LICENSES.txt"):
            assert (await asking.get(f"/dashboard/static/{name}")).status_code == 404


async def test_a_page_without_the_chart_library_has_its_tables(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.keep(*some_entries())
    monkeypatch.setitem(pages.TEMPLATES.globals, "has_charts", lambda: False)
    shown = await page(home, "?period=30d")
    assert ("data-charts", "none") in shown.attributes
    assert "details" in shown.tags


def test_style_needs_no_other_file_and_sets_no_colour_twice() -> None:
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style
    light, dark = (set(re.findall(r"(--[\w-]+): #", part)) for part in style.split("@media", 1))
    assert light == dark


async def test_the_client_of_an_api_gets_no_page(home: FakeHouse) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(home.app()), base_url="http://127.0.0.1:8080"
    ) as asking:
        assert (await asking.get("/api/spend?by=nonsense")).headers["content-type"] == (
            "application/json"
        )
