"""The page of bills: what it shows is what the comparison says, and it takes only its own form."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing.bill import Kind
from billing.ledger import Entry
from billing.money import usd_text
from billing.store import StoreError
from gateway import bill_forms, kept_bills
from gateway.dashboard import bills
from gateway.dashboard.bill_lines import amount
from gateway.dashboard.words import LANGUAGES, words
from tests.fakes.house import ADMIN_KEY, FakeHouse, house
from tests.fakes.page import HOSTILE, Page, browser, get, page
from tests.unit.gateway.test_cli_bills import DAYS, FIRST, entries, usage_file

OURS = {"x-entrepot-page": "bills"}
PROVIDERS = {
    "ours": {"catalog": "openai", "api_key": "x"},
    "theirs": {"catalog": "openai", "api_key": "x"},
    "deepseek": {"api_key": "x"},
}
MODELS = {"m": ["ours/gpt-6.1-sol"]}
PARTS: dict[str, Any] = {"providers": PROVIDERS, "models": MODELS, "policy": {"labels": ["public"]}}
HALF = Decimal("0.5")
PAGES_OWN = {"viewport", "color-scheme"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway with two providers at one host and one at another; its ledger is empty."""
    with house(tmp_path, PARTS) as made:
        yield made


async def sent(
    made: FakeHouse,
    kind: str,
    files: Iterable[bytes],
    headers: Mapping[str, str] = OURS,
    key: str = "",
    **more: Any,
) -> httpx.Response:
    """Send a bill as the page does."""
    told = [
        {"name": f"{n}.json", "content": base64.b64encode(content).decode()}
        for n, content in enumerate(files)
    ]
    body = json.dumps({"kind": kind, "files": told, **more})
    async with browser(made, key) as asking:
        return await asking.post("/dashboard/bills/compare", content=body, headers=dict(headers))


def usage(found: Iterable[Entry], folder: Path, **changes: Any) -> bytes:
    """What the provider's usage API says of entries."""
    return usage_file(folder, found, **changes).read_bytes()


def costs(*amounts: Decimal) -> bytes:
    """What the provider's API of costs says, a day each from ``FIRST`` on."""
    found = [
        {
            "start_time": int((FIRST + timedelta(days=n)).timestamp()),
            "results": [{"amount": {"value": f"{value}", "currency": "usd"}}],
        }
        for n, value in enumerate(amounts)
    ]
    return json.dumps({"data": found}).encode()


def balance(value: str, currency: str = "USD") -> bytes:
    """What the provider says of what is left of an account."""
    said = {"balance_infos": [{"currency": currency, "total_balance": value}]}
    return json.dumps(said).encode()


def booked(found: Iterable[Entry]) -> Decimal:
    return Decimal(usd_text(sum(entry.cost_pico or 0 for entry in found)))


def cells(shown: Page) -> list[dict[str, str]]:
    return [row for row in shown.rows if "cause" in row]


def months(shown: Page) -> list[dict[str, str]]:
    return [row for row in shown.rows if "providers" in row]


async def test_the_form_offers_the_kinds_of_the_configs_hosts_first(home: FakeHouse) -> None:
    for language in LANGUAGES:
        shown = await page(home, f"/bills?lang={language}")
        assert "entrepot reconcile --keep" in shown.text
        for name in bill_forms.names():
            assert bill_forms.named(name).title in shown.text
        assert shown.text.index("deepseek.com/user/balance") < shown.text.index("openrouter.ai")
        assert words(language)("bills.none_kept") in shown.text
    # What is typed in can get into no address.
    assert {value for name, value in shown.attributes if name == "name"} == PAGES_OWN


