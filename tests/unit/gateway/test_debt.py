"""What is owed never passes what the config allows, in whatever order calls come and end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config_file import read
from gateway.debt import NOT_OWING, Debt, DebtError
from gateway.problems import ConfigError
from tests.fakes.house import a_key
from tests.running import config

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "settle", "unwritten"]),
        st.sampled_from(["ci", "alice"]),
        st.integers(0, 60),
        st.booleans(),
    ),
    max_size=40,
)


@example(most=1, of_alice=0, steps=[("take", "ci", 0, False), ("take", "ci", 0, False)])
@given(most=st.integers(1, 200), of_alice=st.integers(0, 200), steps=STEPS)
def test_calls_are_let_in_within_the_debt(
    most: int, of_alice: int, steps: list[tuple[str, str, int, bool]]
) -> None:
    debt = Debt()
    debt.configure(most, {"alice": of_alice})
    owings = []
    for step, key, amount, flag in steps:
        before = debt.owed_pico
        if step == "take":
            try:
                owings.append((debt.take(key, amount, uncounted=flag), amount))
            except DebtError:
                assert debt.owed_pico == before
            else:
                assert debt.owed_pico == before + amount <= most
                assert key != "alice" or of_alice
        elif step == "settle" and owings:
            owing, held = owings.pop()
            owing.settle(None if flag else min(held, amount))
            owing.settle(10**9)
            assert debt.owed_pico <= before
        elif step == "unwritten":
            debt.owe(key, amount, "written")
    for owing, _ in owings:
        owing.settle(0)
    debt.clear("written")
    debt.clear("counted")
    assert debt.owed_pico == 0


def test_nothing_is_let_in_by_default_not_even_what_costs_nothing() -> None:
    debt = Debt()
    with pytest.raises(DebtError, match="no debt is allowed"):
        debt.take("ci", 0, uncounted=False)
    NOT_OWING.settle(5)


def test_what_nobody_can_bound_is_not_let_in() -> None:
    debt = Debt()
    debt.configure(100, {})
    with pytest.raises(DebtError, match="not known"):
        debt.take("ci", None, uncounted=True)
    debt.owe("ci", None, "written")
    with pytest.raises(DebtError, match="not known"):
        debt.take("ci", 1, uncounted=True)
    debt.clear("written")
    debt.take("ci", 100, uncounted=True)


def test_each_reason_is_cleared_by_itself() -> None:
    debt = Debt()
    debt.configure(100, {})
    debt.take("ci", 40, uncounted=True).settle(30)
    debt.owe("ci", 50, "written")
    debt.clear("written")
    assert debt.owed_pico == 30


def test_a_key_that_may_owe_more_than_all_is_a_mistake(tmp_path: Path) -> None:
    good = config(tmp_path, debt_usd=5, keys=[a_key(debt_usd="2.50")])
    assert read(good, {}).config.debt_usd == 5
    with pytest.raises(ConfigError, match="may owe more than the whole gateway"):
        read(config(tmp_path, debt_usd=1, keys=[a_key(debt_usd="2.50")]), {})
    with pytest.raises(ConfigError, match="debt_usd"):
        read(config(tmp_path, debt_usd=-1), {})
