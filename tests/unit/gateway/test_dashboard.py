"""The page: what it shows is what the reports say, whatever names clients and hosts invent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from billing import reports
from billing.flows import WAY, FlowRow
from billing.flows import flows as flows_of
from billing.money import pico, usd_text
from billing.reports import Asked
from billing.store import StoreError
from billing.sums import SpendRow
from gateway.dashboard import figures, pages
from gateway.periods import first_and_last_day, midnight
from providers.errors import ErrorKind, UpstreamError
from providers.launch import State
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
from tests.unit.billing.samples import an_entry

VOID = {"meta", "link", "br", "rect", "img", "input"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eevil\u2066\u0001",
    "</bdi></td></table><style>*{display:none}",
    "x" * 100_000,
)


class Page(HTMLParser):
    """A page's tags and texts; fails on a tag that nobody closes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: dict[str, str] = {}
        self.text = ""
        self._id = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._id = dict(attrs).get("id") or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._id:
            self.ids[self._id] = data.strip()
            self._id = ""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway of one machine: no keys, no admin key."""
    with house(tmp_path) as made:
        yield made


@asynccontextmanager
async def client(made: FakeHouse) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that comes by the gateway's own address."""
    transport = httpx.ASGITransport(made.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as asking:
        yield asking


async def get(made: FakeHouse, query: str = "", **headers: str) -> httpx.Response:
    """Load the page."""
    async with client(made) as asking:
        return await asking.get(f"/dashboard{query}", headers=headers)


async def page(made: FakeHouse, query: str = "") -> Page:
    """Load the page and read it."""
    answer = await get(made, query)
    assert answer.status_code == 200
    return Page(answer.text)


@pytest.mark.parametrize("period", ["today", "7d", "30d", "month"])
async def test_the_figures_are_the_reports_sums(home: FakeHouse, period: str) -> None:
    home.keep(*some_entries())
    shown = await page(home, f"?period={period}")
    first, last = first_and_last_day(period, datetime.now(UTC))
    since, until = midnight(first, UTC), midnight(last + timedelta(days=1), UTC)
    total = reports.total(home.store, since, until)
    assert shown.ids["calls"] == f"{total.requests:,}"
    assert shown.ids["tokens-in"] == f"{total.tokens_in:,}"
    assert shown.ids["tokens-out"] == f"{total.tokens_out:,}"
    assert ("title", f"{usd_text(total.cost_pico)} USD") in shown.attributes
    flows = flows_of(home.store, Asked(WAY, since, until))
    assert shown.ids["at-home"] == figures.share_at_home(flows)
    for row in reports.spend(home.store, Asked(("provider",), since, until)).rows:
        assert row.group in shown.text
    if total.unknown:
        assert "1 entry of unknown cost, not in this sum" in shown.text


async def test_the_days_have_a_table_beside_the_bars(home: FakeHouse) -> None:
    home.keep(*some_entries())
    shown = await page(home, "?period=30d")
    days = reports.spend(home.store, Asked(("day",))).rows
    for row in days:
        assert row.group in shown.text
        assert ("title", f"{usd_text(row.cost_pico)} USD") in shown.attributes


async def test_a_spend_of_nothing_draws_no_bars_of_money(home: FakeHouse) -> None:
    home.keep(an_entry(1, at_us=ago_us(0), cost_pico=0))
    shown = await page(home)
    assert shown.ids["spent"] == "$0"
    assert shown.tags.count("figure") == 1
    assert "every entry priced and counted" in shown.text


async def test_an_unknown_cost_is_no_zero(home: FakeHouse) -> None:
    home.keep(an_entry(1, at_us=ago_us(0), cost_pico=None, cost_state="unknown"))
    shown = await page(home)
    assert shown.ids["spent"] == "unknown"
    assert "$0" not in shown.text.replace("most: $0", "")


async def test_an_empty_ledger_shows_how_to_make_the_first_call(home: FakeHouse) -> None:
    shown = await page(home)
    assert "No call yet" in shown.text
    assert "curl http://127.0.0.1:8080/v1/chat/completions" in shown.text
    assert '"model": "assistant"' in shown.text
    assert "ENTREPOT_KEY" not in shown.text
    assert "Providers now" in shown.text


async def test_a_quiet_period_says_so(home: FakeHouse) -> None:
    home.keep(an_entry(1))  # long ago
    shown = await page(home)
    assert shown.ids["calls"] == "0"
    assert "Nothing in this period" in shown.text
    assert "Last entries" in shown.text


async def test_the_first_call_takes_a_key_where_keys_are(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()]) as made:
        shown = await page(made)
    assert "Bearer $ENTREPOT_KEY" in shown.text
    assert CLIENT_KEY not in shown.text


