"""Base URLs: one address whichever way it is written."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import urls
from gateway.problems import WrongError

WRITTEN = [
    "",
    "/",
    "/v1",
    "/v1/",
    "/v1/v1",
    "/v1/chat/completions",
    "/chat/completions",
    "/chat/completions/",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
    "//v1//chat/completions",
]


@pytest.mark.parametrize("path", WRITTEN)
@pytest.mark.parametrize(
    ("host", "catalog", "base"),
    [
        ("http://127.0.0.1:8081", None, "http://127.0.0.1:8081/v1"),
        ("http://[::1]:8081", None, "http://[::1]:8081/v1"),
        ("https://api.one.example", "https://api.one.example/v1", "https://api.one.example/v1"),
        ("https://api.two.example", "https://api.two.example", "https://api.two.example"),
        ("https://three.example", "https://three.example/api/v1", "https://three.example/api/v1"),
        ("https://four.example", "https://four.example/v1/open", "https://four.example/v1/open"),
        ("HTTPS://Five.Example.:443", "https://five.example/v1", "https://five.example/v1"),
    ],
)
def test_every_way_to_write_it_is_one_address(
    path: str, host: str, catalog: str | None, base: str
) -> None:
    assert urls.base_url(host + path, catalog) == base


@pytest.mark.parametrize(
    ("text", "catalog", "base"),
    [
        # The catalogue's own path, in part or whole.
        ("https://a.example/api", "https://a.example/api/v1", "https://a.example/api/v1"),
        ("https://a.example/api/v1", "https://a.example/api/v1", "https://a.example/api/v1"),
        # A path that is neither stays the writer's.
        ("https://a.example/beta", "https://a.example", "https://a.example/beta"),
        ("https://a.example/paas/v4/chat/completions", None, "https://a.example/paas/v4"),
        ("http://10.0.0.5/llm/v1/", None, "http://10.0.0.5/llm/v1"),
        # Another host before the catalogue's: a bare one gets its path, a written path stays.
        ("https://proxy.example", "https://a.example/api/v1", "https://proxy.example/api/v1"),
        ("https://proxy.example/v1", "https://a.example", "https://proxy.example/v1"),
        ("https://eu.a.example/v1", "https://eu.a.example/v1", "https://eu.a.example/v1"),
    ],
)
def test_the_catalogue_completes_what_stops_short(
    text: str, catalog: str | None, base: str
) -> None:
    assert urls.base_url(text, catalog) == base


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.example.com/v1",
        "localhost:8081",
        "ftp://a.example/v1",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "https://user:pass@a.example/v1",
        "https://@a.example/v1",
        "https://a.example/v1?key=x",
        "https://a.example/v1?",
        "https://a.example/v1#x",
        "https://a.example:0/v1",
        "https://a.example:99999/v1",
        "https://a.example:x/v1",
        "https://a b.example/v1",
        "https://a.example\\@b.example/v1",
        "https://a.example/../v1",
        "https://a.example/%2e%2E/v1",
        "https://a_.example-/v1",
        "https://ex\u00e4mple.org/v1",
        "https://[::1/v1",
        "https://a.example/v1\nx: y",
        "http://0.0.0.0:8080",
        "http://[::]:8080",
        "http://224.0.0.1/v1",
    ],
)
def test_what_is_no_address_of_a_model_server_is_refused(text: str) -> None:
    with pytest.raises(WrongError) as fault:
        urls.base_url(text)
    assert "pass" not in fault.value.what.replace("password", "")
    assert fault.value.right


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.2",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "100.100.100.200",
        "168.63.129.16",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
        "metadata",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.254.169.0xfe",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_that_hand_out_credentials_are_refused(host: str, scheme: str) -> None:
    with pytest.raises(WrongError):
        urls.base_url(f"{scheme}://{host}/v1")


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8081/v1", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:1/v1", True),
        ("http://localhost/v1", True),
        ("http://10.1.2.3", True),
        ("http://172.16.0.1", True),
        ("http://192.168.1.5:11434", True),
        ("http://[fd12::5]/v1", True),
        ("http://[::ffff:192.168.1.5]/v1", True),
        ("http://tower.local:8000", True),
        ("http://models:8000/v1", True),
        ("http://nas.home.arpa", True),
        ("http://172.32.0.1", False),
        ("http://100.64.0.1", False),
        ("http://169.254.1.1", False),
        ("http://192.169.0.1", False),
        ("http://8.8.8.8", False),
        ("http://[::ffff:8.8.8.8]", False),
        ("http://[2001:db8::1]", False),
        ("https://api.example.com", False),
        ("http://local.example.com", False),
        ("http://box.internal", False),
    ],
)
def test_what_is_at_home(url: str, private: bool) -> None:
    assert urls.is_private(url) is private
    assert urls.clear_text(url) is (url.startswith("http:") and not private)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("gateway.local", False),
        ("localhost.example.com", False),
    ],
)
def test_where_listening_serves_this_machine_only(host: str, loopback: bool) -> None:
    assert urls.is_loopback(host) is loopback


LABEL = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
HOST = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.lists(LABEL, min_size=1, max_size=3).map(".".join),
)
PATH = st.lists(st.sampled_from(["v1", "v4", "api", "chat", "completions", "messages", ""]))
ADDRESS = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}{port}/{'/'.join(path)}",
    st.sampled_from(["http", "https"]),
    HOST,
    st.sampled_from(["", ":80", ":443", ":8081"]),
    PATH,
)


@given(ADDRESS, st.none() | ADDRESS)
def test_what_was_resolved_resolves_to_itself(text: str, catalog: str | None) -> None:
    try:
        base = urls.base_url(text, catalog)
    except WrongError:
        return
    assert urls.base_url(base, catalog) == base
    assert urlsplit(base).hostname is not None
    assert not base.endswith("/")
    assert not base.endswith(("/v1/v1", "/chat/completions"))


@given(ADDRESS)
def test_the_host_and_port_stay(text: str) -> None:
    try:
        base = urlsplit(urls.base_url(text))
    except WrongError:
        return
    given_parts = urlsplit(text)
    default = {"http": 80, "https": 443}
    assert base.scheme == given_parts.scheme
    assert base.hostname == given_parts.hostname
    assert (base.port or default[base.scheme]) == (given_parts.port or default[base.scheme])


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for full in (text, "http://" + text, "https://a.example/" + text):
        try:
            base = urls.base_url(full)
        except WrongError:
            continue
        assert urls.base_url(base) == base
        assert isinstance(urls.is_private(base), bool)
