"""From an empty ledger to the first answer, as somebody new sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import SIZES, WIDE, opened, serious, settled
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import config, running

pytestmark = pytest.mark.browser

POLICY = {"labels": ["public", "personal"], "rules": []}
APPEARS_MS = 15_000


@pytest.mark.parametrize("size", SIZES, ids=("desk", "hand"))
def test_the_first_request_appears_by_itself(
    browser: Browser, tmp_path: Path, shots: Path, size: tuple[int, int]
) -> None:
    with Upstream() as host:
        home = {"catalog": "ollama", "base_url": f"{host.base_url}/v1", "free": "our own machine"}
        path = config(
            tmp_path,
            policy=POLICY,
            providers={"home": home},
            models={"assistant": ["home/small"]},
        )
        with running(path) as gateway, opened(browser, size) as page:
            page.goto(f"{gateway.url}/dashboard")
            expect(page.get_by_role("heading", name="No call yet")).to_be_visible()
            command = page.locator("pre").inner_text()
            assert f"curl {gateway.url}/v1/chat/completions" in command
            assert page.evaluate(WIDE) == []
            assert serious(page) == []
            page.screenshot(path=shots / f"welcome-{size[0]}.png", full_page=True)
            host.script(answers.chat("hello"))
            assert gateway.chat().status_code == 200
            expect(page.locator("#calls")).to_have_text("1 call", timeout=APPEARS_MS)
            expect(page.get_by_role("heading", name="No call yet")).to_have_count(0)
            page.locator(".entries .time a").first.click()
            expect(page.get_by_role("heading", name="What was tried")).to_be_visible()
            settled(page)
            assert serious(page) == []