async def test_a_bill_that_agrees_is_kept_without_its_content(
    home: FakeHouse, tmp_path: Path
) -> None:
    home.keep(*entries())
    bill = usage(entries(), tmp_path, api_key_id="key_canary")
    answer = await sent(home, "openai-usage", [bill])
    assert answer.status_code == 200
    shown = Page(answer.text)
    assert "The bill and the ledger agree" in shown.text
    tokens = sum(entry.prompt_tokens + entry.completion_tokens for entry in entries())
    assert shown.values["result"] == str(tokens)
    rows = months(shown)
    assert sum(int(row["=billed"]) for row in rows) == tokens
    assert sum(int(row["=booked"]) for row in rows) == tokens
    assert all(row["causes"] == "agrees" for row in rows)
    (path,) = (tmp_path / "var" / "bills").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "key_canary" not in path.read_text(encoding="utf-8")


async def test_what_differs_is_shown_to_the_last_digit_with_its_cause(
    home: FakeHouse, tmp_path: Path
) -> None:
    known = entries()
    home.keep(*known)
    by_day = [booked(known[2 * n : 2 * n + 2]) for n in range(DAYS)]
    answer = await sent(home, "openai-costs", [costs(by_day[0], by_day[1] + HALF, by_day[2])])
    shown = Page(answer.text)
    off, *same = cells(shown)
    day = (FIRST + timedelta(days=1)).date().isoformat()
    assert off[""] == day
    assert off["=billed"] == f"{by_day[1] + HALF} USD"
    assert off["=booked"] == f"{by_day[1].normalize():f} USD"
    assert Decimal(off["=gap"].removesuffix(" USD")) == HALF
    assert off["cause"] == "another price"
    assert len(same) == DAYS - 1
    assert all(row["cause"] == "–" for row in same)
    found = months(shown)
    gaps = sum(Decimal(row["=gap"].removesuffix(" USD")) for row in found)
    assert gaps == HALF
    assert {row["causes"] for row in found} <= {"agrees", "another price"}
    # The very same is found again by its name, and a second comparison takes its place.
    (name,) = kept_bills.listed(tmp_path / "var" / "bills")
    again = await page(home, f"/bills?show={name}")
    assert cells(again) == cells(shown)
    await sent(home, "openai-costs", [costs(*by_day)])
    assert list(kept_bills.listed(tmp_path / "var" / "bills")) == [name]
    assert "The bill and the ledger agree" in (await page(home, f"/bills?show={name}")).text


async def test_every_language_says_the_causes_and_the_ledgers_own_words_stay(
    home: FakeHouse, tmp_path: Path
) -> None:
    home.keep(*entries()[2:])
    await sent(home, "openai-usage", [usage(entries(), tmp_path)])
    (name,) = kept_bills.listed(tmp_path / "var" / "bills")
    for language in LANGUAGES:
        t = words(language)
        shown = await page(home, f"/bills?show={name}&lang={language}")
        (off,) = [row for row in cells(shown) if row["cause"] != "–"]
        assert off["cause"].startswith(t("bill_cause.past_the_gateway"))
        assert "nothing of it came through the gateway" in off["cause"]
        assert t("bill_state.missing") in shown.text
        assert t("bill_cause.past_the_gateway_means") in shown.text


def test_every_cause_and_state_has_its_words() -> None:
    for language in LANGUAGES:
        t = words(language)
        for kind in Kind.__args__:  # type: ignore[attr-defined]
            assert t(f"bill_cause.{kind.replace(' ', '_')}")
            assert t(f"bill_cause.{kind.replace(' ', '_')}_means")


async def test_a_balance_is_the_bill_between_its_two_files(home: FakeHouse) -> None:
    found = entries(provider="deepseek", model="deepseek-chat")
    home.keep(*found)
    spent = booked(found)
    files = [balance("100"), balance(f"{100 - spent}")]
    times = {
        "since": FIRST.date().isoformat(),
        "until": (FIRST + timedelta(days=DAYS)).date().isoformat(),
    }
    shown = Page((await sent(home, "deepseek-balance", files, **times)).text)
    assert "The bill and the ledger agree" in shown.text
    last = (FIRST + timedelta(days=DAYS - 1)).date()
    assert f"{FIRST.date()} – {last}" in shown.said("result")
    (row,) = months(shown)
    assert row[""].startswith(FIRST.strftime("%Y-%m"))
    other = [balance("100", "CNY"), balance("99", "CNY")]
    shown = Page((await sent(home, "deepseek-balance", other, **times)).text)
    assert months(shown)[0]["=billed"] == "1 CNY"
    assert months(shown)[0]["booked"] == "unknown"
    assert "currency" in months(shown)[0]["causes"]


