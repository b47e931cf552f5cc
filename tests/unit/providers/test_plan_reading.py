"""What vendors say of their plans, read as the catalogue says where it stands."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.catalog import builtin
from providers.catalog_plan_form import HeadersForm, ToldForm, WeightsForm
from providers.plan import Quota, WindowTold
from providers.plan_reading import Told, answer_told, told

GLM = {
    "success": True,
    "data": {
        "level": "pro",
        "limits": [
            {"type": "TIME_LIMIT", "unit": 5, "number": 1, "percentage": 3},
            {"type": "TOKENS_LIMIT", "unit": 3, "number": 5, "percentage": 42.5,
             "nextResetTime": 1787565600000},
            {"type": "TOKENS_LIMIT", "unit": 6, "number": 1, "percentage": 7},
        ],
    },
}  # fmt: skip
KIMI = {
    "usage": {"limit": "2048", "used": "214", "remaining": "1834",
              "resetTime": "2026-01-09T15:23:13.716839300Z"},
    "limits": [
        {"window": {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"},
         "detail": {"limit": "200", "remaining": "150", "resetTime": "2026-01-06T13:33:02Z"}},
    ],
}  # fmt: skip
MINIMAX = {
    "base_resp": {"status_code": 0},
    "model_remains": [
        {"model_name": "video", "current_interval_remaining_percent": 100},
        {"model_name": "general", "end_time": 1787565600000, "weekly_end_time": 1788134400000,
         "current_interval_remaining_percent": 99, "current_weekly_remaining_percent": 25},
    ],
}  # fmt: skip
OPENCODE = {
    "rolling": {"status": "ok", "percent": 12, "resetsAt": "2026-09-06T12:31:06.611Z"},
    "weekly": {"percent": 54},
    "monthly": {"percent": 120, "resetsAt": None},
}


def quota(host: str) -> Quota:
    plan = builtin().hosts[host].plan
    assert plan is not None
    assert plan.quota is not None
    return plan.quota


@pytest.mark.parametrize(
    ("host", "answer", "windows"),
    [
        ("zai-coding", GLM, {"5h": (Fraction(17, 40), 1787565600), "7d": (Fraction(7, 100), None)}),
        (
            "kimi-code",
            KIMI,
            {"7d": (Fraction(107, 1024), 1767972193.716839), "5h": (Fraction(1, 4), 1767706382)},
        ),
        (
            "minimax-plan",
            MINIMAX,
            {"5h": (Fraction(1, 100), 1787565600), "7d": (Fraction(3, 4), 1788134400)},
        ),
        (
            "opencode-go",
            OPENCODE,
            {
                "5h": (Fraction(3, 25), 1788697866.611),
                "7d": (Fraction(27, 50), None),
                "1month": (Fraction(6, 5), None),
            },
        ),
        ("opencode-go", {"usage": {"weekly": {"percent": 1}}}, {"7d": (Fraction(1, 100), None)}),
    ],
)
def test_answers_as_public_readers_of_them_know_them(
    host: str, answer: object, windows: dict[str, tuple[Fraction, float | None]]
) -> None:
    found = answer_told(quota(host).says, json.dumps(answer).encode())
    assert {one.per: (one.share, one.resets_at) for one in found} == windows


def test_headers_tell_of_windows_too() -> None:
    rule = WindowTold(per="5h", used_share=("x-5h-utilization",), resets_at=("x-5h-reset",))
    headers = {"x-5h-utilization": "0.3125", "x-5h-reset": "1787565600"}
    assert told([rule], headers) == (Told("5h", Fraction(5, 16), 1787565600.0),)
    assert told([rule], {"x-7d-utilization": "1"}) == ()


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"null", b"[]", b'{"data": {"limits": null}}', b'{"data": 1}', b"\xff"]
)
def test_what_is_no_such_answer_says_nothing(raw: bytes) -> None:
    assert answer_told(quota("zai-coding").says, raw) == ()


@pytest.mark.parametrize(
    "percent", [True, None, "", "NaN", "Infinity", -1, "1e99", "9" * 400, [], {}, "a"]
)
def test_no_figure_is_made_of_what_is_none(percent: object) -> None:
    limits = [{"type": "TOKENS_LIMIT", "unit": 3, "number": 5, "percentage": percent}]
    assert (
        answer_told(quota("zai-coding").says, json.dumps({"data": {"limits": limits}}).encode())
        == ()
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "limits", "type", "unit", "number", "percentage", "usage"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["zai-coding", "kimi-code", "minimax-plan", "opencode-go"]))
def test_no_answer_breaks_the_reading(said: Any, host: str) -> None:
    for one in told(quota(host).says, said):
        assert 0 <= one.share <= 1000


@pytest.mark.parametrize(
    ("form", "said", "why"),
    [
        (ToldForm, {"used_percent": "a"}, "needs either `per` or `number`"),
        (ToldForm, {"per": "5h", "number": "n", "unit": "u", "used_percent": "a"}, "either `per`"),
        (ToldForm, {"number": "n", "used_percent": "a"}, "needs `number`, `unit` and `units`"),
        (ToldForm, {"per": "5h", "used": "a"}, "needs `limit` with `used` or `left`"),
        (HeadersForm, {"per": "5h", "each": "x", "used_share": "a"}, "each"),
        (HeadersForm, {"per": "5h", "used_share": "X-Share"}, "is not the name of a header"),
        (WeightsForm, {}, "needs either `models`"),
        (WeightsForm, {"models": {}, "zone": "Mars"}, "names no time zone"),
    ],
)
def test_a_wrong_reading_is_refused(form: Any, said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        form.model_validate(said)
