"""Retries: which faults a wait may cure, where, and how long the wait is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorKind
from routing.retry import BACK_OFF_MOST_S, CURES, WAIT_MOST_S, repeatable, wait_s

K = ErrorKind
ROUTES = st.dictionaries(st.text("abc", min_size=1), st.sampled_from(list(ErrorKind)))


def test_every_kind_of_fault_has_its_line() -> None:
    assert set(CURES) == set(ErrorKind)


@pytest.mark.parametrize("kind", [K.BAD_REQUEST, K.FILTERED])
def test_the_requests_own_fault_ends_everything(kind: ErrorKind) -> None:
    assert not CURES[kind].other
    assert repeatable({"a/m": kind, "b/m": K.SERVER}) == frozenset()


@pytest.mark.parametrize("kind", [K.TIMEOUT, K.CUT, K.MALFORMED])
def test_what_may_have_cost_money_is_not_repeated_where_it_was(kind: ErrorKind) -> None:
    assert CURES[kind].other
    assert repeatable({"a/m": kind, "b/m": K.SERVER}) == {"b/m"}


@given(ROUTES)
def test_only_what_a_wait_cures_is_repeated(faults: dict[str, ErrorKind]) -> None:
    cured = (K.CONNECT, K.RATE_LIMITED, K.OVERLOADED, K.SERVER)
    for name in repeatable(faults):
        assert faults[name] in cured


@given(
    number=st.integers(0, 100),
    frees=st.lists(st.floats(0, 1000), max_size=5),
    left=st.floats(0, 2000),
    draw=st.floats(0, 1),
)
def test_the_wait_is_bounded_and_never_too_short(
    number: int, frees: list[float], left: float, draw: float
) -> None:
    wait = wait_s(number, frees, left, lambda: draw)
    if wait is None:
        assert not frees or min(frees) > WAIT_MOST_S or max(min(frees), BACK_OFF_MOST_S) >= left
        return
    assert min(frees) <= wait < left, "never before the first is free, never past the deadline"
    assert wait <= max(min(frees), BACK_OFF_MOST_S)


def test_the_back_off_doubles_up_to_its_most() -> None:
    waits = [wait_s(number, [0.0], 1800, lambda: 1.0) for number in range(8)]
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 8, 8]
    assert wait_s(3, [0.0], 1800, lambda: 0.0) == 0, "full jitter"
    assert wait_s(0, [5.0, 3.0], 1800, lambda: 1.0) == 3, "as soon as one of them is free"
    assert wait_s(0, [], 1800) is None
