"""What is not well at a provider, in a few words and lines."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.condition import Condition, RouteNow
from gateway.dashboard.troubles import LINES_MOST, trouble
from gateway.dashboard.words import LANGUAGES, words
from routing.health import RouteHealth
from routing.outlook import Blocked

NEAR = "desk/small"
ENGLISH = words("en")


def blocked(name: str, why: Any, reason: str) -> RouteNow:
    """Return a route that must not be asked now."""
    return RouteNow(name, RouteHealth("closed", 1, 1.0), Blocked(why, reason, 9.0))


def test_a_busy_home_still_gets_what_no_other_takes() -> None:
    found = trouble(Condition((blocked(NEAR, "busy", "a call would wait"),), {}, (), None), ENGLISH)
    assert found is not None
    assert (found.state, found.words, found.lines) == ("odd", "busy", ["small: a call would wait"])


def test_one_reason_for_all_routes_is_said_once_and_many_are_cut() -> None:
    same = tuple(blocked(f"p/m{n}", "health", "cools") for n in range(9))
    found = trouble(Condition(same, {"g": 3.0}, (), None), ENGLISH)
    assert found is not None
    assert found.lines == ["cools"]
    unlike = tuple(blocked(f"p/m{n}", "health", f"reason {n}") for n in range(9))
    found = trouble(Condition(unlike, {}, (), None), ENGLISH)
    assert found is not None
    assert found.lines[-1] == f"and {9 - LINES_MOST + 1} more"
    well = RouteNow("p/well", RouteHealth("closed", 0, 0.0), None)
    found = trouble(Condition((*same, well), {}, (), None), ENGLISH)
    assert found is not None
    assert found.lines == ["m0, m1, m2 and 6 more: cools"]


def test_a_breaker_whose_time_is_over_is_said_to_be_tried_again() -> None:
    found = trouble(
        Condition((RouteNow("p/m", RouteHealth("half_open", 6, 1.0), None),), {}, (), None), ENGLISH
    )
    assert found is not None
    assert found.words == "available, not all well"
    assert "the next call tries it again" in found.lines[0]


def test_a_name_without_an_end_leaves_room_for_the_reason() -> None:
    found = trouble(
        Condition((blocked(f"p/{'x' * 5000}", "health", "cools"),), {}, (), None), ENGLISH
    )
    assert found is not None
    assert len(found.lines[0]) < 80
    assert found.lines[0].endswith("…: cools")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_all_of_it(language: str) -> None:
    t = words(language)
    resting = RouteNow("p/m", RouteHealth("closed", 0, 0.0), None)
    found = trouble(Condition((resting,), {"g": 90.0, "h": 240.0}, (), None), t)
    assert found is not None
    assert found.lines == [t("trouble.cools", n=2, left=t("unit.minutes", n=4))]
    assert found.words == t("trouble.not_all_well")
