"""What a call's head says: the address, the headers bound to it, those of one call, and no others."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.client import target
from providers.client_target import head_with, is_framed, merged
from providers.errors import UpstreamError
from tests.fakes.raw_host import OK, RawHost, answering
from tests.unit.providers.client.asking import BODY, Clients, everywhere

KEY = "sk-canary-of-a-target"
FIXED = MappingProxyType(
    {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "entrepot"}
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True).filter(
    lambda name: not is_framed([name])
)
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=20)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=5)

# An address that our own client goes to -> who is connected to, the path, the Host header.
OURS = {
    "http://127.0.0.1:8080/v1/chat": ("http://127.0.0.1:8080", "/v1/chat", "127.0.0.1:8080"),
    "https://api.example.com/v1/chat?a=b": (
        "https://api.example.com:443", "/v1/chat?a=b", "api.example.com",
    ),
    "HTTPS://API.example.com:443": ("https://api.example.com:443", "/", "api.example.com"),
    "http://api.example.com?key=a%2Fb": ("http://api.example.com:80", "/?key=a%2Fb", "api.example.com"),
    "http://api.example.com:443/": ("http://api.example.com:443", "/", "api.example.com:443"),
    "http://[2001:db8::1]:81/m:gen": ("http://2001:db8::1:81", "/m:gen", "[2001:db8::1]:81"),
    "https://api.example.com/v1#part": ("https://api.example.com:443", "/v1", "api.example.com"),
}  # fmt: skip
# What is left to the library.
UNUSUAL = [
    "https://user:secret@api.example.com/v1", "https://bücher.example/v1",
    "https://api.example.com./v1", "http://[fe80::1%25eth0]/v1", "https://api.example.com/é",
    "https://api.example.com/a b", "https://api..example.com/v1",
    f"https://{'a' * 64}.example.com/", f"https://{'a.' * 130}com/",
]  # fmt: skip


def sent(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return the first line and the headers of a head."""
    line, *lines = head.decode("latin-1").split("\r\n")
    assert lines.pop() == "Content-Length: "
    pairs = [one.partition(": ") for one in lines]
    return line, [(name, said) for name, _, said in pairs]


@pytest.mark.parametrize("url", OURS)
def test_an_address_is_called_as_it_is_written(url: str) -> None:
    way = target(url, {}).way
    assert way is not None
    origin, path, host = OURS[url]
    assert way.origin == origin
    line, headers = sent(way.head)
    assert line == f"POST {path} HTTP/1.1"
    assert headers == [("Host", host), *FIXED.items()]


@pytest.mark.parametrize("url", UNUSUAL)
def test_an_unusual_address_is_left_to_the_library(url: str) -> None:
    assert target(url, {}).way is None


@pytest.mark.parametrize("name", ["Connection", "content-length", "TRANSFER-ENCODING", "Expect"])
def test_what_frames_a_message_is_left_to_the_library(name: str) -> None:
    assert target("http://127.0.0.1/", {name: "1"}).way is None
    assert is_framed([name])


def test_a_proxy_is_left_to_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    one = target("https://api.example.com/", {})
    assert (one.way, one.proxy) == (None, "http://127.0.0.1:3128")
    assert target("http://api.example.com/", {}).proxy is None


def test_nothing_shows_the_credential() -> None:
    one = target("https://api.example.com/v1", {"authorization": f"Bearer {KEY}"})
    assert one.way is not None
    assert KEY.encode() in one.way.head
    assert KEY not in repr(one) + repr(one.way) + str(one) + str(one.way)


@given(HEADERS, HEADERS)
def test_headers_of_a_call_take_the_place_of_those_of_the_target(
    bound: dict[str, str], extra: dict[str, str]
) -> None:
    one = target("http://127.0.0.1:1/x", bound)
    assert one.way is not None
    _, headers = sent(head_with(one, one.way, extra))
    bound_names = {name.lower() for name in bound}
    expected = {name: said for name, said in FIXED.items() if name.lower() not in bound_names}
    expected = merged({"Host": "127.0.0.1:1"}, merged(merged(expected, bound), extra))
    assert sorted(name for name, _ in headers) == sorted(expected)
    for name, said in headers:
        if name in extra:
            assert said == extra[name]
        else:
            # Bound ones come from a file of ours, whose text is UTF-8.
            assert said.encode("latin-1").decode() == expected[name]


@pytest.mark.parametrize(
    "bad",
    [{"x": "a\r\nInjected: b"}, {"x": "a\nb"}, {"x": "a\rb"}, {"x": "a\0b"}, {"a b": "c"}, {"": "c"},
     {"a:": "c"}, {"a\r\nb": "c"}],
    ids=repr,
)  # fmt: skip
def test_no_header_can_hold_another(bad: dict[str, str]) -> None:
    one = target("http://127.0.0.1:1/x", {"y": "z"})
    assert one.way is not None
    assert head_with(one, one.way, bad) == b""
    assert head_with(one, one.way, {**bad, "Y": "z"}) == b""
    wrong = target("http://127.0.0.1:1/x", bad).way
    assert wrong is not None
    assert wrong.head == b""


@everywhere
async def test_a_head_that_cannot_be_sent_is_a_fault_and_is_not_sent(clients: Clients) -> None:
    client = clients()
    async with RawHost(answering(OK)) as host:
        for bound, extra in (({}, {"x": "a\r\nb: c"}), ({"x": "a\r\nb: c"}, {})):
            with pytest.raises(UpstreamError, match="a header that cannot be sent"):
                await client.post(target(host.url, bound), BODY, extra)
        assert not any(talk.requests for talk in host.talks)


@everywhere
async def test_what_is_sent_is_what_was_bound_and_asked_for_and_nothing_else(
    clients: Clients,
) -> None:
    client = clients()
    async with RawHost(answering(OK)) as host:
        one = target(host.url, {"Authorization": "Bearer k", "X-A": "bound"})
        answer = await client.post(one, BODY, {"x-a": "called", "x-b": "2"})
        await answer.read(9)
        answer.close()
        (asked,) = host.talks[0].requests
        assert asked.line == "POST /v1/chat HTTP/1.1"
        assert asked.body == BODY
        assert asked.headers == {
            "host": f"127.0.0.1:{host.port}",
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "entrepot",
            "authorization": "Bearer k",
            "x-a": "called",
            "x-b": "2",
            "content-length": str(len(BODY)),
        }


@everywhere
async def test_a_framing_header_of_a_call_is_left_to_the_library(clients: Clients) -> None:
    client = clients()
    async with RawHost(answering(OK)) as host:
        extra = {"Connection": "close", "Content-Length": str(len(BODY))}
        answer = await client.post(target(host.url, {}), BODY, extra)
        assert await answer.read(9) == b"ok"
        answer.close()
        (asked,) = host.talks[0].requests
        assert asked.headers["connection"] == "close"
        assert len(asked.names) == len(asked.headers), "no length is said twice"


@everywhere
async def test_what_a_client_sent_goes_on_as_the_same_bytes(clients: Clients) -> None:
    if clients.kind == "aiohttp":
        pytest.skip("the library encodes them anew")
    client = clients()
    async with RawHost(answering(OK)) as host:
        given_by_client = "grün".encode().decode("latin-1")
        one = target(host.url, {"x-bound": "grün"})
        answer = await client.post(one, BODY, {"x-title": given_by_client})
        await answer.read(9)
        answer.close()
        headers = host.talks[0].requests[0].headers
        assert headers["x-title"].encode("latin-1") == "grün".encode()
        assert headers["x-bound"].encode("latin-1") == "grün".encode()
