"""Rules, reasons and warnings in words: whatever a policy or a plan can say has a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from billing.bands import ALWAYS
from billing.price import Price
from billing.price_list import PriceList
from gateway.dashboard.decision_words import reason_words
from gateway.dashboard.policy_proof import warning
from gateway.dashboard.rule_words import dollars, fact_name, rules, value_in_words, whom
from gateway.dashboard.sentences import plain
from gateway.dashboard.words import LANGUAGES, Words, words
from providers import precision
from routing import strategies
from routing.detectors.finding import KINDS
from routing.expected import Expected, View
from routing.facts import RouteFacts
from routing.groups import GROUPS, HOME
from routing.outlook import Speed
from routing.plan import DropReason
from routing.policy import Policy, load_policy
from routing.policy_form import FactsForm, RequireForm
from routing.proof_warnings import Notice, NoticeKind
from routing.rules import COUNTRY_FACTS, VOCABULARY, Which
from routing.wish import ASKABLE, Wish
from tests.unit.routing.sick_routes import route

each_language = pytest.mark.parametrize("language", LANGUAGES)


def asked(**parts: Any) -> Policy:
    """Return a policy of one rule."""
    return load_policy({"rules": [{"name": "r", **parts}]})


def said(policy: Policy, language: str = "en") -> list[str]:
    """Return what its rule asks."""
    (rule,) = rules(policy, words(language))
    return [plain(sentence) for sentence in rule.asks]


def value_for(fact: str) -> object:
    """Return something that may be asked of a fact."""
    if fact in ("retention_days", "facts_age_days"):
        return {"at_most": 30}
    if fact in COUNTRY_FACTS:
        return ["EEA", "US", HOME]
    if fact in VOCABULARY:
        return sorted(VOCABULARY[fact])
    return {"price": {"at_most": 2, "input_at_most": 1, "output_at_most": 3},
            "request_usd": {"at_most": "0.5"}}.get(fact, ["a", "b*"])  # fmt: skip


@each_language
def test_every_fact_can_be_required_and_forbidden_in_words(language: str) -> None:
    t = words(language)
    for fact in RequireForm.model_fields:
        value = value_for(fact)
        if fact == "request_usd":
            value = {"at_most": 0.5}
        sentences = said(asked(require={fact: value}), language)
        assert len(sentences) == (3 if fact == "price" else 1)
        assert all("{" not in one for one in sentences)
        assert t.has(f"policy_fact.{fact}")
    for fact in FactsForm.model_fields:
        value = {"over": 30} if fact.endswith("_days") else value_for(fact)
        (sentence,) = said(asked(forbid={fact: value}), language)
        assert sentence not in said(asked(require={fact: value_for(fact)}), language)
    for order in ASKABLE:
        assert len(said(asked(prefer=order), language)) == 1
        assert t.has(f"order.{order}")


@each_language
def test_every_word_of_a_fact_has_a_text(language: str) -> None:
    t = words(language)
    for fact, values in VOCABULARY.items():
        if fact != "quantisation":
            assert all(t.has(f"value.{fact}_{value}") for value in values)
    assert all(t.has(f"country.{name}") for name in (*GROUPS, HOME))
    for countries in GROUPS.values():
        assert all(t.has(f"country.{code}") for code in countries)
    assert all(t.has(f"found.{kind}") for kind in KINDS)
    assert all(t.has(f"why.{why}") for why in get_args(DropReason))
    for fact in RouteFacts.__dataclass_fields__:
        if fact not in ("evidence", "confirmed"):
            assert fact_name(fact, t) != fact


def test_words_say_what_the_policy_says() -> None:
    policy = load_policy(
        {
            "groups": {"ours": ["DE", "FR"], "a, b": ["IT"]},
            "rules": [
                {"name": "r", "require": {"operator": ["ours", HOME, "NO"]}},
                {"name": "s", "require": {"quantisation": ["fp8+", "int4"]}},
                {"name": "t", "forbid": {"retention_days": {"over": 0}, "zdr": "no"}},
                {"name": "u", "require": {"facts_age_days": {"at_most": 1}}},
            ],
        }
    )
    first, second, third, fourth = rules(policy, words("en"))
    assert plain(first.asks[0]).endswith("under the law of: Norway, at home or ours.")
    assert plain(second.asks[0]) == "Only if the weights are rounded to: fp8 or finer or int4."
    assert [plain(one) for one in third.asks] == [
        "Never if keeping nothing at all (zero data retention) is: not offered.",
        "Never if anything is kept at all.",
    ]
    assert "within 1 day." in plain(fourth.asks[0])


@pytest.mark.parametrize(
    ("which", "text"),
    [
        (Which(), "Every request"),
        (Which(labels=frozenset("abc")), "Every request"),
        (Which(labels=frozenset("bc")), "Requests with label b or a more sensitive one"),
        (Which(labels=frozenset("c")), "Requests with label c"),
        (Which(labels=frozenset("ab")), "Requests with label a or b"),
        (Which(labels=frozenset()), "Requests with a label that does not exist"),
        (
            Which(teams=frozenset("xyz"), keys=frozenset("k")),
            "Requests of team x, y or z, by key k",
        ),
        (Which(tags=frozenset("t"), models=("m*",)), "Requests with tag t, for model m*"),
        (Which(entries=frozenset("m")), "Requests for model m, under whichever name"),
        (Which(teams=frozenset("x"), others=True), "Every request except those of team x"),
        (Which(others=True), "No request at all"),
    ],
)
def test_whom_a_rule_is_for(which: Which, text: str) -> None:
    assert plain(whom(which, "abc", words("en"))) == text


@pytest.mark.parametrize(
    ("amount", "exact", "rounded"),
    [
        ("2", "$2.00", "$2.0000"),
        ("0.5", "$0.50", "$0.500000"),
        ("1234567.8", "$1,234,567.80", "$1,234,567.80"),
        ("0.12345678901", "$0.12345678901", "$0.123457"),
        ("0.0000000001", "$0.0000000001", "< $0.000001"),
        ("1e30", f"${10**30:,}.00", f"${10**30:,}.00"),
        ("0", "$0.00", "$0.000000"),
    ],
)
def test_dollars(amount: str, exact: str, rounded: str) -> None:
    assert dollars(Decimal(amount)) == exact
    assert dollars(Decimal(amount), exact=False) == rounded


def test_values_of_facts() -> None:
    t = words("en")
    assert value_in_words("operator", "CN, SG, XX", t) == "China, Singapore, XX"
    assert value_in_words("operator", "unknown", t) == "unknown"
    assert value_in_words("retention_days", "30", t) == "30 days"
    assert value_in_words("request_usd", "2.3456789", t) == "$2.3457"
    assert value_in_words("trains_on_data", "opt_out", t) == "unless one opts out"
    assert value_in_words("trains_on_data", "of its own", t) == "of its own"
    assert value_in_words("provider", "a, b", t) == "a, b"
    assert all(value_in_words("quantisation", name, t) == name for name in precision.BITS)


def reasons() -> Sequence[str]:
    """Return what strategies can say, of routes with and without prices, speeds and weights."""
    speed = Speed(0.5, 40.0, 12)
    prices = PriceList(((ALWAYS, Price(Decimal(1), Decimal("2.5"), source="test")),))
    hourly = replace(route("b/m"), usd_per_hour=Decimal("0.25"))
    routes = (replace(route("a/m"), prices=prices), hourly, route("c/m"))
    known = {"a/m": speed}
    now = datetime.now(UTC)
    views = [
        View(now, Expected(12_345, 678)),
        View(now, Expected(10, 5), lambda route: known.get(route.name)),
        View(now, Expected(10, 5), lambda _: speed),
    ]
    weights = {"a/m": 9, "b/m": 0}
    blend = {"cheapest": Decimal("0.7"), "fastest": Decimal("0.3")}
    wishes = [*ASKABLE.values(), Wish("weighted", weights), Wish("blend", blend=blend)]
    found = []
    for view in views:
        for wish in wishes:
            found += strategies.order(routes, wish, view)[1]
    return found


@each_language
def test_what_a_plan_says_of_a_place_is_said_in_every_language(language: str) -> None:
    t = words(language)
    found = dict.fromkeys(reasons())
    assert len(found) > 10
    if language != "en":
        assert [one for one in found if reason_words(one, t) == one] == []
    assert reason_words("as nobody foresaw", t) == "as nobody foresaw"


def test_reasons_keep_their_figures() -> None:
    t = words("en")
    assert reason_words("listed at place 3", t) == "listed at place 3"
    told = reason_words("0.000495 USD expected for 12345 tokens in, 500 out", t)
    assert told == "0.000495 USD expected for 12,345 tokens in, 500 out"
    told = reason_words("about 300000 tokens are more than its window of 128000, so last", t)
    assert told == "about 300,000 tokens are more than its window of 128,000, so last"


@each_language
def test_every_warning_has_words(language: str) -> None:
    t: Words = words(language)
    for kind in get_args(NoticeKind):
        for number in (1, 2):
            notice = Notice(
                kind, "", ("r1", "r2"), ("p/m",), ("secret",), ("m",), ("operator", "zdr"), number
            )
            text = plain(warning(notice, t))
            assert "{" not in text
    nowhere = plain(warning(Notice("dead_label", "", labels=("secret",)), t))
    assert nowhere == t("notice.dead_label_everywhere", labels="secret")
