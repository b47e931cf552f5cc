"""YAML read strictly, with the line of every value."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.problems import ConfigError
from gateway.yaml_lines import MOST_BYTES, parse


def wrong(text: str | bytes) -> list[str]:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as fault:
        parse(raw, "f.yaml")
    return [str(problem) for problem in fault.value.problems]


def test_what_old_yaml_reads_otherwise_stays_as_written() -> None:
    data, _ = parse(
        b"""
        countries: [NO, SE]
        date: 2026-11-01
        clock: 12:30
        octal: 0755
        price: 0.10
        whole: 12
        quoted: '12'
        truth: true
        nothing:
        on: 1
        2024: x
        """,
        "f",
    )
    assert data == {
        "countries": ["NO", "SE"],
        "date": "2026-11-01",
        "clock": "12:30",
        "octal": "0755",
        "price": Decimal("0.10"),
        "whole": 12,
        "quoted": "12",
        "truth": True,
        "nothing": None,
        "on": 1,
        "2024": "x",
    }


def test_every_value_has_its_line() -> None:
    _, lines = parse(b"a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", "f")
    assert lines.find(("a", "b")) == 2
    assert lines.find(("a", "c", 1, "y")) == 5
    assert lines.find(("a", "tag of the form", "c", 0)) == 4
    assert lines.find(("a", "not there")) == 1
    assert lines.under("a").find(("c", 1)) == 5


def test_all_keys_that_stand_twice_are_named_with_both_lines() -> None:
    assert wrong("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n") == [
        "f.yaml:3: `c` stands here for the second time, the first is on line 2, keep one of them",
        "f.yaml:4: `a` stands here for the second time, the first is on line 1, keep one of them",
    ]


def test_anchors_and_merges() -> None:
    text = b"base: &b {x: 1, y: 2}\nsame: *b\nmore:\n  <<: *b\n  y: 3\n"
    assert parse(text, "f")[0] == {
        "base": {"x": 1, "y": 2},
        "same": {"x": 1, "y": 2},
        "more": {"x": 1, "y": 3},
    }


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a: [1, 2\nb: 3\n", "f.yaml:2: not YAML: "),
        ("a: 1\n\tb: 2\n", "f.yaml:2: not YAML: "),
        ("a: b: c\n", "f.yaml:1: not YAML: mapping values are not allowed"),
        ("*x: 1\n", "f.yaml:1: not YAML: "),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: not YAML: "),
        ("a: !!python/object/apply:os.system [x]\n", ""),
        ("a: !secret x\n", "f.yaml:1: the tag !secret is not allowed"),
        ("[a]: 1\n", "f.yaml:1: a list or mapping cannot be a key"),
        ("a: &x [*x]\n", "f.yaml:1: this anchor contains itself"),
        ("a: &x {<<: *x}\n", "f.yaml:1: `<<` inside a merged mapping"),
        ("<<: 3\n", "f.yaml:1: `<<` takes a mapping"),
        ("a: 1\nb: \x07\n", "f.yaml:2: holds a character"),
        ("[" * 5000, "f.yaml:1: is nested too deeply"),
        (b"a: 1\nb: \xff\n", "f.yaml:2: is not UTF-8"),
        (b"#" * (MOST_BYTES + 1), "f.yaml:1: is larger than 1 MB"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str | bytes, start: str) -> None:
    if start:
        assert wrong(text)[0].startswith(start)
    else:
        # A tag on a list makes no object: the list is read as what it is, or refused.
        assert parse(str(text).encode(), "f")[0] == {"a": ["x"]}


def test_anchors_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert any("far too much" in problem for problem in wrong("\n".join(lines)))


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text.encode("utf-8", "surrogatepass"), "f")
    except ConfigError as fault:
        assert all(problem.line >= 1 for problem in fault.problems)  # noqa: PT017


@given(st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=6)))
def test_numbers_are_exact(number: int | Decimal) -> None:
    text = str(number) if isinstance(number, int) else f"{number:f}"
    data, _ = parse(f"n: {text}".encode(), "f")
    assert isinstance(data, dict)
    if len(text) < 30:
        assert data["n"] == number