async def test_whose_bill_it_is_and_which_keys_can_be_said(home: FakeHouse, tmp_path: Path) -> None:
    home.keep(*entries())
    bill = usage(entries(), tmp_path, api_key_id="key_9")
    said = {"providers": ["ours"], "keys": ["key_9=ours"]}
    shown = Page((await sent(home, "openai-usage", [bill], **said)).text)
    assert "The bill and the ledger agree" in shown.text
    assert {row["providers"].split("OpenAI")[0] for row in months(shown)} == {"ours"}
    assert {row["key"] for row in cells(shown)} == {"ours"}


@pytest.mark.parametrize(
    ("kind", "files", "more", "said"),
    [
        ("openai-usag", [b"{}"], {}, ("wrong_kind", "openai-usage")),
        ("openai-usage", [b"{}"], {"providers": ["our"]}, ("wrong_provider", "ours")),
        ("openrouter-activity", [b"{}"], {}, ("wrong_host", "no provider of the config")),
        ("openai-usage", [b"{}"], {"keys": ["ours"]}, ("wrong_key", "BILLED=PROVIDER")),
        ("openai-usage", [b"{}"], {}, ("wrong_file", "0.json")),
        ("openai-usage", [b"\xff"], {}, ("wrong_file", "UTF-8")),
        ("openai-usage", [], {}, ("wrong_file", "")),
        ("deepseek-balance", [balance("1")], {}, ("wrong_file", "two files")),
        ("deepseek-balance", [balance("2"), balance("1")], {}, ("wrong_since", "")),
        ("deepseek-balance", [balance("2"), balance("1")], {"since": "soon"}, ("wrong_since", "soon")),
        ("deepseek-balance", [balance("2"), balance("1")], {"since": "2026-11-02", "until": "2026-11-01"}, ("wrong_until", "")),
        ("openai-costs", [costs(HALF)], {"since": "2026-11-02"}, ("wrong_days", "")),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_beside_the_form(
    home: FakeHouse,
    tmp_path: Path,
    kind: str,
    files: list[bytes],
    more: dict[str, Any],
    said: tuple[str, str],
) -> None:
    answer = await sent(home, kind, files, **more)
    assert answer.status_code == 400
    shown = Page(answer.text)
    assert words("en")(f"bills.{said[0]}") in shown.said("faults")
    assert said[1] in shown.said("faults")
    assert not (tmp_path / "var" / "bills").exists()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"kind": "openai-usage", "files": [{"name": "a", "content": "?"}]}',
             b'{"kind": "openai-usage", "files": [], "path": "/etc/passwd"}'],
)  # fmt: skip
async def test_what_the_page_does_not_send_is_not_taken(home: FakeHouse, body: bytes) -> None:
    async with browser(home) as asking:
        answer = await asking.post("/dashboard/bills/compare", content=body, headers=OURS)
    assert answer.status_code == 400
    assert words("en")("bills.not_taken") in Page(answer.text).said("faults")


async def test_no_website_can_send_a_bill_with_the_admins_key(tmp_path: Path) -> None:
    with house(tmp_path, PARTS, server={"admin_key": ADMIN_KEY}) as made:
        made.keep(*entries())
        bill = usage(entries(), tmp_path)
        foreign: list[dict[str, str]] = [
            {},
            {"x-entrepot-page": "playground"},
            {**OURS, "sec-fetch-site": "cross-site"},
            {**OURS, "sec-fetch-site": "same-site"},
        ]
        for headers in foreign:
            answer = await sent(made, "openai-usage", [bill], headers, key=ADMIN_KEY)
            assert answer.status_code == 403
            assert "only the page of bills may send this" in Page(answer.text).said("faults")
        assert (await sent(made, "openai-usage", [bill])).status_code == 401
        assert not (tmp_path / "var" / "bills").exists()
        own = {**OURS, "sec-fetch-site": "same-origin", "origin": "https://gateway.example.com"}
        assert (await sent(made, "openai-usage", [bill], own, key=ADMIN_KEY)).status_code == 200


