"""The pictures of the README, taken by the tests' own browser (``make pictures``)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import READER, opened, settled
from tests.browser.test_pages import request_path
from tests.running import Running
from tests.source_tree import ROOT

pytestmark = pytest.mark.browser

SIZE = (1440, 1060)
PICTURES = {
    "overview": "/dashboard?period=30d",
    "flows": "/dashboard/flows?period=30d",
    "policy": "/dashboard/policy",
    "request": "",
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_readme(browser: Browser, lively: Running, shots: Path, name: str) -> None:
    with opened(browser, SIZE, http_credentials=READER) as page:
        page.goto(f"{lively.url}{PICTURES[name] or request_path(lively)}")
        settled(page)
        page.screenshot(path=shots / f"dashboard-{name}.png")
    kept = ROOT / "docs" / "img" / f"dashboard-{name}.png"
    # It stands in the repository in the same size; what is on it changes with every day.
    assert struct.unpack(">II", kept.read_bytes()[16:24]) == SIZE
    assert f"docs/img/{kept.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
