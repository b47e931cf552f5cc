"""The policy against a second reading of it, written naively and apart from the first.

The naive reading works on the file's plain data, walks every rule for every request and remembers
nothing. Where the two disagree, one of them is wrong.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.endpoint import Endpoint, Timeouts
from routing.facts import RequestFacts, RouteFacts
from routing.plan import Route, plan
from routing.policy import load_policy
from routing.proof import Principal, prove

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LABELS = ["public", "internal", "personal"]
OURS = ["DE", "CH", "home"]

# Written out again, on purpose.
EU_TEXT = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"
EU = EU_TEXT.split(" ")
GROUPS = {
    "EU": EU,
    "EEA": [*EU, "NO", "IS", "LI"],
    "EFTA": ["CH", "NO", "IS", "LI"],
    "five_eyes": ["US", "GB", "CA", "AU", "NZ"],
    "BRICS": ["BR", "RU", "IN", "CN", "ZA", "EG", "ET", "IR", "AE", "ID"],
}
VALUES = {
    "weights": ["open", "closed"],
    "trains_on_data": ["never", "opt_out", "by_default"],
    "zdr": ["default", "on_approval", "no"],
}
SETS = ("maker", "operator", "processed_in")
NAMES = {
    "licence": ["MIT", "Apache-2.0", "llama"],
    "provider": ["home", "Cloud", "c"],
    "model": ["qwen-3", "Qwen", "luna"],
}
PATTERNS = {
    "licence": ["mit", "*-2.0", "llama*", "?", "ll[a]ma"],
    "provider": ["home", "c*", "?", "cloud", "[c]"],
    "model": ["qwen*", "LUNA", "*", "*-3"],
}


# --- the naive reading ---


def glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(glob(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] == text[0] and glob(pattern[1:], text[1:])


def countries(word: str) -> list[str]:
    """What a word of the file or of a fact may stand for."""
    return {**GROUPS, "ours": OURS}.get(word, [word])


def all_in(value: frozenset[str], words: list[str]) -> bool:
    wanted = [country for word in words for country in countries(word)]
    return all(country in wanted for said in value for country in countries(said))


def any_in(value: frozenset[str], words: list[str]) -> bool:
    wanted = [country for word in words for country in countries(word)]
    return any(country in wanted for said in value for country in countries(said))


def refuses(part: str, fact: str, words: Any, route: RouteFacts) -> bool:
    value = getattr(route, fact)
    if value is None or value == frozenset():
        return True
    if fact == "retention_days":
        return value > words["at_most"]
    if fact in SETS:
        return not all_in(value, words) if part == "require" else any_in(value, words)
    if fact in NAMES:
        found = any(glob(word.lower(), value.lower()) for word in words)
    else:
        found = value in words
    return found if part == "forbid" else not found


def concerns(when: dict[str, Any], request: RequestFacts) -> bool:
    for part, said in when.items():
        if part == "label_at_least" and LABELS.index(request.label) < LABELS.index(said):
            return False
        if part == "tag" and not any(tag in said for tag in request.tags):
            return False
        if part == "model" and not any(
            glob(pattern.lower(), request.model.lower()) for pattern in said
        ):
            return False
        if part in ("label", "team", "key") and getattr(request, part) not in said:
            return False
    return True


def naive(
    policy: dict[str, Any], request: RequestFacts, route: RouteFacts, ceiling: Decimal | None
) -> set[str]:
    """Give the names of all rules that refuse."""
    refusing = set()
    for rule in policy["rules"]:
        if not concerns(rule.get("when", {}), request):
            continue
        for part in ("require", "forbid"):
            for fact, words in rule.get(part, {}).items():
                if fact == "request_usd":
                    if ceiling is None or ceiling > Decimal(str(words["at_most"])):
                        refusing.add(rule["name"])
                elif refuses(part, fact, words, route):
                    refusing.add(rule["name"])
    return refusing


# --- what is generated ---


def some(words: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=3, unique=True)


COUNTRIES = ["DE", "FR", "CH", "NO", "US", "CN", "home"]
PLACE_WORDS = st.one_of(
    some([*COUNTRIES, "EU", "EEA", "EFTA", "five_eyes", "BRICS", "ours"]),
    st.just(GROUPS["EEA"]),
    st.just([*EU, "EFTA"]),
)
LIMIT = st.builds(lambda most: {"at_most": most}, st.sampled_from([0, 7, 30]))
SAID: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(SETS, PLACE_WORDS),
    **{fact: some(words) for fact, words in VALUES.items()},
    **{fact: some(words) for fact, words in PATTERNS.items()},
}


def mapping(parts: dict[str, st.SearchStrategy[Any]], least: int) -> st.SearchStrategy[Any]:
    return st.lists(
        st.sampled_from(sorted(parts)), min_size=least, max_size=3, unique=True
    ).flatmap(lambda names: st.fixed_dictionaries({name: parts[name] for name in names}))


WHEN = mapping(
    {
        "label_at_least": st.sampled_from(LABELS),
        "label": some(LABELS),
        "team": some(["a", "b"]),
        "tag": some(["t", "u", "v"]),
        "key": some(["k", "l"]),
        "model": some(["m*", "MX", "?", "[m]"]),
    },
    0,
)
RULE = st.fixed_dictionaries(
    {"when": WHEN},
    optional={
        "require": mapping(
            {
                **SAID,
                "retention_days": LIMIT,
                "request_usd": st.sampled_from([{"at_most": 0}, {"at_most": 0.5}]),
            },
            1,
        ),
        "forbid": mapping(SAID, 1),
        "prefer": st.sampled_from(["listed", "cheapest"]),
    },
).filter(lambda rule: len(rule) > 1)


def named(rules: list[dict[str, Any]]) -> dict[str, Any]:
    numbered = [{**rule, "name": f"r{number}"} for number, rule in enumerate(rules)]
    return {"labels": LABELS, "groups": {"ours": OURS}, "rules": numbered}


POLICY = st.builds(named, st.lists(RULE, max_size=4))
PLACES = st.one_of(
    st.none(),
    st.frozensets(st.sampled_from([*COUNTRIES, "EEA", "EU", "EFTA"]), max_size=2),
)
FACTS = st.builds(
    RouteFacts,
    provider=st.sampled_from(NAMES["provider"]),
    model=st.sampled_from(NAMES["model"]),
    licence=st.sampled_from([None, *NAMES["licence"]]),
    retention_days=st.sampled_from([None, 0, 7, 31]),
    **dict.fromkeys(SETS, PLACES),
    **{fact: st.sampled_from([None, *values]) for fact, values in VALUES.items()},
)
REQUEST = st.builds(
    RequestFacts,
    label=st.sampled_from(LABELS),
    team=st.sampled_from(["", "a", "b"]),
    key=st.sampled_from(["", "k"]),
    tags=st.frozensets(st.sampled_from(["t", "u", "v"]), max_size=3),
    model=st.sampled_from(["m", "mx", "x"]),
)
CEILING = st.sampled_from([None, Decimal(0), Decimal("0.5"), Decimal("0.51")])


def route_of(facts: RouteFacts, available: str = "") -> Route:
    endpoint = Endpoint(facts.provider, "host", "default", "", {}, Timeouts(1, 1, 1, 1))
    return Route(
        facts.name,
        facts.provider,
        facts.model,
        endpoint,
        {"chat": Dialect()},
        facts,
        available=available,
    )


# --- the properties ---


@settings(max_examples=400, deadline=None)
@given(POLICY, st.lists(FACTS, max_size=3), st.lists(REQUEST, max_size=3), CEILING)
def test_judge_agrees_with_the_naive_reading(policy, routes, requests, ceiling):
    judged = load_policy(policy)
    for _ in range(2):  # the second time from memory
        for route, request in itertools.product(routes, requests):
            refusing = naive(policy, request, route, ceiling)
            verdict = judged.judge(request, route, ceiling)
            assert verdict.allowed is (not refusing)
            assert verdict.allowed or verdict.rule in refusing
            assert verdict.allowed or verdict.reason


@settings(max_examples=200, deadline=None)
@given(
    POLICY,
    st.lists(st.tuples(FACTS, st.sampled_from(["", "no key"])), max_size=5),
    REQUEST,
    st.sampled_from(["listed", "cheapest"]),
)
def test_plan_keeps_exactly_what_is_available_and_allowed(policy, routes, request_, prefer):
    candidates = [route_of(facts, available) for facts, available in routes]
    planned = plan(candidates, prefer, load_policy(policy), request_, NOW)
    kept = [
        route
        for route in candidates
        if not route.available and not naive(policy, request_, route.facts, None)
    ]
    assert list(planned.routes) == kept  # without prices, both orders are the listed one
    assert len(planned.reasons) == len(planned.routes)
    assert len(planned.routes) + len(planned.dropped) == len(candidates)
    assert all(dropped.reason for dropped in planned.dropped)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(RULE, max_size=3),
    RULE,
    st.integers(0, 3),
    st.lists(FACTS, max_size=4),
    REQUEST,
    CEILING,
)
def test_adding_a_rule_never_admits_more(rules, another, place, routes, request_, ceiling):
    before = load_policy(named(rules))
    after = load_policy(named([*rules[:place], another, *rules[place:]]))
    for route in routes:
        if after.judge(request_, route, ceiling).allowed:
            assert before.judge(request_, route, ceiling).allowed


@settings(max_examples=100, deadline=None)
@given(POLICY, FACTS, REQUEST, st.sampled_from([*SETS, *VALUES, "licence", "retention_days"]))
def test_knowing_less_never_admits_more(policy, route, request_, fact):
    judged = load_policy(policy)
    less = RouteFacts(
        **{name: None if name == fact else getattr(route, name) for name in route.__slots__}
    )
    if judged.judge(request_, less, Decimal(0)).allowed:
        assert judged.judge(request_, route, Decimal(0)).allowed


EXPECT = st.builds(
    lambda given_, said: {"given": given_, **said},
    mapping({"label": some(LABELS), "team": some(["a", "b"]), "tag": some(["t", "u"])}, 0),
    st.one_of(
        st.builds(lambda words: {"never": {"operator": words}}, PLACE_WORDS),
        st.just({"denied": True}),
        st.just({"first": "home/luna"}),
    ),
)


def breaks(expect: dict[str, Any], policy: dict[str, Any], request: RequestFacts, routes) -> bool:
    """The naive reading of an expectation for one request; every route costs the same."""
    if not concerns(expect["given"], request):
        return False
    allowed = [r.facts for r in routes if not naive(policy, request, r.facts, None)]
    if "denied" in expect:
        return bool(allowed)
    if "first" in expect:
        return not allowed or allowed[0].name != expect["first"]
    words = expect["never"]["operator"]
    return any(refuses("forbid", "operator", words, facts) for facts in allowed)


@settings(max_examples=200, deadline=None)
@given(POLICY, EXPECT, st.lists(FACTS, min_size=1, max_size=3))
def test_the_proof_agrees_with_trying_every_set_of_tags(policy, expect, facts):
    policy = {**policy, "expect": [expect]}
    routes = [route_of(one) for one in facts]
    proof = prove(load_policy(policy), {"m": routes}, [Principal("k", "a", "internal")], [], NOW)
    tag_sets = [
        frozenset(tags)
        for size in range(4)
        for tags in itertools.combinations(["t", "u", "v"], size)
    ]
    people = [("", team, label) for team in ("", "a", "b") for label in LABELS]
    people += [("l", team, label) for team in ("", "a", "b") for label in LABELS]
    people += [("k", "a", label) for label in LABELS[1:]]
    requests = [
        RequestFacts(label, team, key, tags, "m")
        for key, team, label in people
        for tags in tag_sets
    ]
    broken = [request for request in requests if breaks(expect, policy, request, routes)]
    teams = {"", "a"} | {
        team
        for part in [*(rule["when"] for rule in policy["rules"]), expect["given"]]
        for team in part.get("team", [])
    }
    # A team that nobody speaks of is like no team; the proof need not try it by name.
    if any(concerns(expect["given"], request) for request in requests if request.team in teams):
        assert proof.findings[0].holds is (not broken)
