"""The guard judges events as the interpreter gives them; here they are given to it by hand."""

from __future__ import annotations

import errno
import socket
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import addresses, guard
from providers.guard import Allowed, EgressRefusedError, Guard, place_of

API = ("api.example.com", 443)
BOX = ("192.168.1.5", 8081)
CARD = ("169.254.169.254", 80)
HAND = ("metadata.example.com", 80)
INTERNET = SimpleNamespace(family=socket.AF_INET)
PUBLIC = "93.184.216.34"


def watching(*places: tuple[str, int], home_only: bool = False) -> Guard:
    return Guard(Allowed(frozenset(places), home_only))


def connects(found: Guard, host: str, port: int) -> bool:
    try:
        found.hear("socket.connect", (INTERNET, (host, port)))
    except EgressRefusedError:
        return False
    return True


@given(st.ip_addresses().map(str), st.integers(1, 65535))
def test_an_address_that_nobody_listed_is_refused_unless_it_is_this_machine(
    address: str, port: int
) -> None:
    assert connects(watching(API), address, port) == guard.is_this_machine(guard.plain(address))


@given(st.ip_addresses().map(str))
def test_home_only_never_lets_a_name_lead_out(address: str) -> None:
    found = watching(API, home_only=True)
    read = addresses.read(guard.plain(address))
    assert read is not None
    inside = addresses.is_private(read) and not addresses.is_metadata(read)
    if inside:
        found.hear(guard.RESOLVED, (*API, [address]))
    else:
        with pytest.raises(EgressRefusedError, match="not at home"):
            found.hear(guard.RESOLVED, (*API, [address]))
    found.hear("socket.getaddrinfo", (*API, 0, 0, 0))
    assert connects(found, address, 443) == inside


@pytest.mark.parametrize(
    "address",
    [
        "2002:a00:1::1",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::ffff:8.8.8.8",
        "0.0.0.0",
    ],
)
def test_an_address_that_only_looks_like_home_is_not(address: str) -> None:
    found = watching(API, home_only=True)
    with pytest.raises(EgressRefusedError):
        found.hear(guard.RESOLVED, (*API, [address]))
    assert not connects(found, address, 443)


def test_only_what_a_listed_name_led_to_is_connected_at_its_port() -> None:
    found = watching(API)
    with pytest.raises(
        EgressRefusedError, match=r"evil\.example\.com:443 is not on this gateway's"
    ):
        found.hear(guard.LOOKUP, ("evil.example.com", 443))
    found.hear(guard.LOOKUP, API)
    assert not connects(found, PUBLIC, 443)
    found.hear(guard.RESOLVED, (*API, [PUBLIC, "10.1.2.3"]))
    assert connects(found, PUBLIC, 443)
    assert connects(found, "10.1.2.3", 443), "a private link of a cloud"
    assert not connects(found, PUBLIC, 80)
    assert not connects(found, "93.184.216.35", 443)


def test_a_listed_name_is_no_way_to_where_clouds_hand_out_credentials() -> None:
    found = watching(API)
    found.hear(guard.RESOLVED, (*API, [PUBLIC, "169.254.169.254"]))
    assert connects(found, PUBLIC, 443)
    assert not connects(found, "169.254.169.254", 443)
    with pytest.raises(EgressRefusedError, match=r"api\.example\.com leads to 169\.254"):
        found.hear(guard.RESOLVED, (*API, ["169.254.169.254", "fe80::1%eth0"]))
    allowed = watching(HAND, CARD)
    allowed.hear(guard.RESOLVED, (*HAND, ["169.254.169.254"]))
    assert connects(allowed, "169.254.169.254", 80)
    assert not connects(allowed, "169.254.169.254", 443)


def test_another_list_widens_and_narrows_at_once() -> None:
    found = watching(API)
    found.hear(guard.RESOLVED, (*API, [PUBLIC]))
    found.allow(Allowed(frozenset({BOX})))
    assert connects(found, *BOX)
    assert not connects(found, PUBLIC, 443)
    with pytest.raises(EgressRefusedError):
        found.hear(guard.CALL, API)
    found.allow(Allowed(frozenset({API})))
    found.hear(guard.CALL, API)
    assert connects(found, PUBLIC, 443), "our client may still know it from before"


