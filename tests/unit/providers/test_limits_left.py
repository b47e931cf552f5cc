"""What hosts say is left of their rate limits, in whatever order they put their words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.limits_left import LIMITS_MOST, LimitLeft, limits_left


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (
            {
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-limit-tokens": "150000",
                "x-ratelimit-reset-tokens": "6ms",
                "x-ratelimit-remaining-requests": "9999",
                "x-ratelimit-limit-requests": "10000",
                "x-ratelimit-reset-requests": "8.64s",
            },
            [LimitLeft("requests", 9999, 10000, 8.64), LimitLeft("tokens", 149984, 150000, 0.006)],
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "39000",
                "anthropic-ratelimit-input-tokens-limit": "40000",
            },
            [LimitLeft("input-tokens", 39000, 40000, None)],
        ),
        ({"x-ratelimit-remaining": "7"}, [LimitLeft("", 7, None, None)]),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-limit-tokens": "0"}, []),
        ({"x-ratelimit-remaining-tokens": "-1"}, []),
        ({"x-ratelimit-remaining-tokens": "²"}, []),
        ({"x-ratelimit-remaining-tokens": "9" * 400}, []),
        ({"x-ratelimit-reset-tokens": "6ms", "rate-limit": "x"}, []),
        ({}, []),
    ],
)
def test_what_is_left_of_which_limit(headers: dict[str, str], found: list[LimitLeft]) -> None:
    assert limits_left(headers) == found


NAMES = st.lists(
    st.sampled_from(["x", "ratelimit", "remaining", "limit", "reset", "tokens", "requests", "1"]),
    min_size=1, max_size=6,
).map("-".join)  # fmt: skip


@given(st.dictionaries(NAMES, st.text(max_size=30), max_size=20))
def test_whatever_hosts_send_it_is_bounded(headers: dict[str, str]) -> None:
    found = limits_left(headers)
    assert len(found) <= LIMITS_MOST
    assert all(one.left >= 0 and one.most != 0 for one in found)
