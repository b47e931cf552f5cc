"""Our costs of the recorded usages against those of the price package: each difference explained.

What is explained stands in ``tests/replay/prices.py``, which writes it into docs/accuracy.md.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.accuracy_page import sections
from tests.replay.prices import MOMENTS, REASONS, TITLE, compared, reason_of, section

FEW = 16  # one recording of so many is read every day, and all of them where time is no matter


def unexplained(moment: datetime, every: int) -> list[str]:
    """Return the differences at a moment for which nobody has a reason."""
    apart = [one for one in compared(moment, every) if one.verdict not in ("agreed", "neither")]
    return sorted({str(one) for one in apart if reason_of(one) is None})


def test_every_difference_of_a_few_has_a_reason() -> None:
    for moment in (*MOMENTS.values(), datetime.now(UTC)):
        assert unexplained(moment, FEW) == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", [*MOMENTS, "now"])
def test_every_difference_has_a_reason(moment: str) -> None:
    assert unexplained(MOMENTS.get(moment, datetime.now(UTC)), 1) == []


@pytest.mark.slow
def test_every_reason_explains_something() -> None:
    used = {reason_of(one) for moment in MOMENTS.values() for one in compared(moment)}
    assert [reason.words for reason in REASONS if reason not in used] == []


@pytest.mark.slow
def test_most_of_what_both_price_is_the_same() -> None:
    for moment in MOMENTS.values():
        told = [one.verdict for one in compared(moment)]
        assert len(told) > 3000
        assert told.count("agreed") > 10 * told.count("differs")


@pytest.mark.slow
def test_the_page_has_these_figures() -> None:
    assert sections().get(TITLE) == section(), "run `python -m tests.replay.prices`"
