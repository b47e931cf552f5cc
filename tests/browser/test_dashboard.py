"""The page in a real browser: on a desk and in a hand, by day and by night."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from gateway.dashboard import figures
from providers.errors import ErrorKind, UpstreamError
from tests.fakes.house import ADMIN_KEY, FakeHouse, ago_us, house, some_entries
from tests.fakes.rich_house import rich
from tests.unit.billing.samples import an_entry

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
SIZES = ((1280, 900), (390, 844))
WAIT_S = 10.0
CONTRAST = 4.5  # WCAG 2.2, level AA, for text of any size

# Every text that can be seen with less contrast than the argument, against what is behind it.
PALE = """least => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
    && element.getClientRects().length && !element.closest('svg, thead')
  ).map(element => {
    const pair = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    return [ratio, element.tagName, element.textContent.trim().slice(0, 40)];
  }).filter(([ratio]) => ratio < least);
}"""
# What sticks out of the window to the right, boxes that scroll in themselves aside.
WIDE = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, pre, .stack thead') && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, or the one that CHROMIUM names."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium here: apt-get install chromium, or set CHROMIUM")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield made
        made.close()


@contextmanager
def served(made: FakeHouse) -> Iterator[str]:
    """Serve a house's pages on a port of their own; gives the address."""
    options = uvicorn.Config(made.app(), port=0, log_level="error", access_log=False)
    server = uvicorn.Server(options)
    thread = threading.Thread(target=server.run, name="pages")
    thread.start()
    end = time.monotonic() + WAIT_S
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_S)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with a lively fortnight in its ledger, names that nobody likes included."""
    with house(tmp_path_factory.mktemp("lively")) as made:
        long = "a-model-with-a-name-that-has-no-end-" * 40
        rude = "<script>document.title='owned'</script>\u202edrow"
        made.reload_problem = f"config.yaml:3: `{'x' * 300}` is no key of this"
        made.keep(
            *some_entries(),
            an_entry(900, at_us=ago_us(0.01), model_asked=long, model=long, key=rude, label=rude),
            an_entry(901, at_us=ago_us(0.01), purpose="hedge", moved_from=long,
                     cache_lost_tokens=123_456_789, cache_lost_pico=None),
        )  # fmt: skip
        for name in ("mistral/mistral-small-2603", f"mistral/{long}"):
            route = made.setup.route(name)
            fault = UpstreamError(ErrorKind.OVERLOADED, "no room", retry_after_s=3000)
            made.health.bad(route, route.endpoint, fault)
        with served(made) as found:
            yield found


@contextmanager
def opened(browser: Browser, size: tuple[int, int], scheme: Any, **more: Any) -> Iterator[Page]:
    """Give a page whose console has to stay silent."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, **more
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda fault: said.append(str(fault)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    try:
        yield page
        assert said == []
    finally:
        context.close()


@pytest.mark.parametrize(("size", "scheme"), list(product(SIZES, ("light", "dark"))))
@pytest.mark.parametrize("period", ["today", "7d", "30d"])
def test_it_fits_can_be_read_and_says_what_matters(
    browser: Browser, address: str, size: tuple[int, int], scheme: str, period: str
) -> None:
    with opened(browser, size, scheme) as page:
        page.goto(f"{address}/dashboard?period={period}")
        page.locator("details").first.evaluate("e => e.open = true")
        assert page.title().endswith("Entrepôt")
        assert "owned" not in page.title()
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
        assert page.evaluate(WIDE) == []
        assert page.evaluate(PALE, CONTRAST) == []
        for figure in (
            "spent",
            "calls",
            "tokens-in",
            "tokens-out",
            "at-home",
            "cache-read",
            "cache-lost",
        ):
            assert page.locator(f"#{figure}").is_visible()
            assert page.locator(f"#{figure}").inner_text()
        assert page.get_by_text("The last edit of the config was refused").is_visible()
        assert page.get_by_role("row").count() > 25
        assert page.get_by_text("gets no call now").is_visible()
        assert page.get_by_text("days old").first.is_visible(), "facts of providers have an age"
        current = page.get_by_role("navigation", name="Period").locator("[aria-current=page]")
        assert current.get_attribute("href") == f"/dashboard?period={period}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_is_the_readers(browser: Browser, address: str, scheme: str) -> None:
    with opened(browser, SIZES[0], scheme) as page:
        page.goto(f"{address}/dashboard")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        dark = sum(int(part) for part in ground[4:-1].split(",")) < 3 * 128
        assert dark is (scheme == "dark")


def test_it_works_by_keyboard_alone(browser: Browser, address: str) -> None:
    with opened(browser, SIZES[0], "light") as page:
        page.goto(f"{address}/dashboard")
        for _ in range(3):
            page.keyboard.press("Tab")
        focus = "[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]"
        assert page.evaluate(focus) == ["Today", "solid"]
        page.keyboard.press("Enter")
        page.wait_for_url("**/dashboard?period=today")
        assert page.locator("[aria-current=page]").all_inner_texts() == ["Overview", "Today"]


@pytest.mark.parametrize("size", SIZES)
def test_bars_are_as_high_as_they_should_be(
    browser: Browser, address: str, size: tuple[int, int]
) -> None:
    with opened(browser, size, "light") as page:
        page.goto(f"{address}/dashboard?period=30d")
        heights = (
            page.locator(".days")
            .last.locator("rect:not(.ground)")
            .evaluate_all(
                "all => all.map(e => e.getBoundingClientRect().height / e.previousElementSibling.getBoundingClientRect().height)"
            )
        )
        assert len(heights) == 30
        assert max(heights) == pytest.approx(1)
        assert all(h == 0 or h >= figures.BAR_LEAST / 100 - 1e-6 for h in heights)


@pytest.mark.parametrize("size", SIZES)
def test_the_first_visit(browser: Browser, tmp_path: Path, size: tuple[int, int]) -> None:
    with (
        house(tmp_path, server={"admin_key": ADMIN_KEY}) as made,
        served(made) as found,
        opened(
            browser, size, "light", http_credentials={"username": "me", "password": ADMIN_KEY}
        ) as page,
    ):
        page.goto(f"{found}/dashboard")
        assert page.get_by_text("No call yet").is_visible()
        assert f"curl {found}/v1/chat/completions" in page.locator("pre").inner_text()
        assert page.evaluate(WIDE) == []
        assert page.evaluate(PALE, CONTRAST) == []


@pytest.fixture(scope="module")
def rich_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway with budgets, a plan, a machine at home and a baseline."""
    with rich(tmp_path_factory.mktemp("rich")) as made, served(made) as found:
        yield found


@pytest.mark.parametrize(("size", "scheme"), list(product(SIZES, ("light", "dark"))))
def test_budgets_and_plans_fit_and_can_be_read(
    browser: Browser, rich_address: str, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, size, scheme) as page:
        page.goto(f"{rich_address}/dashboard")
        assert "would have cost" in page.locator("#saved").inner_text()
        for path in ("", "/budgets"):
            page.goto(f"{rich_address}/dashboard{path}?period=30d")
            wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1]
            assert page.evaluate(WIDE) == []
            assert page.evaluate(PALE, CONTRAST) == []
        for heading in ("Budgets", "Plans", "Servers at home", "The ledger now"):
            assert page.get_by_role("heading", name=heading).is_visible()
        assert page.get_by_text("used up; calls go on").is_visible()
        assert page.get_by_text("past 80 %").is_visible()
        bars = page.locator(".budgets .bar").evaluate_all(
            "all => all.map(e => [...e.children].map(r => r.getBoundingClientRect().width / e.getBoundingClientRect().width))"
        )
        shares = sorted(tuple(round(100 * share) for share in bar) for bar in bars)
        assert shares == [(0, 100), (12, 15), (80, 0), (100, 0)]


def test_from_one_page_to_the_other_in_the_same_period(browser: Browser, rich_address: str) -> None:
    with opened(browser, SIZES[1], "light") as page:
        page.goto(f"{rich_address}/dashboard?period=30d")
        page.get_by_role("link", name="Budgets and plans").click()
        page.wait_for_url("**/dashboard/budgets?period=30d")
        page.get_by_role("link", name="This month").click()
        page.wait_for_url("**/dashboard/budgets?period=month")
        page.get_by_role("link", name="Overview").click()
        page.wait_for_url("**/dashboard?period=month")
