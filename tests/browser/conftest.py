"""The browser, and a real gateway with a lively quarter of 200,000 entries in its ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import ADMIN_KEY, chromium
from tests.fakes import seeded
from tests.running import Running, running

ENTRIES = int(os.environ.get("BROWSER_ENTRIES", "200000"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, or the one that CHROMIUM names."""
    with chromium() as made:
        yield made


@pytest.fixture(scope="session")
def lively(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that runs, as ``entrepot serve`` would; its admin is ``chromium.READER``."""
    folder = tmp_path_factory.mktemp("lively")
    server = {"admin_key": ADMIN_KEY, "time_zone": "Europe/Paris"}
    path = seeded.fill(folder, ENTRIES, time.time_ns() // 1000, server=server)
    with running(path) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots are kept: what SCREENSHOTS names, else a folder beside the project's."""
    folder = Path(os.environ.get("SCREENSHOTS", ".screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
