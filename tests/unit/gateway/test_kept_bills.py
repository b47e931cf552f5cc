"""Comparisons that are kept: whole or not at all, for their owner alone, and never too many."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from billing.bill import BillLine, Booked, Quarter
from billing.reconcile import by_month
from gateway import bill_forms, kept_bills
from gateway.reconciling import Question

FIRST = date(2026, 10, 30)
NIGHT = datetime(2026, 10, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def question(
    days: int = 4, providers: Sequence[str] = ("openai",), kind: str = "openai-costs"
) -> Question:
    """A bill of some days around the end of a month, a dollar each."""
    lines = tuple(BillLine(FIRST + n * DAY, "m", cost=Decimal(1)) for n in range(days))
    last = FIRST + (days - 1) * DAY
    return Question(
        kind, bill_forms.named("openai-costs"), tuple(providers), lines, NIGHT - DAY,
        NIGHT + (days + 1) * DAY, FIRST, last,
    )  # fmt: skip


def booked(days: int, dollars: Decimal = Decimal(1)) -> list[Quarter]:
    """What the ledger has of those days."""
    pico = int(dollars * 10**12)
    sums = Booked(requests=1, tokens_in=9, cost=pico, cost_least=pico, cost_most=pico, native=pico)
    first = int(NIGHT.timestamp()) // 900
    return [Quarter(first + 96 * n + 40, "m", "openai", "USD", sums) for n in range(days)]


def test_what_is_kept_is_what_was_found(tmp_path: Path) -> None:
    asked = question()
    found = asked.compared(booked(4, Decimal("0.9")))
    name = kept_bills.keep(tmp_path / "bills", asked, found)
    again = kept_bills.read(tmp_path / "bills", name)
    assert again is not None
    head, kept = again
    assert kept == found
    assert kept_bills.listed(tmp_path / "bills") == {name: head}
    assert head.providers == ("openai",)
    assert (head.first, head.last) == (FIRST, FIRST + 3 * DAY)
    assert [one.month for one in head.months] == ["2026-10", "2026-11"]
    assert [one.billed for one in head.months] == [2, 2]
    assert [one.booked for one in head.months] == [Decimal("1.8"), Decimal("1.8")]
    assert all(one.causes == ("price drift",) for one in head.months)


def test_months_add_up_to_the_whole() -> None:
    asked = question(40)
    found = asked.compared([*booked(39), *booked(2)])
    months = by_month(found)
    assert list(months) == ["2026-10", "2026-11", "2026-12"]
    assert sum(one.billed for one in months.values()) == found.billed
    assert sum(one.booked for one in months.values()) == found.booked
    assert sum(len(one.cells) for one in months.values()) == len(found.cells)
    assert not months["2026-10"].agrees
    assert months["2026-11"].agrees
    assert not months["2026-12"].agrees


def test_a_later_comparison_of_the_same_takes_its_place_and_no_others(tmp_path: Path) -> None:
    for asked in (
        question(),
        question(providers=("openai", "other")),
        question(providers=("other", "openai")),
        question(kind="./my/own form.yaml"),
        question(5),
    ):
        kept_bills.keep(tmp_path, asked, asked.compared(booked(4)))
    assert len(kept_bills.listed(tmp_path)) == 3
    assert len(list(tmp_path.iterdir())) == 3, "nothing half written is left"


@pytest.mark.parametrize("kind", ["../../etc/passwd", "/" * 300, "ö\0\n", "", "A" * 5000])
def test_names_are_ours_whatever_is_asked(tmp_path: Path, kind: str) -> None:
    asked = question(kind=kind, providers=("../x", "\0", "…" * 500))
    name = kept_bills.keep(tmp_path / "bills", asked, asked.compared(booked(4)))
    assert re.fullmatch(r"[a-z0-9-]{20,90}", name)
    assert [path.name for path in (tmp_path / "bills").iterdir()] == [f"{name}.jsonl"]
    assert kept_bills.read(tmp_path / "bills", name) is not None


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_bills, "KEPT_MOST", 3)
    names = []
    for n in range(5):
        asked = replace(question(), first=FIRST - n * DAY)
        names.append(kept_bills.keep(tmp_path, asked, asked.compared(booked(4))))
        os.utime(tmp_path / f"{names[-1]}.jsonl", (1_000_000 + n, 1_000_000 + n))
    asked = question(providers=("last",))
    names.append(kept_bills.keep(tmp_path, asked, asked.compared(booked(4))))
    assert set(kept_bills.listed(tmp_path)) == set(names[-3:])


def test_of_too_many_rows_those_that_differ_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_bills, "CELLS_MOST", 2)
    asked = question(4)
    name = kept_bills.keep(tmp_path, asked, asked.compared(booked(3)))
    again = kept_bills.read(tmp_path, name)
    assert again is not None
    head, found = again
    assert [cell.state for cell in found.cells] == ["missing", "matched"]
    assert (head.cells, head.matched) == (4, 3)


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    asked = question()
    name = kept_bills.keep(tmp_path, asked, asked.compared(booked(4)))
    whole = (tmp_path / f"{name}.jsonl").read_bytes()
    damaged = {
        "2026-01-01-a-0000000000000000": b"",
        "2026-01-02-a-0000000000000000": b"{}\n{}\n",
        "2026-01-03-a-0000000000000000": b"\xff" * 100,
        "2026-01-04-a-0000000000000000": whole[:200],
        "2026-01-05-a-0000000000000000": b"[" * 100_000,
    }
    for other, content in damaged.items():
        (tmp_path / f"{other}.jsonl").write_bytes(content)
        assert kept_bills.read(tmp_path, other) is None
    (tmp_path / "elsewhere").write_bytes(whole)
    (tmp_path / "2026-01-06-a-0000000000000000.jsonl").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "notes.jsonl").write_bytes(whole)
    assert set(kept_bills.listed(tmp_path)) == {name}
    assert kept_bills.read(tmp_path, "2026-01-06-a-0000000000000000") is None
    assert kept_bills.listed(tmp_path / "nowhere") == {}
