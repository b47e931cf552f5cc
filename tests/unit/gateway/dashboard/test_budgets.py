"""The page of keys, budgets, plans, servers at home and the ledger itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing import reports
from billing.budgets import BudgetRule, frame
from billing.limits import Standing, StateAwayError
from billing.money import usd_text
from billing.reports import Asked
from billing.store import StoreError
from gateway.auth import key_hash
from gateway.dashboard import budgets
from gateway.dashboard.accounts import fee_in_words
from gateway.dashboard.words import LANGUAGES, words
from gateway.plan_fee import FeeSaid
from providers.plan import Fee
from tests.fakes.house import ADMIN_KEY, HOST_KEY, FakeHouse, a_key, ago_us, house
from tests.fakes.page import HOSTILE, Page, get, page
from tests.fakes.rich_house import rich
from tests.unit.billing.samples import NOON_US, an_entry

PATH = "/budgets?period=7d"
NOON = NOON_US // 1_000_000
USD = 10**12
ENGLISH = words("en")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway of one machine, with nothing that is not paid by the token."""
    with house(tmp_path) as made:
        yield made


async def test_all_of_it_is_shown(tmp_path: Path) -> None:
    with rich(tmp_path) as made:
        shown = await page(made, PATH)
        assert "used up; calls go on" in shown.text
        assert "alerts told: 50, 80 %" in shown.text
        assert "next alert: 100 %" in shown.text
        assert "Key alice" in shown.text
        assert "does not pay" in shown.text
        assert "1,290,150 of 1,700,000,000 tokens, 1,698,709,850 left" in shown.text
        assert "only its vendor can count these" in shown.text
        assert "idling included" in shown.text
        assert "takes entries" in shown.text
        assert HOST_KEY not in shown.text
        first = await page(made)
        assert "would have cost" in first.text
        assert first.said("saved") not in ("", "–")
        assert "used up; calls go on" in first.text


async def test_without_any_the_page_says_how_to_have_them(home: FakeHouse) -> None:
    shown = await page(home, PATH)
    for told in ("None is configured", "No provider of this config is a subscription",
                 "says what its machine costs", "No key is configured"):  # fmt: skip
        assert told in shown.text
    assert "saved" not in (await page(home)).ids


async def test_it_is_for_operators_alone(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()], server={"admin_key": ADMIN_KEY}) as made:
        closed = await get(made, PATH)
        assert closed.status_code == 401
        assert "Budgets" not in closed.text
        assert (await get(made, PATH, ADMIN_KEY)).status_code == 200
    assert (await get(made, "/budgets?period=year")).status_code == 401


@pytest.mark.parametrize("query", ["period=year", "from=2026-13-01", "where=team=x", "page=2"])
async def test_what_is_no_address_is_a_page_that_says_so(home: FakeHouse, query: str) -> None:
    answer = await get(home, f"/budgets?{query}")
    assert answer.status_code == 400
    assert "This cannot be shown" in Page(answer.text).text


