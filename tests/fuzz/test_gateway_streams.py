"""Hosts that say anything at all, through the running gateway, to every client's wire.

Whatever a host sends, its client gets an answer of its own wire or an error in its form; nothing
fails inside; every attempt is entered once; no hold stays; no cost is above its hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES
from tests.fuzz import mutations as m
from tests.fuzz.asking import CLIENT_WIRES, Watched, error_of, question, read_back, watched
from tests.fuzz.test_readers import SAIDS, streams
from tests.wires.hosts import path_of

EXAMPLES = [35, pytest.param(3000, marks=pytest.mark.slow)]
examples = pytest.mark.parametrize("examples", EXAMPLES)
ENDINGS = st.sampled_from(["end", "end", "end", "close", "reset"])
# Header values as a proxy in between may leave them.
ODD_HEADERS = (
    "2", "-1", "soon", "Wed, 21 Oct 2099 07:28:00 GMT", "1e400", "nan", "\xff\xfe", "x" * 3000,
    "inf", "99999999999999999999", "", "é; charset=\xff", "1m30s",
)  # fmt: skip
HEADER_NAMES = (
    "retry-after", "x-request-id", "request-id", "x-ratelimit-reset-requests", "retry-after-ms",
    "x-amzn-errortype", "x-should-retry",
)  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    models = {
        **{f"m-{wire}": [f"on-{wire}/m"] for wire in HOST_WIRES},
        **{f"then-{wire}": [f"on-{wire}/m", "on-chat/second"] for wire in HOST_WIRES},
    }
    folder: Path = tmp_path_factory.mktemp("streams")
    with watched(folder, models=models) as found:
        yield found
        found.gateway.until(lambda: not found.gateway.house.books.waiting)
        refused = [path for path in folder.rglob("refused*") if path.stat().st_size]
        assert not refused, "the database would not take an entry"


def checked(seen: Watched, client: str, host: str, *, stream: bool, then: bool = False) -> int:
    """Ask, and judge the answer; gives its status."""
    model = f"then-{host}" if then else f"m-{host}"
    path, body = question(client, model, stream=stream)
    answer = seen.gateway.client.post(path, json=body)
    assert answer.status_code != 500, answer.text
    if answer.status_code != 200:
        if client != host:
            error_of(client, answer)
    elif client != host:
        read_back(client, answer.content, stream=stream)
    return answer.status_code


@examples
def test_mutated_streams(gateway: Watched, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        client=st.sampled_from(CLIENT_WIRES),
        host=st.sampled_from(HOST_WIRES),
        which=st.integers(0, len(SAIDS) - 1),
        mutations=m.MUTATIONS,
        ending=ENDINGS,
        size=st.sampled_from([None, None, 1, 50]),
    )
    def holds(
        client: str,
        host: str,
        which: int,
        mutations: list[m.Mutation],
        ending: answers.End,
        size: int | None,
    ) -> None:
        gateway.begin()
        whole = spoken.answer(host, SAIDS[which], stream=True)
        sent = m.mutated(streams(host)[which], mutations)
        if size == 1 and sum(map(len, sent)) > 5000:
            size = 50
        made = replace(whole, pieces=tuple(sent), end=ending, piece_bytes=size)
        gateway.upstream.on(path_of(host, stream=True), made)
        checked(gateway, client, host, stream=True)
        gateway.all_is_well()

    holds()


@examples
def test_mutated_whole_answers(gateway: Watched, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        client=st.sampled_from(CLIENT_WIRES),
        host=st.sampled_from(HOST_WIRES),
        which=st.integers(0, len(SAIDS) - 1),
        mutations=m.MUTATIONS,
        status=st.sampled_from([200, 200, 200, 400, 401, 404, 413, 429, 500, 503, 529]),
        headers=st.dictionaries(st.sampled_from(HEADER_NAMES), st.sampled_from(ODD_HEADERS)),
        media=st.sampled_from(
            ["application/json", "text/html", "é/\xff", "", "application/json;x"]
        ),
        stream=st.booleans(),
    )
    # Longer by its bytes than the client's limit allows it to be in tokens.
    @example("chat", "chat", 0, [(0, 0, 1115), (0, 1, 0)], 200, {}, "application/json", False)
    def holds(
        client: str,
        host: str,
        which: int,
        mutations: list[m.Mutation],
        status: int,
        headers: dict[str, str],
        media: str,
        stream: bool,
    ) -> None:
        gateway.begin()
        if status == 200:
            value = json.loads(spoken.answer(host, SAIDS[which], stream=False).pieces[0])
        else:
            value = ERRORS[host]
        raw = b""
        for what, where, how in mutations:
            value = m.changed(value, what, where, how)
            raw = m.text(value)
        for what, _, how in mutations:
            if what >= 9:
                raw = m.noisy(raw, what, how)
        made = Behaviour(status, (("content-type", media), *headers.items()), (raw,))
        gateway.upstream.on(path_of(host, stream=stream), made)
        got = checked(gateway, client, host, stream=stream)
        assert status == 200 or got >= 400
        gateway.all_is_well()

    holds()


# An error of each wire, to be mutated.
ERRORS = {
    "chat": {
        "error": {"message": "no", "type": "invalid_request_error", "param": "x", "code": "y"}
    },
    "responses": {"error": {"message": "no", "type": "server_error", "param": None, "code": "z"}},
    "messages": {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slow"},
        "request_id": "req_1",
    },
    "gemini": {
        "error": {
            "code": 429,
            "message": "quota",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"},
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R"},
            ],
        }
    },
    "converse": {"message": "Too many", "__type": "ThrottlingException"},
    "cohere": {"message": "no", "id": "c1"},
}


@pytest.mark.parametrize("host", HOST_WIRES)
@pytest.mark.parametrize("client", CLIENT_WIRES)
def test_figures_beyond_belief_are_not_priced(gateway: Watched, client: str, host: str) -> None:
    """A host that counts tokens by the trillion is not believed, nor is one that counts below 0."""
    for stream in (False, True):
        for tokens in (2**70, -5):
            gateway.begin()
            said = replace(SAIDS[0], tokens_in=tokens, tokens_out=tokens)
            gateway.upstream.on(
                path_of(host, stream=stream), spoken.answer(host, said, stream=stream)
            )
            assert checked(gateway, client, host, stream=stream) == 200
            gateway.all_is_well()
            entry = gateway.entered[0]
            unbelieved = not entry.reconciled and entry.cost_pico is None
            assert unbelieved or entry.usage_state in ("estimated", "missing")
