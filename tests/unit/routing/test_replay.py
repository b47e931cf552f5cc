"""Past requests decided again: the same as planning each, and sums that add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bands import ALWAYS, Applies
from billing.price import Price
from billing.price_list import PriceList
from providers.usage import Usage
from routing import difference as differences
from routing.difference import Denied, Reach, difference
from routing.policy import Policy, load_policy
from routing.replay import Asker, Choice, Past, Replay, cost_at
from routing.route import Route, Size
from routing.wish import LISTED, Wish
from tests.unit.routing.conftest import route as route_fixture

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
make = route_fixture.__wrapped__()

US = make("us/m", price=(2, 4), operator={"US"}, processed_in={"US"}, context=50_000)
FR = make("fr/m", price=(1, 8), operator={"FR"}, processed_in={"FR"}, context=9_000)
HOME = make("home/m", price=(0, 0), operator={"home"}, processed_in={"home"})
UNKNOWN = make("odd/m")
RULES = """
labels: [public, internal, personal]
rules:
  - {name: stays here, when: {label: personal}, require: {operator: [EEA, home]}}
  - {name: small, when: {tag: capped}, require: {request_usd: {at_most: 0.02}}}
  - {name: cheap, when: {tag: batch}, prefer: cheapest}
"""


@dataclass
class Fake:
    """A config made of plain values."""

    policy: Policy = field(default_factory=lambda: rules(RULES))
    models: dict[str, Choice] = field(
        default_factory=lambda: {
            "assistant": Choice((US, FR, HOME, UNKNOWN), LISTED, "assistant"),
            "drawn": Choice((US, FR), Wish("weighted", {"us/m": 1, "fr/m": 3}), "drawn"),
            "us/m": Choice((US,), LISTED, ""),
        }
    )
    keys: dict[str, Asker] = field(default_factory=lambda: {"ci": Asker("platform", "public")})
    cannot: dict[str, str] = field(default_factory=dict)
    only: str = ""

    def asker(self, key: str) -> Asker | None:
        return self.keys.get(key)

    def may_ask(self, key: str, model: str) -> bool:
        return self.only in ("", model)

    def choice(self, model: str) -> Choice | None:
        return self.models.get(model)

    def lacks(self, route: Route, wire: str, needs: frozenset[str]) -> str:
        return self.cannot.get(route.name, "") if needs and wire == "chat" else ""


def rules(text: str) -> Policy:
    import yaml

    return load_policy(yaml.safe_load(text))


def a_past(number: int = 1, **changes: object) -> Past:
    plain = Past(
        id=f"req_{number}",
        at=NOON,
        key="ci",
        label="public",
        asked_label=None,
        tags=frozenset(),
        model="assistant",
        wire="chat",
        needs=frozenset(),
        size=Size(1000, 100, prompt_likely=800),
        wish="",
        usage=Usage(input=800, output=50),
        route="us/m",
        cost_pico=7,
        is_stated=False,
        paid_pico=7,
    )
    return msgspec.structs.replace(plain, **changes)


def names(world: Fake, past: Past) -> list[str]:
    found = Replay(world).decision(past)
    return [found.route, *found.others] if found.route else []


def test_a_quiet_day_decides() -> None:
    assert names(Fake(), a_past()) == ["us/m", "fr/m", "home/m", "odd/m"]
    assert names(Fake(), a_past(asked_label="personal")) == ["fr/m", "home/m"]
    assert names(Fake(), a_past(tags=frozenset({"batch"})))[0] == "home/m"
    assert names(Fake(), a_past(wish="cheapest"))[0] == "home/m"
    # What is longer than a window goes last there.
    long = a_past(size=Size(99_000, 100, prompt_likely=20_000))
    assert names(Fake(), long) == ["us/m", "home/m", "odd/m", "fr/m"]


@pytest.mark.parametrize(
    ("world", "past", "by", "rule"),
    [
        (Fake(), a_past(key="gone"), "unknown key", ""),
        (Fake(), a_past(model="gone"), "unknown model", ""),
        (Fake(), a_past(asked_label="gone"), "unknown label", ""),
        (Fake(only="us/m"), a_past(), "model not allowed", ""),
        (Fake(), a_past(model="us/m", asked_label="personal"), "policy", "stays here"),
        (
            Fake(cannot={"us/m": "its host takes no images"}),
            a_past(model="us/m", needs=frozenset({"images"})),
            "capability",
            "",
        ),
        (Fake(models={"assistant": Choice((), LISTED, "")}), a_past(), "no route", ""),
    ],
)
def test_nobody_may_answer_for_a_reason(world: Fake, past: Past, by: str, rule: str) -> None:
    found = Replay(world).decision(past)
    assert found.first is None
    assert found.denial is not None
    assert (found.denial.by, found.denial.rule) == (by, rule)


def test_a_key_with_a_higher_label_raises_what_it_asks() -> None:
    higher = Fake(keys={"ci": Asker("platform", "personal")})
    assert names(higher, a_past()) == ["fr/m", "home/m"]
    assert names(higher, a_past(asked_label="internal")) == ["fr/m", "home/m"]


pasts = st.builds(
    a_past,
    number=st.integers(0, 50),
    asked_label=st.sampled_from([None, "public", "internal", "personal", "gone"]),
    tags=st.frozensets(st.sampled_from(["batch", "capped", "other"])),
    model=st.sampled_from(["assistant", "drawn", "us/m", "gone"]),
    needs=st.sampled_from([frozenset(), frozenset({"images"})]),
    wish=st.sampled_from(["", "listed", "cheapest", "fastest"]),
    size=st.builds(
        Size,
        st.integers(1, 100_000),
        st.one_of(st.none(), st.integers(1, 10_000)),
        st.just(1),
        st.integers(0, 100_000),
    ),
    usage=st.builds(Usage, input=st.integers(0, 9_000), output=st.integers(0, 900)),
    key=st.sampled_from(["ci", "gone"]),
)


PERSONAL, CAPPED = {"asked_label": "personal"}, {"tags": frozenset({"capped"})}
DIFFERENT = [
    {},
    PERSONAL,
    CAPPED,
    {**CAPPED, "size": Size(1, 1, prompt_likely=1)},
    {**CAPPED, "size": Size(9_000, 900, prompt_likely=1)},
    {"tags": frozenset({"batch"})},
    {"model": "us/m"},
    {"key": "gone"},
    {"needs": frozenset({"images"})},
    {"wire": "messages", "needs": frozenset({"images"})},
    {"wish": "cheapest"},
    {"size": Size(99_000, 100, prompt_likely=20_000)},
    {"size": Size(99_000, 100, prompt_likely=60_000)},
]


@pytest.mark.parametrize("first", DIFFERENT)
@pytest.mark.parametrize("second", DIFFERENT)
def test_no_request_gets_the_decision_of_another(
    first: dict[str, object], second: dict[str, object]
) -> None:
    world = Fake(cannot={"fr/m": "takes no images"})
    replay = Replay(world)
    for changes in (first, second):
        past = a_past(**changes)
        once, anew = replay.decision(past), Replay(world).decision(past)
        assert (once.route, once.others, once.denial) == (anew.route, anew.others, anew.denial)


@given(st.lists(pasts, max_size=12))
def test_what_is_remembered_is_what_planning_anew_gives(many: list[Past]) -> None:
    world = Fake(cannot={"fr/m": "takes no images"})
    replay = Replay(world)
    for past in (*many, *many):
        once, anew = replay.decision(past), Replay(world).decision(past)
        assert (once.route, once.others) == (anew.route, anew.others)
        assert (once.denial is None) == (anew.denial is None)
        if once.denial is not None and anew.denial is not None:
            assert (once.denial.by, once.denial.rule) == (anew.denial.by, anew.denial.rule)
        assert (once.reach, once.first_reach) == (anew.reach, anew.first_reach)


@given(st.lists(pasts, max_size=30), st.sampled_from([1, 3, 10_000]))
def test_sums_add_up_in_whatever_parts_they_are_made(many: list[Past], groups: int) -> None:
    before, after = Replay(Fake()), Replay(Fake(policy=rules("rules: []"), only="assistant"))
    pairs = [(past, before.decision(past), after.decision(past)) for past in many]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(differences, "GROUPS_MOST", groups)
        report = difference(pairs)
    both = [pair for pair in pairs if pair[1].first and pair[2].first]
    assert report.requests == len(many) == report.before.allowed + report.before.denied
    assert report.tokens == sum(past.tokens for past in many)
    assert report.whole.requests == len(both)
    assert report.whole.requests == sum(
        [report.whole.priced, report.whole.unpriced, report.whole.lost_price]
    )
    known = [
        (old, new)
        for past, b, a in both
        if (old := cost_at(past, b.first)) is not None
        and (new := cost_at(past, a.first)) is not None
    ]
    assert report.whole.before_pico == sum(old for old, _ in known)
    assert report.whole.after_pico == sum(new for _, new in known)
    moved = sum(sums.requests for sums in report.moved.values())
    assert moved == sum(b.route != a.route for _, b, a in both)
    denied = sum(sums.requests for sums in report.denied.values())
    assert denied == sum(bool(b.first) and not a.first for _, b, a in pairs)
    allowed = sum(sums.requests for sums in report.allowed.values())
    assert allowed == sum(bool(a.first) and not b.first for _, b, a in pairs)
    assert report.still_denied == len(pairs) - len(both) - denied - allowed


def test_the_report_names_what_is_reached_and_denied() -> None:
    before = Replay(Fake(policy=rules("rules: [{name: no US, forbid: {operator: US}}]")))
    after = Replay(Fake(policy=rules("rules: [{name: home, require: {operator: [home, US]}}]")))
    many = [
        a_past(1),
        a_past(2, label="personal", asked_label="personal"),
        a_past(3, model="us/m"),
        a_past(4, model="drawn", key="ci"),
    ]
    both = [(past, before.decision(past), after.decision(past)) for past in many]
    report = difference(both)
    assert report.newly_reached == [
        Reach("personal", "country", "US"),
        Reach("personal", "operator", "US"),
        Reach("public", "country", "US"),
        Reach("public", "operator", "US"),
    ]
    assert Reach("public", "operator", "FR") in report.no_longer_reached
    assert report.after.reached[Reach("public", "operator", "US")].first == 3
    assert set(report.allowed) == {Denied("policy", "no US", "ci", "public", "us/m")}
    assert set(report.moved) == {("fr/m", "us/m")}
    assert report.moved["fr/m", "us/m"].examples == ["req_1", "req_2", "req_4"]
    assert report.elsewhere == 3
    assert (report.before.home, report.after.home) == (0, 0)


def test_the_share_at_home_is_counted() -> None:
    only_home = Fake(policy=rules("rules: [{name: home, require: {operator: home}}]"))
    past = a_past()
    report = difference([(past, Replay(Fake()).decision(past), Replay(only_home).decision(past))])
    assert (report.before.home, report.after.home, report.after.home_tokens) == (0, 1, 850)


def test_the_same_tokens_cost_what_they_cost_there_and_then() -> None:
    assert cost_at(a_past(), US) == (800 * 2 + 50 * 4) * 10**6
    assert cost_at(a_past(), UNKNOWN) is None
    assert cost_at(a_past(usage=Usage(state="missing")), US) is None
    assert cost_at(a_past(usage=Usage(state="none")), UNKNOWN) == 0
    cheaper = Applies(since=datetime(2026, 11, 26, tzinfo=UTC).date())
    over_time = PriceList(
        ((ALWAYS, Price(Decimal(5), Decimal(5))), (cheaper, Price(Decimal(1), Decimal(1))))
    )
    late = make("us/m")
    object.__setattr__(late, "prices", over_time)
    assert cost_at(a_past(), late) == 850 * 5 * 10**6
    assert cost_at(a_past(at=NOON.replace(day=27)), late) == 850 * 10**6


def test_what_only_the_host_or_a_clock_says_is_known_where_it_happened() -> None:
    stated = a_past(is_stated=True, cost_pico=42)
    assert cost_at(stated, US) == 42
    assert cost_at(stated, FR) == (800 + 50 * 8) * 10**6
    hourly = make("us/m")
    object.__setattr__(hourly, "usd_per_hour", Decimal(1))
    assert cost_at(a_past(), hourly) == 7
    assert cost_at(a_past(route="fr/m"), hourly) is None


def test_a_table_has_a_bound() -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(differences, "ROWS_MOST", 2)
        nobody = Replay(Fake(models={}))
        many = [a_past(number, model=f"us/{number}") for number in range(5)]
        models = {past.model: Choice((US,), LISTED, "") for past in many}
        all_of_them = Replay(Fake(models=models))
        report = difference([(p, all_of_them.decision(p), nobody.decision(p)) for p in many])
    assert len(report.denied) == 3
    assert report.denied[Denied(*["(others)"] * 5)].requests == 3
