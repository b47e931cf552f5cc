"""The engine that puts a body into a host's words."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.catalog_dialect_form import DialectForm, SpeechForm
from providers.catalog_dialects import dialects, layer
from providers.deviations import adapted
from providers.dialect import Dialect


def dialect(**said: Any) -> Dialect:
    form = SpeechForm(dialect=DialectForm.model_validate({"source": ["s"], **said}))
    return dialects(("chat",), [layer(form)])["chat"]


def test_a_host_of_the_wires_own_way_gets_the_body_as_it_is() -> None:
    body = {"a": 1}
    assert adapted(body, Dialect()).body is body


@pytest.mark.parametrize(
    ("said", "body", "becomes"),
    [
        ({"rename": {"a": "b"}}, {"a": 1}, {"b": 1}),
        ({"rename": {"a": "b"}}, {"a": 1, "b": 2}, {"b": 2}),
        ({"rename": {"a": "x.y.a"}}, {"a": 1}, {"x": {"y": {"a": 1}}}),
        ({"rename": {"a": "x.a"}}, {"a": 1, "x": {"k": 2}}, {"x": {"k": 2, "a": 1}}),
        ({"drops": ["a"]}, {"a": 1, "b": 2}, {"b": 2}),
        ({"drops": ["x.a"]}, {"x": {"a": 1, "b": 2}}, {"x": {"b": 2}}),
        ({"drops": ["x.a"]}, {"x": "text"}, {"x": "text"}),
        ({"defaults": {"a": 5}}, {}, {"a": 5}),
        ({"defaults": {"a": 5}}, {"a": None}, {"a": 5}),
        ({"defaults": {"a": 5}}, {"a": 1}, {"a": 1}),
        ({"sets": {"x.a": "eu"}}, {"x": {"a": "us", "b": 1}}, {"x": {"a": "eu", "b": 1}}),
        ({"sets": {"x.a": "eu"}}, {"x": "in the way"}, {"x": {"a": "eu"}}),
        ({"sets": {"x.y.a": "eu"}}, {"x": {"y": [1], "b": 1}}, {"x": {"y": {"a": "eu"}, "b": 1}}),
        ({"sets": {"x.a": "eu"}}, {"x": None}, {"x": {"a": "eu"}}),
        ({"clamps": {"t": {"at_most": "1"}}}, {"t": 1.7}, {"t": 1}),
        ({"clamps": {"t": {"at_least": "0.01"}}}, {"t": 0}, {"t": 0.01}),
        ({"clamps": {"t": {"at_least": "0.01"}}}, {"t": "warm"}, {"t": "warm"}),
        ({"clamps": {"t": {"at_least": "1"}}}, {"t": True}, {"t": True}),
        ({"allows": {"t": [1]}}, {"t": 1.0}, {"t": 1.0}),
        ({"allows": {"t": [1]}}, {"t": True}, {}),
        ({"allows": {"t": [1]}}, {"t": None}, {"t": None}),
    ],
)
def test_one_deviation(said: dict[str, Any], body: dict[str, Any], becomes: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    assert adapted(body, dialect(**said)).body == becomes
    assert body == before, "the client's own body stays as it was"


def test_what_was_done_is_said() -> None:
    done = adapted(
        {"user": "u", "t": 1.7, "p": 3, "n": 9},
        dialect(
            drops=["user"],
            clamps={"t": {"at_most": "1"}, "n": {"at_most": "8", "alters": False}},
            allows={"p": [0, 1]},
            defaults={"m": 4096},
            rename={"n": "count"},
        ),
    )
    assert done.lost == ("user", "p")
    assert done.changed == ("t 1.7 to 1", "m set to 4096")
    assert [one.field for one in done.altering] == ["p", "t"]
    assert done.altering[0].reason == "takes `p` only as 0 or 1"
    assert done.altering[1].reason == "takes `t` only up to 1"
    assert done.body == {"t": 1, "m": 4096, "count": 9}


def test_bounds_hold_by_the_hosts_name_of_a_field() -> None:
    host = dialect(
        rename={"max_completion_tokens": "max_tokens"},
        clamps={"max_tokens": {"at_most": "8192", "alters": False}},
    )
    done = adapted({"max_completion_tokens": 100_000}, host)
    assert (done.body, done.altering) == ({"max_tokens": 8192}, ())
    assert done.changed == ("max_tokens 100000 to 8192",)


def test_a_refusal_of_the_name_that_is_put_otherwise_refuses_nothing() -> None:
    host = dialect(rename={"max_tokens": "max_completion_tokens"}, refuses=["max_tokens", "seed"])
    assert host.refuses == {"seed"}


def test_a_range_keeps_whole_numbers_whole() -> None:
    bounds = dialect(clamps={"a": {"at_least": "1", "at_most": "2.5"}}).clamps[("a",)]
    assert (bounds.at_least, bounds.at_most) == (1, 2.5)
    assert isinstance(bounds.at_least, int)
    assert Decimal(str(bounds.at_most)) == Decimal("2.5")


class TestConditions:
    host = dialect(
        refuses=["a"],
        cases=[
            {"when": ["thinks"], "refuses": ["temperature"], "source": ["s"]},
            {"when": ["thinks", "tools"], "forced_tools": False, "source": ["s"]},
            {"when": ["stream"], "drops": ["n"], "source": ["s"]},
        ],
    )

    def test_the_plain_dialect_is_without_them(self) -> None:
        plain = self.host.under(frozenset())
        assert (plain.refuses, plain.forced_tools, plain.drops) == ({"a"}, True, frozenset())

    def test_all_of_a_case_must_hold(self) -> None:
        thinking = self.host.under(frozenset({"thinks"}))
        assert (thinking.refuses, thinking.forced_tools) == ({"a", "temperature"}, True)
        both = self.host.under(frozenset({"thinks", "tools"}))
        assert (both.refuses, both.forced_tools) == ({"a", "temperature"}, False)

    def test_what_no_case_asks_for_makes_no_difference(self) -> None:
        assert self.host.conditions == {"thinks", "tools", "stream"}
        assert self.host.under(frozenset({"not_thinks", "stream"})).drops == {("n",)}

    def test_layers_add_their_cases(self) -> None:
        lower = {
            "source": ["s"],
            "cases": [{"when": ["stream"], "refuses": ["b"], "source": ["s"]}],
        }
        upper = {
            "source": ["s"],
            "cases": [{"when": ["stream"], "refuses": ["c"], "source": ["s"]}],
        }
        forms = [SpeechForm(dialect=DialectForm.model_validate(one)) for one in (lower, upper)]
        host = dialects(("chat",), [layer(form) for form in forms])["chat"]
        assert host.under(frozenset({"stream"})).refuses == {"b", "c"}


paths = st.sampled_from(["a", "b", "x.a", "x.b", "x.y.c"])
values = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3))
bodies = st.dictionaries(
    st.sampled_from(["a", "b", "c", "x"]),
    st.one_of(values, st.dictionaries(st.sampled_from(["a", "b", "y"]), values)),
)
said = st.fixed_dictionaries(
    {},
    optional={
        "drops": st.lists(paths, max_size=2),
        "defaults": st.dictionaries(paths, values, max_size=2),
        "sets": st.dictionaries(paths, values, max_size=2),
        "allows": st.dictionaries(paths, st.lists(values, min_size=1, max_size=2), max_size=2),
        "clamps": st.dictionaries(paths, st.just({"at_least": "0", "at_most": "3"}), max_size=2),
        "rename": st.dictionaries(st.sampled_from(["a", "b"]), paths, max_size=2),
    },
)


@given(bodies, st.dictionaries(paths, values, min_size=1, max_size=1))
def test_what_an_account_is_judged_by_is_set_whatever_the_client_says(
    body: dict[str, Any], sets: dict[str, Any]
) -> None:
    ((path, value),) = sets.items()
    found: Any = adapted(body, dialect(sets=sets)).body
    for step in path.split("."):
        found = found[step]
    assert found == value


@given(bodies, said)
def test_any_body_comes_through_and_stays_as_it_was(
    body: dict[str, Any], how: dict[str, Any]
) -> None:
    before = copy.deepcopy(body)
    host = dialect(**how)
    done = adapted(body, host)
    assert body == before
    assert adapted(body, host) == done
    for path in done.changed + done.lost:
        assert path.isascii()
    untouched = {"a", "b", "x"} | {path[0] for path in host.defaults}
    assert {k: v for k, v in done.body.items() if k not in untouched} == {
        k: v for k, v in body.items() if k not in untouched
    }