def test_two_names_at_one_address_do_not_take_it_from_each_other() -> None:
    other = ("other.example.com", 443)
    found = watching(API, other)
    for place in (API, other):
        found.hear(guard.RESOLVED, (*place, [PUBLIC]))
    found.allow(Allowed(frozenset({API})))
    assert connects(found, PUBLIC, 443)


def test_what_names_led_to_is_bounded_and_the_newest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "GIVEN_MAX", 4)
    found = watching(API)
    found.hear(guard.RESOLVED, (*API, [f"8.8.8.{number}" for number in range(6)]))
    assert [connects(found, f"8.8.8.{number}", 443) for number in range(6)] == [False] * 2 + [
        True
    ] * 4


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.getaddrinfo", (None, 8080, 0, 0, 0)),
        ("socket.getaddrinfo", ("localhost", "http", 0, 0, 0)),
        ("socket.getaddrinfo", ("API.example.com.", "443", 0, 0, 0)),
        ("socket.getaddrinfo", (b"api.example.com", None, 0, 0, 0)),
        ("socket.gethostbyname", ("api.example.com",)),
        ("socket.sendmsg", (INTERNET, None)),
        ("socket.connect", (SimpleNamespace(family=socket.AF_UNIX), "/run/x")),
        ("socket.connect", (SimpleNamespace(family=socket.AF_NETLINK), (0, 0))),
        ("socket.connect", (SimpleNamespace(family=socket.AF_INET6), ("::1", 1, 0, 0))),
        ("socket.connect", (INTERNET, BOX)),
        ("socket.bind", (INTERNET, ("0.0.0.0", 1))),
        ("open", ("/etc/hosts", "r", 0)),
    ],
)
def test_what_a_healthy_process_does_is_let_through(
    event: str, arguments: tuple[object, ...]
) -> None:
    watching(API, BOX).hear(event, arguments)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.getaddrinfo", ("telemetry.example.com", 443, 0, 0, 0)),
        ("socket.getaddrinfo", ("api.example.com", 80, 0, 0, 0)),
        ("socket.getaddrinfo", ("2130706433", 80, 0, 0, 0)),
        ("socket.getaddrinfo", ("", 80, 0, 0, 0)),
        ("socket.gethostbyname", ("telemetry.example.com",)),
        ("socket.gethostbyaddr", (PUBLIC,)),
        ("socket.sendto", (SimpleNamespace(family=socket.AF_INET), ("8.8.8.8", 53))),
        ("socket.sendmsg", (INTERNET, ("8.8.8.8", 53))),
        ("socket.connect", (INTERNET, ("api.example.com", 443))),
        ("socket.connect", (SimpleNamespace(family=40), (2, 1))),
        ("socket.connect", (INTERNET, ("192.168.1.5", 22))),
    ],
)
def test_what_phones_home_is_not(event: str, arguments: tuple[object, ...]) -> None:
    told: list[str] = []
    found = Guard(Allowed(frozenset({API, BOX})), told.append)
    with pytest.raises(EgressRefusedError) as caught:
        found.hear(event, arguments)
    assert caught.value.errno == errno.EACCES
    assert len(told) == 1


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://API.Example.com./v1", API),
        ("http://192.168.1.5:8081/v1", BOX),
        ("http://[::ffff:192.168.1.5]:8081", BOX),
        ("http://[FD12:0::1]", ("fd12::1", 80)),
    ],
)
def test_an_address_has_one_spelling(url: str, place: tuple[str, int]) -> None:
    assert place_of(url) == place


def test_a_library_may_connect_to_any_machine_of_a_name_just_looked_up_but_not_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now: list[float] = [1000.0]

    monkeypatch.setattr(guard.time, "monotonic", lambda: now[0])
    found = watching(API)
    found.hear("socket.getaddrinfo", (*API, 0, 0, 0))
    assert connects(found, PUBLIC, 443)
    assert not connects(found, PUBLIC, 25)
    assert not connects(found, "169.254.169.254", 443)
    now[0] += guard.RECENT_S + 1
    assert not connects(found, PUBLIC, 443)