async def test_what_is_wrong_with_the_ledger_is_said(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise StoreError("connection refused")

    monkeypatch.setattr(home.store, "insert", away)
    home.keep(an_entry(1), an_entry(2))
    home.unsaved.append(an_entry(3))
    home.trouble = "the disk is full"
    home.debt.owe("ci", 2 * USD, "written")
    shown = await page(home, PATH)
    assert "takes no entries: connection refused" in shown.text
    assert "2 entries wait, the oldest for" in shown.text
    assert "1 entry could not be written: the disk is full" in shown.text
    assert "$2.0000 of $0 is owed" in shown.text
    assert "Calls for $2.0000 can be neither written nor counted yet" in shown.text


@pytest.mark.parametrize("what", ["billing.reports.grouped", "gateway.plan_report.reports"])
async def test_without_a_ledger_budgets_and_keys_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise StoreError("no such table")

    with rich(tmp_path) as made:
        monkeypatch.setattr(what, gone)
        answer = await get(made, PATH)
        assert answer.status_code == 503
        shown = Page(answer.text)
        assert "The books are closed" in shown.text
        assert "used up; calls go on" in shown.text
        assert "The ledger now" in shown.text
        assert "Where this is changed" in shown.text


async def test_limits_that_are_away_are_said_and_hide_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone() -> None:
        raise StateAwayError("valkey does not answer")

    with house(tmp_path, keys=[a_key(budget={"usd": 3, "per": "day"})]) as made:
        monkeypatch.setattr(made.limits, "standings", gone)
        made.keep(an_entry(1, at_us=ago_us(1)))
        for path, more in (("", "Live now"), (PATH, "The ledger now"),
                           (PATH, "how its budget stands is not known")):  # fmt: skip
            shown = await page(made, path)
            assert "How budgets stand is not known" in shown.text
            assert "valkey does not answer" in shown.text
            assert more in shown.text


def standing(spent: int, held: int = 0, account: str = "", **rule: Any) -> Standing:
    """Return how a budget of 10 dollars a day stands at noon."""
    made = BudgetRule("b", Decimal(10), rule.pop("per", "day"), **rule)
    at = frame(made.per, NOON, UTC)
    return Standing(made, account, at, spent * USD, held * USD, 0, 0)


@pytest.mark.parametrize(
    ("found", "state", "told", "bars"),
    [
        (standing(2, 3), "good", "within it", (20, 30)),
        (standing(9, 9, alert_at=(50, 90, 100)), "odd", "all of it is spent or held", (90, 10)),
        (standing(9, alert_at=(90,)), "odd", "past 90 %", (90, 0)),
        (standing(10), "bad", "used up", (100, 0)),
        (standing(12, soft=True), "odd", "used up; calls go on", (100, 0)),
        (standing(-1), "good", "within it", (0, 0)),
    ],
)
def test_how_a_budget_stands(found: Standing, state: str, told: str, bars: tuple[int, int]) -> None:
    (line,) = budgets.lines([found], [None], NOON, UTC, ENGLISH)
    assert (line.state, line.words, (line.spent_bar, line.held_bar)) == (state, told, bars)


def test_forecasts_say_by_which_pace() -> None:
    (line,) = budgets.lines([standing(6)], [USD * 2], NOON, UTC, ENGLISH)
    assert line.forecasts == [
        "used up 2025-11-25 20:00 at its pace so far",
        "used up 2025-11-25 14:24 at the pace of the last 72 min",
    ]
    (slow,) = budgets.lines([standing(1)], [0], NOON, UTC, ENGLISH)
    assert slow.forecasts == ["not used up before its end, at its pace"]
    (gone,) = budgets.lines([standing(10)], [0], NOON, UTC, ENGLISH)
    assert gone.forecasts == ["begins anew 2025-11-26 00:00"]


@pytest.mark.parametrize(
    ("usd", "shown"), [("0.5", "$0.50"), ("2500", "$2,500.00"), ("0.005", "$0.005000")]
)
def test_a_limit_reads_as_it_is_written(usd: str, shown: str) -> None:
    rule = BudgetRule("b", Decimal(usd), "day")
    found = Standing(rule, "", frame("day", NOON, UTC), 0, 0, 0, 0)
    (line,) = budgets.lines([found], [None], NOON, UTC, ENGLISH)
    assert line.limit == shown


def test_the_fullest_come_first_and_not_all() -> None:
    many = [standing(number % 9, account=f"u{number}", each="user") for number in range(300)]
    lines = budgets.lines(many, [None] * 300, NOON, UTC, ENGLISH)
    assert len(lines) == budgets.LINES_MOST
    assert lines[0].spent_bar == 80
    assert lines[0].of == "User u8"


async def test_hostile_names_stay_text(home: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [standing(1, account=name, each="user") for name in HOSTILE]

    async def standings() -> list[Standing]:
        return found

    monkeypatch.setattr(home.limits, "standings", standings)
    home.keep(
        *(
            an_entry(number, at_us=ago_us(1), key=name, team=name, user=name)
            for number, name in enumerate(HOSTILE)
        )
    )
    shown = await page(home, PATH)
    assert not {"script", "img", "style"} & set(shown.tags)
    assert not {"img", "style"} & set((await page(home)).tags)


def several_keys() -> list[dict[str, Any]]:
    """Return keys with and without limits and budgets."""
    return [
        a_key("ci", team="platform", label="internal", models=["assistant", "far"], rpm=60,
              tpm=200_000),
        {"name": "alice", "hash": key_hash("alice"), "team": "research",
         "budget": {"usd": 4, "per": "month", "alerts": [50]}},
        {"name": "idle", "hash": key_hash("idle")},
    ]  # fmt: skip


async def test_keys_are_shown_with_what_they_may_and_what_they_did(tmp_path: Path) -> None:
    with house(tmp_path, keys=several_keys()) as made:
        made.keep(
            an_entry(1, at_us=ago_us(1), key="ci", cost_pico=3 * USD),
            an_entry(2, at_us=ago_us(1), key="ci", cost_pico=1),
            an_entry(3, at_us=ago_us(1), key="alice", cost_pico=2 * USD),
            an_entry(4, at_us=ago_us(1), key="former", cost_pico=5 * USD),
            an_entry(5, at_us=ago_us(2_000), key="alice", cost_pico=USD),
        )
        shown = await page(made, PATH)
        found = reports.spend(made.store, Asked(("key",))).rows
    lines = (tmp_path / "config.yaml").read_text().splitlines()
    rows = {row[""].split("config.yaml")[0]: row for row in shown.rows if "budget" in row}
    assert list(rows) == ["ci", "alice", "idle", "former"]
    costs = {row.group: row.cost_pico for row in found}
    assert rows["ci"]["=cost"] == f"{usd_text(costs['ci'])} USD" == "3.000000000001 USD"
    assert rows["ci"]["requests"] == "2"
    assert rows["alice"]["=cost"] == "2 USD"
    assert rows["idle"]["requests"] == "0"
    assert rows["ci"]["budget"] == "no budget of its own"
    assert rows["former"]["budget"] == "no longer in the config"
    assert "60 calls a minute" in shown.text
    assert "200,000 tokens a minute" in shown.text
    for name, words_there in (("ci", "- name: ci"), ("idle", "- name: idle")):
        at = int(rows[name][""].partition(":")[2])
        assert lines[at - 1].strip() == words_there


async def test_a_key_near_the_end_of_its_budget_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [standing(spent, key=name) for spent, name in ((10, "ci"), (9, "alice"), (2, "idle"))]
    # What only a part of its calls counts under, or everybody's, is no budget of its own.
    more = [standing(10, key="idle", label="personal"), standing(10), standing(10, team="x")]
    each = standing(8, account="former", each="key")

    async def standings() -> list[Standing]:
        return [*own, *more, each]

    with house(tmp_path, keys=several_keys()) as made:
        monkeypatch.setattr(made.limits, "standings", standings)
        shown = await page(made, PATH)
    rows = {row[""].split("config.yaml")[0]: row["budget"] for row in shown.rows if "budget" in row}
    assert rows["ci"].startswith("used up")
    assert rows["alice"].startswith("near the end of its budget")
    assert "90 % of $10.00 a day" in rows["alice"]
    assert rows["idle"].startswith("within it")


async def test_each_budget_says_where_it_stands(tmp_path: Path) -> None:
    with rich(tmp_path) as made:
        shown = await page(made, PATH)
        lines = (tmp_path / "config.yaml").read_text().splitlines()
        at = made.setup.stands("budgets", 0)
        assert at in shown.text
        assert "everything" in lines[int(at.partition(":")[2]) - 1]
        assert made.setup.file in shown.text
        # The first page needs no such thing.
        assert at not in (await page(made)).text


async def test_teams_and_users_lead_to_their_sums(tmp_path: Path) -> None:
    with house(tmp_path, keys=several_keys()) as made:
        made.keep(
            *(
                an_entry(number, at_us=ago_us(1), team="a b", user=f"u{number}", cost_pico=number)
                for number in range(30)
            )
        )
        shown = await page(made, PATH)
        report = reports.spend(made.store, Asked(("user",)))
    hrefs = [value for name, value in shown.attributes if name == "href" and value]
    assert any("/dashboard/explore?" in href and "team%3Da%20b" in href for href in hrefs)
    assert any(f"user%3D{report.rows[0].group}" in href for href in hrefs)
    assert "10 more" in shown.text
    assert sum("user%3Du" in href for href in hrefs) == 20


async def test_more_users_than_a_report_holds_are_said(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.sums.GROUPS_MAX", 3)
    home.keep(*(an_entry(n, at_us=ago_us(1), user=f"u{n}") for n in range(5)))
    shown = await page(home, PATH)
    assert "that is more than 3 groups" in shown.text
    assert "The ledger now" in shown.text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_language_shows_all_of_it(tmp_path: Path, language: str) -> None:
    t = words(language)
    with rich(tmp_path) as made:
        shown = await page(made, f"{PATH}&lang={language}")
    for key in ("key.title", "key.changes", "subscription.title", "machine.title", "books.title",
                "budget.used_up_soft", "plan_window.by_nobody", "machine.with_idling"):  # fmt: skip
        assert t(key) in shown.text, key


async def test_a_time_to_come_costs_nothing_yet(tmp_path: Path) -> None:
    with rich(tmp_path) as made:
        shown = await page(made, "/budgets?from=2100-01-01&to=2100-01-02")
    assert "This time is still to come." in shown.text
    assert "No provider of this config is a subscription" not in shown.text


def test_a_fee_is_said_with_whose_word_it_is() -> None:
    twice = FeeSaid("vendor", Decimal(20), "EUR", "year", "paid at once", 2)
    assert fee_in_words(twice, ENGLISH) == (
        "20 EUR a year (paid at once), 2 times, by the vendor's list"
    )
    config = FeeSaid("config", Decimal("9.5"), per="month")
    assert fee_in_words(config, ENGLISH) == "9.5 USD a month, by the config"
    assert "one of small, large" in fee_in_words(FeeSaid(tiers=("small", "large")), ENGLISH)
    known = FeeSaid(known=(Fee(Decimal(49), "CNY", "month"),))
    assert "known as 49 CNY a month" in fee_in_words(known, ENGLISH)
    assert "not known" in fee_in_words(FeeSaid(), ENGLISH)
