"""A real browser for tests: Debian's chromium, pages whose console stays silent, what axe finds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
]  # fmt: skip
ADMIN_KEY = "admin-canary-key"
READER = {"username": "me", "password": ADMIN_KEY}
DESK, HAND = (1440, 900), (390, 844)
SIZES = (DESK, HAND)
# A chart that comes with the page grows for a moment.
GROWS_MS = 350
SCHEMES = ("light", "dark")
# What sticks out of the window to the right, boxes that scroll in themselves aside.
WIDE = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, pre, .stack thead, svg, .skip, .unseen')
    && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))"""
# Text that does not fit into its own box, and is cut without a sign.
CUT = """() => [...document.querySelectorAll('main *')]
  .filter(e => getComputedStyle(e).overflowX === 'hidden' && e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).textOverflow !== 'ellipsis' && !e.closest('thead, .unseen'))
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))"""
AXE = """async () => {
  const found = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa',
    'best-practice'] });
  return found.violations.map(v => [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html)]);
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give Debian's chromium, or the one that CHROMIUM names; else skip."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium here: apt-get install chromium, or set CHROMIUM")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield made
        made.close()


@contextmanager
def opened(
    browser: Browser, size: tuple[int, int] = DESK, scheme: Any = "light", **more: Any
) -> Iterator[Page]:
    """Give a page whose console has to stay silent, and which asks nobody but the gateway."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, **more
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda fault: said.append(str(fault)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.on("request", lambda request: said.extend(_foreign(request.url)))
    try:
        yield page
        assert said == []
    finally:
        context.close()


def _foreign(url: str) -> list[str]:
    return [] if url.startswith(("http://127.0.0.1:", "data:", "blob:")) else [f"asked {url}"]


def settled(page: Page) -> None:
    """Wait until a page's charts are drawn, where it has any."""
    if page.locator("figure.chart").count():
        expect(page.locator("html")).to_have_attribute("data-charts", "drawn")
        expect(page.locator("figure.chart canvas").first).to_be_visible()
        page.wait_for_timeout(GROWS_MS)


def serious(page: Page) -> list[Any]:
    """Return what axe finds on a page that is serious or critical."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    return [one for one in page.evaluate(AXE) if one[0] in ("serious", "critical")]