async def test_a_gateway_without_keys_takes_no_bill_from_a_website(
    home: FakeHouse, tmp_path: Path
) -> None:
    headers = {**OURS, "origin": "https://evil.example"}
    answer = await sent(home, "openai-usage", [b"{}"], headers)
    assert answer.status_code == 403
    assert not (tmp_path / "var" / "bills").exists()


async def test_what_is_too_large_is_said_with_the_command_that_takes_it(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bills, "FILES_MOST_BYTES", 1000)
    monkeypatch.setattr(bills, "ASIDE_MOST_BYTES", 0)
    answer = await sent(home, "openai-usage", [b" " * 2000])
    assert answer.status_code == 413
    assert "entrepot reconcile --keep" in Page(answer.text).said("faults")


async def test_while_the_ledger_is_away_there_is_a_page_that_says_so(
    home: FakeHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreError("the database is away")

    monkeypatch.setattr("gateway.reconciling.booked", away)
    answer = await sent(home, "openai-usage", [usage(entries(), tmp_path)])
    assert answer.status_code == 503
    assert "the database is away" in Page(answer.text).said("faults")
    assert (await get(home, "/bills")).status_code == 200


async def test_what_cannot_be_kept_is_shown_all_the_same(home: FakeHouse, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "bills").write_text("a file, where the folder would be")
    home.keep(*entries())
    answer = await sent(home, "openai-usage", [usage(entries(), tmp_path)])
    assert answer.status_code == 200
    assert "The bill and the ledger agree" in Page(answer.text).said("result")
    assert "It could not be kept" in Page(answer.text).text


@pytest.mark.parametrize(
    "name", ["nothing", "../ledger", "../../etc/passwd", "%2e%2e%2fconfig", "\0", "a" * 5000]
)
async def test_only_what_is_listed_is_shown(home: FakeHouse, tmp_path: Path, name: str) -> None:
    (tmp_path / "var" / "bills").mkdir(parents=True)
    (tmp_path / "var" / "ledger.jsonl").write_text("{}\n{}\n")
    async with browser(home) as asking:
        answer = await asking.get("/dashboard/bills", params={"show": name})
    assert answer.status_code == 404
    assert "no longer kept" in Page(answer.text).said("faults")


async def test_names_that_are_meant_as_html_stay_text(home: FakeHouse, tmp_path: Path) -> None:
    for rude in HOSTILE:
        bill = usage(entries(), tmp_path, model=rude, api_key_id=rude)
        answer = await sent(home, "openai-usage", [bill], keys=["other=ours"])
        shown = Page(answer.text)
        assert shown.tags.count("script") == 1
        assert "img" not in shown.tags
        assert "onerror" not in {name for name, _ in shown.attributes}
        assert len(answer.text) < 500_000
        wrong = await sent(home, rude[:200], [b"{}"], providers=[rude], keys=[rude])
        assert Page(wrong.text).tags.count("script") == 1


async def test_a_wrong_parameter_is_a_page_that_says_so(home: FakeHouse) -> None:
    answer = await get(home, "/bills?shows=1")
    assert answer.status_code == 400
    assert "shows" in Page(answer.text).text


def test_amounts_are_in_the_bills_currency_and_exact() -> None:
    assert amount(Decimal("1234.5678"), "USD", 2).text == "$1,234.57"
    assert amount(Decimal("-0.5"), "CNY", 2).text == "−0.50 CNY"
    assert amount(Decimal("1E-20"), "USD", 2).exact == "0.00000000000000000001 USD"
    assert amount(Decimal(0), "EUR", 2).text == "0 EUR"
