"""The form of the page of bills in a real browser: files are read there, and the answer is put in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway import kept_bills
from tests.browser.chromium import SIZES, WIDE, serious
from tests.fakes.house import ADMIN_KEY
from tests.running import Running, config, running
from tests.unit.gateway.test_cli_bills import DAYS, FIRST, entries, usage_file

pytestmark = pytest.mark.browser

RUDE = "<img src=x onerror=\"document.title='owned'\">"
# What the console says of an answer with a status of 400 or more.
REFUSED = "Failed to load resource"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    """A gateway whose ledger has some calls at one provider."""
    parts = {
        "providers": {"ours": {"catalog": "openai", "api_key": "x"}, "deepseek": {"api_key": "x"}},
        "models": {"m": ["ours/gpt-6.1-sol"]},
        "policy": {"labels": ["public"]},
        "server": {"admin_key": ADMIN_KEY},
    }
    with running(config(tmp_path, **parts)) as made:
        for entry in entries():
            made.house.journal.append(entry)
        yield made


@contextmanager
def shown(browser: Browser, gateway: Running, **more: Any) -> Iterator[Page]:
    """Give the page as an admin has it; nothing is said in its console but of refused bills."""
    credentials = {"username": "me", "password": ADMIN_KEY}
    context = browser.new_context(http_credentials=credentials, **more)  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda fault: said.append(str(fault)))
    page.goto(f"{gateway.url}/dashboard/bills")
    try:
        yield page
        assert [words for words in said if REFUSED not in words] == []
        assert "owned" not in page.title()
    finally:
        context.close()


def compare(page: Page, kind: str, *files: Path) -> None:
    """Choose a kind and its files, and send them."""
    page.get_by_label("Kind of bill").select_option(kind)
    fields = page.locator("#bill input[type=file]:visible")
    for number, file in enumerate(files):
        fields.nth(number).set_input_files(file)
    page.get_by_role("button", name="Compare").click()


@pytest.mark.parametrize("size", SIZES, ids=("desk", "hand"))
def test_a_bill_is_compared_and_stays_in_the_list(
    browser: Browser, gateway: Running, tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    with shown(browser, gateway, viewport={"width": width, "height": height}) as page:
        bill = usage_file(tmp_path, [*entries(), *entries()[:2]])
        compare(page, "openai-usage", bill)
        found = page.locator("#found")
        expect(found).to_be_focused()
        expect(page.locator("#result")).to_contain_text("differ in 1 row")
        expect(page.locator("#result .causes")).to_contain_text("past the gateway")
        expect(page.locator("#bill-status")).to_have_text("Compared.")
        (name,) = kept_bills.listed(tmp_path / "bills")
        assert page.url.endswith(f"show={name}")
        months = {FIRST.strftime("%Y-%m"), (FIRST + timedelta(days=DAYS - 1)).strftime("%Y-%m")}
        expect(page.locator("#kept tbody tr")).to_have_count(len(months))
        page.locator("details").last.evaluate("e => e.open = true")
        assert page.evaluate(WIDE) == []
        assert serious(page) == []
        # Another one of the same takes its place, and an old one is a click away.
        usage_file(tmp_path, entries())
        compare(page, "openai-usage", bill)
        expect(page.locator("#result")).to_contain_text("The bill and the ledger agree")
        page.goto(f"{gateway.url}/dashboard/bills")
        page.locator("#kept tbody a").first.click()
        expect(page.locator("#result")).to_contain_text("The bill and the ledger agree")


def test_what_is_wrong_is_said_beside_the_form_and_what_was_found_stays(
    browser: Browser, gateway: Running, tmp_path: Path
) -> None:
    with shown(browser, gateway) as page:
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("alert")).to_contain_text("Choose the file of the bill")
        compare(page, "openai-usage", usage_file(tmp_path, entries()))
        expect(page.locator("#result")).to_contain_text("agree")
        expect(page.get_by_role("alert")).to_have_count(0)
        (tmp_path / "empty.json").write_text("")
        (tmp_path / f"{RUDE.replace('/', '')}.json").write_text("{")
        for name in ("empty", RUDE.replace("/", "")):
            compare(page, "openai-usage", tmp_path / f"{name}.json")
            expect(page.get_by_role("alert")).to_contain_text("cannot be read as this kind of bill")
            expect(page.get_by_role("alert")).to_contain_text(name[:8])
            expect(page.locator("#result")).to_contain_text("agree")
        assert page.locator("main img").count() == 0


def test_a_balance_has_two_files_and_a_time(
    browser: Browser, gateway: Running, tmp_path: Path
) -> None:
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    for path, left in zip(files, ("9.5", "9"), strict=True):
        said = {"balance_infos": [{"currency": "USD", "total_balance": left}]}
        path.write_text(json.dumps(said))
    with shown(browser, gateway) as page:
        compare(page, "deepseek-balance", *files)
        expect(page.get_by_role("alert")).to_contain_text("say when it begins")
        page.get_by_label("Begins").fill(FIRST.strftime("%Y-%m-%dT%H:%M"))
        page.get_by_role("button", name="Compare").click()
        expect(page.locator("#result")).to_contain_text("past the gateway")
        billed = page.locator('#result [data-of="money-billed"] data')
        assert billed.get_attribute("value") == "0.5 USD"
        page.get_by_label("Kind of bill").select_option("openai-usage")
        expect(page.get_by_label("Begins")).to_be_hidden()


def test_without_scripts_it_says_so_and_names_the_command(
    browser: Browser, gateway: Running
) -> None:
    with shown(browser, gateway, java_script_enabled=False) as page:
        assert page.locator("#bill").is_hidden()
        assert page.get_by_text("entrepot reconcile --keep KIND FILE").is_visible()
