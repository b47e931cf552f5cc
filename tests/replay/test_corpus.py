"""The corpus is read whole, always the same way, and can be played again."""

from __future__ import annotations

import http.client
import json

from tests.fakes.upstream import Upstream
from tests.replay import corpus


def test_every_chat_recording_is_read_and_has_a_name_of_its_own() -> None:
    cases = list(corpus.chat_cases())
    assert len(cases) == sum(corpus.counts()["provider"].values()) > 2000
    assert len({case.id for case in cases}) == len(cases)
    assert [case.id for case in corpus.chat_cases()] == [case.id for case in cases]
    streams = [case for case in cases if case.is_stream]
    assert len(streams) == corpus.counts()["body"]["sse_text"]
    assert all(b"data:" in case.body for case in streams)
    assert all(case.request for case in cases if case.host)


def test_choosing() -> None:
    few = list(corpus.chat_cases(limit=20))
    assert len(few) == 20
    assert len({case.provider for case in few}) > 5
    some = list(corpus.chat_cases("api.", stream=True, feature="tool_call"))
    assert some
    assert all(case.host.startswith("api.") and case.is_stream for case in some)
    assert not list(corpus.chat_cases("nowhere."))


def test_a_recording_played_again_is_the_same(upstream: Upstream) -> None:
    client = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)
    for case in corpus.chat_cases(limit=30):
        upstream.script(case.behaviour(piece_bytes=100))
        client.request("POST", "/v1/chat/completions", json.dumps(case.request))
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (case.status, case.body), case.id
    client.close()
