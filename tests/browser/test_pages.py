"""Every page in a real browser, on a desk and in a hand, by day and by night, over a full ledger."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from billing.money import usd_text
from billing.store import Store
from gateway.dashboard.page import MENU, path_of
from gateway.periods import first_and_last_day, midnight
from tests.browser.chromium import (
    CUT,
    DESK,
    HAND,
    READER,
    SCHEMES,
    SIZES,
    WIDE,
    opened,
    serious,
    settled,
)
from tests.running import Running

pytestmark = pytest.mark.browser

# Pages, by the names of their pictures, with what makes them show the most.
PAGES = {
    **{name or "overview": path_of(name) for name in MENU},
    "overview-today": "/dashboard?period=today&by=team",
    "explore-compared": "/dashboard/explore?by=provider&and=team&period=30d&compare=1",
    "explore-days": "/dashboard/explore?by=team&grain=day&where=label%3Dpersonal",
    "flows-personal": "/dashboard/flows?period=last-week&where=label%3Dpersonal",
    "requests-failed": "/dashboard/requests?failed=1",
    "policy-explained": "/dashboard/policy?model=assistant&label=personal",
}
WIRE_MAX_BYTES = 300_000


def request_path(gateway: Running) -> str:
    """Return the page of a request that was tried twice."""
    store = Store.open(gateway.house.setup.config.ledger)
    query = text(
        "SELECT request_id FROM entries WHERE attempt = 2 AND cost_pico > 0 ORDER BY at_us DESC"
    )
    for part in reversed(store.parts(None, None)):
        with part.connect() as connection:
            found = connection.execute(query).scalar()
        if found is not None:
            store.close()
            return f"/dashboard/requests/{found}"
    raise AssertionError("no request was tried twice")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES, ids=("desk", "hand"))
@pytest.mark.parametrize("name", [*PAGES, "request"])
def test_a_page_fits_can_be_read_and_is_for_everybody(
    browser: Browser, lively: Running, shots: Path, name: str, size: tuple[int, int], scheme: str
) -> None:
    path = PAGES.get(name) or request_path(lively)
    with opened(browser, size, scheme, http_credentials=READER) as page:
        answer = page.goto(f"{lively.url}{path}")
        assert answer is not None
        assert answer.status == 200
        settled(page)
        for fold in page.locator("details").all():
            fold.evaluate("e => e.open = true")
        page.screenshot(path=shots / f"{name}-{size[0]}-{scheme}.png", full_page=True)
        assert page.title().endswith("· Entrepôt")
        across = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert across[0] <= across[1]
        assert page.evaluate(WIDE) == []
        assert page.evaluate(CUT) == []
        assert serious(page) == []
        assert page.locator("main").get_by_role("alert").count() == 0
        if name in MENU or name == "overview":
            assert page.locator(".menu [aria-current=page]").count() == 1


@pytest.mark.parametrize("language", ["de", "zh"])
@pytest.mark.parametrize("name", MENU)
def test_other_languages_fit_a_hand_too(
    browser: Browser, lively: Running, name: str, language: str
) -> None:
    with opened(browser, HAND, http_credentials=READER) as page:
        page.goto(f"{lively.url}{path_of(name)}?lang={language}")
        settled(page)
        assert page.evaluate(WIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(page.locator("html")).to_have_attribute("lang", language)


def test_the_figures_are_those_of_the_ledger(browser: Browser, lively: Running) -> None:
    """By another way: SQL over the single entries, of the days that the page names."""
    with opened(browser, http_credentials=READER) as page:
        page.goto(f"{lively.url}/dashboard?period=30d")
        shown = {
            name: page.locator(f"#{name}").get_attribute("value")
            for name in ("calls", "tokens-in", "tokens-out")
        }
        spent = page.locator("#spent data").get_attribute("value")
    query = text(
        "SELECT sum(attempt = 1), sum(input + cache_read), sum(output + reasoning),"
        " sum(coalesce(cost_least_pico, cost_pico, 0)), sum(coalesce(cost_most_pico, cost_pico, 0))"
        " FROM entries WHERE at_us >= :since AND at_us < :until"
    )

    zone = lively.house.books.zone

    first, last = first_and_last_day("30d", datetime.now(zone))
    since = int(midnight(first, zone).timestamp() * 1e6)
    until = int(midnight(last + timedelta(days=1), zone).timestamp() * 1e6)
    sums = [0] * 5
    store = Store.open(lively.house.setup.config.ledger)
    for part in store.parts(None, None):
        with part.connect() as connection:
            row = connection.execute(query, {"since": since, "until": until}).one()
        sums = [old + int(new or 0) for old, new in zip(sums, row, strict=True)]
    store.close()
    assert shown == {
        "calls": str(sums[0]), "tokens-in": str(sums[1]), "tokens-out": str(sums[2]),
    }  # fmt: skip
    assert spent == f"{usd_text(sums[3])} – {usd_text(sums[4])} USD"


def test_the_first_view_is_light(browser: Browser, lively: Running) -> None:
    """Everything that a browser fetches without a cache, as it comes over the wire."""
    with opened(browser, http_credentials=READER) as page:
        answers = []
        page.on("response", lambda answer: answers.append(answer))
        page.goto(f"{lively.url}/dashboard")
        settled(page)
        sizes = [one.request.sizes() for one in answers]
    whole = sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)
    assert 100_000 < whole < WIRE_MAX_BYTES
    assert len(answers) <= 10


def test_it_works_by_keyboard_alone(browser: Browser, lively: Running) -> None:
    with opened(browser, http_credentials=READER) as page:
        page.goto(f"{lively.url}/dashboard")
        page.keyboard.press("Tab")
        focused = "document.activeElement.textContent.trim()"
        assert page.evaluate(focused) == "To the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")
        page.locator(".period a").first.focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_url("**/dashboard?period=today")


def test_it_reads_without_any_script(browser: Browser, lively: Running) -> None:
    with opened(browser, http_credentials=READER, java_script_enabled=False) as page:
        for name in MENU:
            page.goto(f"{lively.url}{path_of(name)}")
            assert page.locator("h1").inner_text()
            assert page.locator("main section, main dl").count() >= 1


def test_which_team_sent_personal_data_where_last_week_in_three_clicks(
    browser: Browser, lively: Running
) -> None:
    with opened(browser, http_credentials=READER) as page:
        page.goto(f"{lively.url}/dashboard")
        page.get_by_role("link", name="Flows", exact=True).click()
        page.get_by_role("link", name="Last week").click()
        page.get_by_role("link", name="personal", exact=True).click()
        settled(page)
        rows = page.locator("table tbody tr").all_inner_texts()
        assert rows
        assert all(re.search(r"support", row) for row in rows)
        assert any("FR" in row for row in rows)
        # And on to the single entries, from which each request is one click away.
        page.locator("table tbody th a").first.click()
        page.locator("table tbody .time a").first.click()
        expect(page.get_by_role("heading", name="How it was decided")).to_be_visible()


def test_a_view_is_shared_by_its_address(browser: Browser, lively: Running) -> None:
    with opened(browser, DESK, http_credentials=READER) as page:
        page.goto(f"{lively.url}/dashboard/explore")
        page.get_by_label("And by").select_option("team")
        page.get_by_label("Only where").select_option("label")
        page.get_by_label("is", exact=True).fill("internal")
        page.get_by_label("Compare with the time before").check()
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**where=label%3Dinternal**")
        table = page.locator("table").last.inner_text()
        address = page.url
    with opened(browser, HAND, "dark", http_credentials=READER) as page:
        page.goto(address)
        figures = page.locator("tr.total data").first.get_attribute("value")
        assert figures is not None
        assert re.search(r"All of it", table)
        assert page.get_by_label("And by").input_value() == "team"
        assert page.locator(".chips a").count() == 1


def test_the_language_is_chosen_and_stays(browser: Browser, lively: Running) -> None:
    with opened(browser, http_credentials=READER) as page:
        page.goto(f"{lively.url}/dashboard")
        page.get_by_role("link", name="Deutsch").click()
        page.get_by_role("link", name="Datenwege").click()
        expect(page.locator("h1")).to_have_text("Datenwege")
        assert "lang=de" in page.url
    with opened(browser, http_credentials=READER, locale="zh-CN") as page:
        page.goto(f"{lively.url}/dashboard")
        expect(page.locator("h1")).to_have_text("概览")


def test_charts_follow_the_scheme_and_say_exact_figures(browser: Browser, lively: Running) -> None:
    with opened(browser, http_credentials=READER) as page:
        page.goto(f"{lively.url}/dashboard?period=30d")
        settled(page)
        before = page.locator(".plot canvas").first.evaluate("e => e.toDataURL().length")
        assert before > 5_000
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(300)
        assert page.locator(".plot canvas").first.evaluate("e => e.toDataURL().length") != before
        box = page.locator(".plot").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tip = page.locator(".tip")
        expect(tip).to_be_visible()
        assert "$" in tip.inner_text()
