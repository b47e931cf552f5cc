"""The verdict of `check` against a simulated run of all requests, read naively."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings

from routing.facts import RequestFacts
from routing.proof import Proof, prove
from routing.proof_cases import Principal
from tests.property.generated import NOW, Maker, World, every_request, seeds
from tests.property.naive_policy import Gateway, concerns, moments

OWN = ("m", "mx", "g-*", "gx")
# Names of every kind that the patterns of made-up rules tell apart.
NAMES = ("m", "mx", "gx", "g-", "g-1", "g-x", "g-mx", "g-luna", "g-lunax")
WILD = ("[m]", "?", "q", "qq", "x", "ax", "home/", "home/x", "mluna", "a-luna", "mlunax")


def proof_of(world: World) -> Proof:
    key = world.config["keys"][0]
    own = tuple(world.config["models"])
    return prove(
        world.compiled,
        world.asked,
        own,
        [Principal(key["name"], key["team"], key["label"])],
        NOW,
        others=tuple(world.routes),
    )


def gateway_of(world: World) -> Gateway:
    return Gateway(world.policy, world.config, world.routes, datetime.now(UTC).date())


def breaks(world: World, expect: dict[str, object], request: RequestFacts) -> bool:
    """Tell whether ``request`` breaks an expectation at any hour."""
    asked = world.config["models"].get(request.entry, {})
    judge = None
    if asked.get("judge"):
        judge = replace(request, model=asked["judge"], entry=world.entry(asked["judge"]))
    gateway = gateway_of(world)
    return any(
        gateway.breaks(expect, request, at, judge) for at in moments(NOW, world.routes.values())
    )


def requests_of(world: World, expect: dict[str, object]) -> list[RequestFacts]:
    """Give every request that an expectation is about: of those for who is first, for own names."""
    wild = WILD if "*" in world.config["models"] else ()
    own = (*NAMES, *wild)
    labels = world.policy["labels"]
    covered = [
        request
        for request in every_request(world, own)
        if concerns(expect["given"], request, labels)
    ]
    if covered and "first" in expect:
        return covered
    direct = every_request(world, tuple(name for name in world.routes if not wild))
    return [*covered, *(one for one in direct if concerns(expect["given"], one, labels))]


@settings(max_examples=30, deadline=None)
@given(seeds())
def test_the_verdict_is_that_of_a_run_over_all_requests(random):
    agree(Maker(random).world(expects=3))


def agree(world: World) -> None:
    """Hold every verdict of `check` on a gateway against what the naive reading would do."""
    proof = proof_of(world)
    for expect, finding in zip(world.policy["expect"], proof.findings, strict=True):
        if finding.holds:
            requests = requests_of(world, expect)
            assert requests
            broken = [request for request in requests if breaks(world, expect, request)]
            assert broken == []
        elif finding.shows is None:
            assert requests_of(world, expect) == []
        else:  # its counter-example breaks it by the naive reading too
            assert concerns(expect["given"], finding.shows, world.policy["labels"])
            assert breaks(world, expect, finding.shows)


@settings(max_examples=30, deadline=None)
@given(seeds())
def test_no_shorter_request_breaks_it(random):
    world = Maker(random).world()
    (expect,) = world.policy["expect"]
    (finding,) = proof_of(world).findings
    if finding.shows is None:
        return
    shown = parts(finding.shows)
    shorter = [one for one in requests_of(world, expect) if parts(one) < shown]
    assert not any(breaks(world, expect, request) for request in shorter)


def parts(request: RequestFacts) -> int:
    return len(request.tags) + bool(request.team) + bool(request.key)