async def test_a_gateway_without_anything_configured_says_what_to_do(tmp_path: Path) -> None:
    with house(tmp_path, {}, providers={}, models={}) as made:
        shown = await page(made)
    assert "add one under models in the config" in shown.text
    assert "add one under providers in the config" in shown.text


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_text_and_nothing_else(home: FakeHouse, name: str) -> None:
    plain = an_entry(1, at_us=ago_us(0), model_asked="tame")
    home.keep(plain)
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
    assert not [key for key, _ in shown.attributes if key.startswith("on") or key == "style"]
    assert len(answer.text) < 200_000
    if len(name) < 60:
        assert name.replace("\u0001", "") in shown.text.replace("\u0001", "")


async def test_the_prompt_cache_says_what_it_saved_and_what_moves_lost(home: FakeHouse) -> None:
    home.keep(an_entry(1, at_us=ago_us(0)))
    shown = await page(home)
    assert shown.ids["cache-read"] == "33 %"
    assert shown.ids["cache-lost"] == "nothing of it lost to route changes"
    moved = {"at_us": ago_us(0), "moved_from": "desk/small", "cache_lost_tokens": 1200}
    home.keep(an_entry(2, **moved, cache_lost_pico=2_345_678_901))
    shown = await page(home)
    assert shown.ids["cache-lost"].startswith("1 route change lost 1,200 tokens of it,")
    assert ("title", "0.002345678901 USD") in shown.attributes
    assert "moved from desk/small; 1,200 cached tokens lost, $0.002346" in shown.text
    home.keep(an_entry(3, **moved, cache_lost_pico=None))
    shown = await page(home)
    assert shown.ids["cache-lost"].startswith("2 route changes lost 2,400 tokens of it,")
    assert "+ 1 unknown" in shown.text
    assert "1,200 cached tokens lost, at an unknown price" in shown.text


async def test_an_unknown_loss_is_no_zero(home: FakeHouse) -> None:
    moved = {"moved_from": "desk/small", "cache_lost_tokens": 9, "cache_lost_pico": None}
    home.keep(an_entry(1, at_us=ago_us(0), **moved))
    shown = await page(home)
    assert "1 route change lost 9 tokens of it, unknown" in " ".join(shown.text.split())


async def test_entries_say_why_a_host_was_asked(home: FakeHouse) -> None:
    home.keep(
        an_entry(1, at_us=ago_us(0)),
        an_entry(1, attempt_id="req_1.2", attempt=2, at_us=ago_us(0), purpose="hedge", lane="translate",
                 wire="chat", host_wire="messages"),
        an_entry(1, attempt_id="req_1.s1", at_us=ago_us(0), purpose="shadow", verdict="better",
                 provider="mistral"),
    )  # fmt: skip
    shown = await page(home)
    assert "hedged second attempt; chat to messages" in shown.text
    assert "shadow; judged better" in shown.text
    assert shown.ids["calls"] == "1"
    assert "no request began here" in shown.text


async def test_a_route_that_is_not_well_is_noted_at_its_provider(home: FakeHouse) -> None:
    assert "gets no call now" not in (await page(home)).text
    route = home.setup.route("mistral/mistral-small-2603")
    limited = UpstreamError(ErrorKind.RATE_LIMITED, "slow down", retry_after_s=90)
    home.health.bad(route, route.endpoint, limited)
    shown = await page(home)
    assert "gets no call now" in shown.text
    assert "cools for another" in shown.text


async def test_strict_headers_and_no_script(home: FakeHouse) -> None:
    home.keep(*some_entries())
    answer = await get(home)
    for headers in (answer.headers, (await get(home, "/style.css")).headers):
        rules = headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'"} <= set(rules)
        assert not any("unsafe" in rule for rule in rules)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    shown = Page(answer.text)
    assert "script" not in shown.tags
    links = [value or "" for key, value in shown.attributes if key in ("href", "src")]
    assert all(link.startswith(("/", "data:")) for link in links)


async def test_a_browser_is_asked_for_the_admin_key(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()], server={"admin_key": ADMIN_KEY}) as made:
        made.keep(*some_entries())
        closed = await get(made)
        assert closed.status_code == 401
        assert closed.headers["www-authenticate"].startswith("Basic ")
        assert "content-security-policy" in closed.headers
        assert "mistral" not in closed.text
        assert (await get(made, authorization=f"Bearer {CLIENT_KEY}")).status_code == 401
        transport = httpx.ASGITransport(made.app())
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", auth=("anybody", ADMIN_KEY)
        ) as browser:
            opened = await browser.get("/dashboard")
        assert opened.status_code == 200
        for secret in (ADMIN_KEY, CLIENT_KEY, HOST_KEY):
            assert secret not in opened.text


async def test_a_website_cannot_read_it(home: FakeHouse) -> None:
    answer = await get(home, origin="https://example.com")
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers


