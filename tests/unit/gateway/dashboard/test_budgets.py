"""The page of budgets, plans, servers at home and the ledger itself; and savings on the first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.budgets import BudgetRule, frame
from billing.limits import Standing, StateAwayError
from billing.store import StoreError
from gateway.dashboard import budgets
from tests.fakes.house import ADMIN_KEY, HOST_KEY, FakeHouse, a_key, house
from tests.fakes.rich_house import rich
from tests.unit.billing.samples import NOON_US, an_entry
from tests.unit.gateway.test_dashboard import HOSTILE, Page, get, page

PATH = "/budgets?period=7d"
NOON = NOON_US // 1_000_000
USD = 10**12


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
        assert "key alice" in shown.text
        assert "does not pay" in shown.text
        assert "1,290,150 of 1,700,000,000 tokens, 1,698,709,850 left" in shown.text
        assert "only its vendor can count these" in shown.text
        assert "idling included" in shown.text
        assert "takes entries" in shown.text
        assert HOST_KEY not in shown.text
        first = await page(made)
        assert "would have cost" in first.ids["saved"]
        assert "used up; calls go on" in first.text


async def test_without_any_the_page_says_how_to_have_them(home: FakeHouse) -> None:
    shown = await page(home, PATH)
    for words in ("None is configured", "No provider of this config is a subscription",
                  "says what its machine costs"):  # fmt: skip
        assert words in shown.text
    assert "saved" not in (await page(home)).ids


async def test_it_is_for_operators_alone(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()], server={"admin_key": ADMIN_KEY}) as made:
        closed = await get(made, PATH)
        assert closed.status_code == 401
        assert "Budgets" not in closed.text
    assert (await get(made, "/budgets?period=year")).status_code == 401


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


async def test_without_a_ledger_budgets_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise StoreError("no such table")

    with rich(tmp_path) as made:
        monkeypatch.setattr("gateway.plan_report.reports", gone)
        answer = await get(made, PATH)
        assert answer.status_code == 503
        shown = Page(answer.text)
        assert "The books are closed" in shown.text
        assert "used up; calls go on" in shown.text
        assert "The ledger now" in shown.text


async def test_limits_that_are_away_are_said_and_hide_nothing_else(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone() -> None:
        raise StateAwayError("valkey does not answer")

    monkeypatch.setattr(home.limits, "standings", gone)
    for path, more in (("", "Providers now"), (PATH, "The ledger now")):
        shown = await page(home, path)
        assert "How budgets stand is not known" in shown.text
        assert "valkey does not answer" in shown.text
        assert more in shown.text


def standing(spent: int, held: int = 0, account: str = "", **rule: Any) -> Standing:
    made = BudgetRule("b", Decimal(10), rule.pop("per", "day"), **rule)
    at = frame(made.per, NOON, UTC)
    return Standing(made, account, at, spent * USD, held * USD, 0, 0)


@pytest.mark.parametrize(
    ("found", "state", "words", "bars"),
    [
        (standing(2, 3), "good", "within it", (20, 30)),
        (standing(9, 9, alert_at=(50, 90, 100)), "odd", "all of it is spent or held", (90, 10)),
        (standing(9, alert_at=(90,)), "odd", "past 90 %", (90, 0)),
        (standing(10), "bad", "used up", (100, 0)),
        (standing(12, soft=True), "odd", "used up; calls go on", (100, 0)),
        (standing(-1), "good", "within it", (0, 0)),
    ],
)
def test_how_a_budget_stands(
    found: Standing, state: str, words: str, bars: tuple[int, int]
) -> None:
    (line,) = budgets.lines([found], [None], NOON, UTC)
    assert (line.state, line.words, (line.spent_bar, line.held_bar)) == (state, words, bars)


def test_forecasts_say_by_which_pace() -> None:
    (line,) = budgets.lines([standing(6)], [USD * 2], NOON, UTC)
    assert line.forecasts == [
        "used up 25 Nov, 20:00 at its pace so far",
        "used up 25 Nov, 14:24 at the pace of the last 72 minutes",
    ]
    (slow,) = budgets.lines([standing(1)], [0], NOON, UTC)
    assert slow.forecasts == ["not used up before its end, at its pace"]
    (gone,) = budgets.lines([standing(10)], [0], NOON, UTC)
    assert gone.forecasts == ["begins anew 26 Nov, 00:00"]


def test_the_fullest_come_first_and_not_all() -> None:
    many = [standing(number % 9, account=f"u{number}", each="user") for number in range(300)]
    lines = budgets.lines(many, [None] * 300, NOON, UTC)
    assert len(lines) == budgets.LINES_MOST
    assert lines[0].spent_bar == 80
    assert lines[0].of == "user u8"


async def test_hostile_names_stay_text(home: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [standing(1, account=name, each="user") for name in HOSTILE]

    async def standings() -> list[Standing]:
        return found

    monkeypatch.setattr(home.limits, "standings", standings)
    for path in ("", PATH):
        shown = await page(home, path)
        assert "script" not in shown.tags
        assert "img" not in shown.tags
