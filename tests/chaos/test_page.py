"""The page that `make chaos` writes is there, and tells of every kind of fault."""

from __future__ import annotations

from tests.chaos.hosts import KINDS
from tests.chaos.reliability import PAGE


def test_the_page_tells_of_every_kind_of_fault() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    told = {row[0].removeprefix("| ") for row in rows if len(row) == 10}
    assert {*KINDS, "none", "mixture"} <= told