async def test_no_secret_is_shown(home: FakeHouse) -> None:
    home.keep(*some_entries())
    assert HOST_KEY not in (await get(home)).text


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
    assert "Providers now" in shown.text
    assert "No call yet" not in shown.text


async def test_providers_say_how_they_are(home: FakeHouse) -> None:
    home.launched["desk"] = SimpleNamespace(state=State("failed", "its log has the reason"))
    shown = await page(home)
    assert "failed: its log has the reason" in shown.text
    assert "DEEPSEEK_API_KEY is not set in the environment" in shown.text
    home.launched["desk"] = SimpleNamespace(state=State("ready"))
    assert "runs here, ready" in (await page(home)).text


async def test_times_and_days_are_those_of_the_zone(tmp_path: Path) -> None:
    with house(tmp_path, CONFIG, server={"time_zone": "Asia/Tokyo"}) as made:
        made.keep(an_entry(1))
        answer = await get(made)
    assert "2025-11-25T21:00:00+09:00" in answer.text
    assert "Asia/Tokyo" in answer.text


def test_style_needs_no_other_file_and_sets_no_colour_twice() -> None:
    style = (pages.HERE / "style.css").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style
    light, dark = (set(re.findall(r"(--[\w-]+): #", part)) for part in style.split("@media", 1))
    assert light == dark


@pytest.mark.parametrize(
    ("usd", "decimals", "text"),
    [
        ("0", 6, "$0"),
        ("0.000123", 6, "$0.000123"),
        ("0.0000001", 6, "< $0.000001"),
        ("0.004", 2, "< $0.01"),
        ("1234.565", 2, "$1,234.56"),
        ("1234.575", 2, "$1,234.58"),
        ("-0.5", 4, "−$0.5000"),
    ],
)
def test_money_is_rounded_for_the_eye_and_never_to_nothing(
    usd: str, decimals: int, text: str
) -> None:
    assert figures.usd(pico(Decimal(usd)), decimals) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "–"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 1000, "< 1 %"), (999, 1000, "> 99 %")],
)
def test_all_and_nothing_are_said_only_of_all_and_nothing(part: int, whole: int, text: str) -> None:
    assert figures.percent(part, whole) == text


def test_only_what_stayed_at_home_counts_as_home() -> None:
    flows = [
        FlowRow("public", "home", "home", {}, 1, 1, 60, 0),
        FlowRow("public", "US", "US,home", {}, 1, 1, 20, 0),
        FlowRow("public", "unknown", "unknown", {}, 1, 1, 20, 0),
    ]
    assert figures.share_at_home(flows) == "60 %"


def test_what_is_not_known_exactly_is_shown_as_a_band() -> None:
    row = SpendRow(attempts=3, cost_pico=10**12, least_pico=5 * 10**11, most_pico=2 * 10**12)
    assert figures.spent(row, 2) == figures.Money("$0.50 – $2.00", "0.5 – 2 USD")
    one = SpendRow(attempts=2, cost_pico=10**12, least_pico=10**12, most_pico=10**12, unbounded=1)
    assert figures.spent(one, 2) == figures.Money("$1.00", "1 USD", 1)
    assert figures.spent(SpendRow(attempts=1, unbounded=1), 2).text == "unknown"
    guessed = an_entry(1, cost_least_pico=10**11, cost_most_pico=3 * 10**11)
    assert figures.amount(guessed, 1).text == "$0.1 – $0.3"


async def test_a_band_on_the_page_says_what_it_is(home: FakeHouse) -> None:
    bounds = {"cost_least_pico": 10**12, "cost_most_pico": 2 * 10**12}
    home.keep(an_entry(1, at_us=ago_us(0), usage_state="estimated", cost_pico=10**12, **bounds))
    shown = await page(home)
    assert shown.ids["spent"] == "$1.0000 – $2.0000"
    assert "the true sum lies between" in shown.text
    assert "1 with estimated tokens" in shown.text


def test_bars_cover_every_day_and_show_what_is_small() -> None:
    rows = [
        SpendRow(("2025-11-24",), cost_pico=1),
        SpendRow(("2025-11-26",), cost_pico=1000, unbounded=2),
    ]
    drawn = figures.bars(
        rows, date(2025, 11, 23), date(2025, 11, 26), lambda r: r.cost_pico, lambda r: r.group
    )
    assert [bar.height for bar in drawn] == [0, figures.BAR_LEAST, 0, 100]
    assert [bar.label for bar in drawn] == ["Sun 23", "Mon 24", "Tue 25", "Wed 26"]
    assert drawn[-1].unknown == 2
    month = figures.bars(rows, date(2025, 11, 1), date(2025, 11, 30), lambda _: 0, lambda _: "")
    assert 0 < len([bar for bar in month if bar.label]) <= figures.LABELS_SOME
