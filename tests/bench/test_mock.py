"""The benchmark's upstream answers so that our own readers understand it, on every wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench import load, mock
from bench.asks import Stream, ask, http
from bench.client import WORD
from bench.mock import Mock
from providers import ir
from providers.dialect import Dialect
from providers.wires.registry import WIRES

PATHS = {
    "chat": ("/v1/chat/completions", "/v1/chat/completions"),
    "messages": ("/v1/messages", "/v1/messages"),
    "gemini": (
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent?alt=sse",
    ),
    "converse": ("/model/m/converse", "/model/m/converse-stream"),
}
each_wire = pytest.mark.parametrize("wire", PATHS)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """The mock, compiled here."""
    folder = tmp_path_factory.mktemp("mock")
    try:
        program = mock.build(folder)
    except mock.NoCompilerError as fault:
        pytest.skip(str(fault))
    with mock.running(program, folder) as running:
        yield running


def post(upstream: Mock, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(upstream.url + path, json=body, trust_env=False, timeout=20)


def streamed(**body: Any) -> dict[str, Any]:
    return {"stream": True, "stream_options": {"include_usage": True}, **body}


@each_wire
def test_a_whole_answer_can_be_read(upstream: Mock, wire: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    said = post(upstream, PATHS[wire][0], body)
    assert said.status_code == 200
    host = WIRES[wire].host
    answer = host.read(said.content, Dialect(), "r")
    assert answer.usage.output == 12
    # Four bytes of the body are a token.
    sent = len(json.dumps(body, separators=(",", ":")))
    assert answer.usage.input == sent // 4 + 1


@each_wire
@pytest.mark.parametrize("pace", [0, 300])
def test_a_stream_can_be_read(upstream: Mock, wire: str, pace: int) -> None:
    said = post(upstream, PATHS[wire][1], streamed(text=f"Hello {Stream(40, pace)}"))
    assert said.status_code == 200
    reader = WIRES[wire].host.reader(Dialect(), "r", False)
    events = [*reader.events(said.content), *reader.close()]
    assert reader.fault is None
    text = "".join(event.text for event in events if isinstance(event, ir.TextDelta))
    assert text.encode().count(WORD) == 40
    assert [event.usage.output for event in events if isinstance(event, ir.Counted)][-1] == 40
    assert any(isinstance(event, ir.Finished) for event in events)


def test_the_path_says_the_pace_too(upstream: Mock) -> None:
    said = post(upstream, "/7x100/v1/chat/completions", streamed())
    assert said.content.count(WORD) == 7


def test_usage_is_told_in_a_chat_stream_only_where_it_is_asked_for(upstream: Mock) -> None:
    said = post(upstream, "/v1/chat/completions", {"stream": True})
    assert b"usage" not in said.content
    assert said.content.endswith(b"data: [DONE]\n\n")


def test_a_body_in_chunks_and_a_huge_one_are_read(upstream: Mock) -> None:
    url = upstream.url + PATHS["chat"][0]
    pieces = [b'{"text": "', *[b"x" * 70_000] * 70, b'"}']
    for content in (iter(pieces), b"".join(pieces)):
        said = httpx.post(url, content=content, trust_env=False, timeout=20)
        assert said.json()["usage"]["prompt_tokens"] == sum(map(len, pieces)) // 4 + 1


def test_what_it_does_not_speak_is_said(upstream: Mock) -> None:
    assert post(upstream, "/v1/tokenize", {}).status_code == 404
    assert httpx.get(upstream.url + "/v1/models", trust_env=False).json()["data"][0]["id"] == "mock"


def test_who_leaves_a_stream_is_counted(upstream: Mock) -> None:
    def cut() -> int:
        return int(httpx.get(upstream.url + "/count", trust_env=False).json()["cut"])

    before = cut()
    body = streamed(text=str(Stream(1000, 10_000)))
    url = upstream.url + PATHS["chat"][1]
    with httpx.stream("POST", url, json=body, trust_env=False) as answer:
        next(answer.iter_bytes())
    assert upstream.calls() > 0
    for _ in range(1000):
        if cut() == before + 1:
            return
    pytest.fail("the mock did not notice that its client had left")


@pytest.mark.parametrize("wire", ["chat", "messages", "gemini"])
def test_the_own_client_counts_what_comes(upstream: Mock, wire: str) -> None:
    stream = Stream(60, 200)
    path, body = ask(wire, "m", "Hello", stream)
    request = http(upstream.port, path, {}, body)
    taken = load.run(load.streams(upstream.port, request, stream, parallel=4, turns=2))
    assert taken.wrong == 0
    assert taken.words == 4 * 2 * 60
    for answer in taken.answers:
        assert answer.sent < answer.byte <= answer.first <= answer.last <= answer.done


def test_the_own_client_says_what_is_wrong(upstream: Mock) -> None:
    lost = http(upstream.port, "/nowhere", {}, b"{}")
    assert load.run(load.serial(upstream.port, lost, 3, 0, pause_s=0.0)).wrong == 3
    short = http(upstream.port, *_stream(5))
    assert load.run(load.serial(upstream.port, short, 2, words=6, pause_s=0.0)).wrong == 2
    assert load.run(load.serial(upstream.port, short, 2, words=5, pause_s=0.0)).wrong == 0


def test_a_crowd_is_watched_while_all_are_there(upstream: Mock) -> None:
    plan = load.Crowd(count=40, gap_s=0.02, rate=400, window_s=0.2, calm_s=0.1)
    looked: list[int] = []
    watched = load.run(
        load.crowd(
            upstream.port,
            lambda stream: http(upstream.port, *_stream(stream.chunks, stream.gap_us)),
            plan,
            lambda: looked.append(1),
        )
    )
    assert len(looked) == 2
    assert watched.taken.wrong == 0
    assert len(watched.taken.answers) == 40
    assert 0 < watched.words < watched.taken.words


def test_an_answer_that_is_cut_off_is_a_fault() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()

    async def main() -> load.Taken:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await load.serial(port, http(port, "/", {}, b""), 2, 0, pause_s=0.0)

    assert load.run(main()).wrong == 2


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(mock.NoCompilerError, match="no C compiler"):
        mock.build(tmp_path)


def _stream(chunks: int, gap_us: int = 0) -> tuple[str, dict[str, str], bytes]:
    path, body = ask("chat", "m", "Hello", Stream(chunks, gap_us))
    return path, {}, body
