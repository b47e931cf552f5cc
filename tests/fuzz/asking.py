"""A gateway under watch: what its log says, what it holds, what it entered, and plain questions."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from billing.budgets import Holder
from billing.ledger import Entry
from billing.limits import Hold
from gateway.log import LineLog
from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.wires.registry import WIRES
from tests.fakes.upstream import Upstream
from tests.fuzz.test_readers import clean
from tests.limits_seen import held
from tests.running import Running, running
from tests.wires.hosts import every_wire

CLIENT_WIRES = ("chat", "responses", "messages", "gemini")
BUDGETS = [{"name": "everybody", "usd": 100_000, "per": "month"}]
TIMES = {"connect_s": 2, "first_byte_s": 4, "answer_s": 4, "between_s": 4, "total_s": 8}
# What ends an answer whose stream was cut or is no stream: a client may not be told of success.
BROKEN = (ErrorKind.MALFORMED, ErrorKind.CUT)
USER = {"role": "user", "content": "Hi"}
ADD: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "number"}}}


class _Log(LineLog):
    """Keeps every line besides."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.lines: list[dict[str, Any]] = []

    def write(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        super().write(line)


@dataclass
class Watched:
    """A running gateway; ``holds`` and ``entered`` are those since ``begin``."""

    gateway: Running
    upstream: Upstream
    log: _Log
    holds: list[tuple[Hold, int]] = field(default_factory=list)
    entered: list[Entry] = field(default_factory=list)

    def begin(self) -> None:
        """Forget what was seen before, and what it did to the hosts' health."""
        self.gateway.recover()
        self.upstream.requests.clear()
        self.log.lines.clear()
        self.holds.clear()
        self.entered.clear()

    def all_is_well(self, *, bounded: bool = True) -> None:
        """Nothing failed inside, every attempt is entered once, and nothing stays held.

        ``bounded``: what was reported is within what can have been used, so that it must be within
        the hold too.
        """
        self.gateway.until(lambda: self.gateway.house.in_flight == 0)
        inner = [line for line in self.log.lines if line.get("event") == "internal_error"]
        assert not inner, inner[0]["trace"]
        assert not self.upstream.faults
        assert len(self.entered) == len(self.upstream.requests)
        assert len({entry.attempt_id for entry in self.entered}) == len(self.entered)
        assert not held(self.gateway.house.limits)
        most = sum(amount for _, amount in self.holds)
        known = [entry.cost_pico for entry in self.entered if entry.cost_pico is not None]
        assert all(cost >= 0 for cost in known)
        assert not bounded or sum(known) <= most
        for line in self.log.lines:
            json.dumps(line)


@contextmanager
def watched(folder: Path, **parts: Any) -> Iterator[Watched]:
    """Run a gateway with one plain host a wire, all at one upstream, under a budget."""
    given = {"server": {"timeouts": TIMES}, "budgets": BUDGETS, **parts}
    with Upstream() as upstream, running(every_wire(folder, upstream, **given)) as gateway:
        seen = Watched(gateway, upstream, _Log())
        house = gateway.house
        house.log = seen.log
        append, hold = house.journal.append, house.limits.hold

        def entering(entry: Entry) -> None:
            seen.entered.append(entry)
            append(entry)

        async def holding(
            who: Holder, tokens: int, ceiling: int | None, *, rated: bool = True
        ) -> Hold:
            made = await hold(who, tokens, ceiling, rated=rated)
            seen.holds.append((made, ceiling or 0))
            return made

        setattr(house.journal, "append", entering)  # noqa: B010 - in the place of a method
        setattr(house.limits, "hold", holding)  # noqa: B010
        yield seen


def question(client: str, model: str, *, stream: bool, tools: bool = True) -> tuple[str, Any]:
    """Return the path and the body of a small call on a client's wire."""
    function = {"name": "add", "description": "Adds.", "parameters": ADD}
    if client == "chat":
        body: Any = {"model": model, "messages": [USER], "max_tokens": 900, "stream": stream}
        if tools:
            body["tools"] = [{"type": "function", "function": function}]
        return "/v1/chat/completions", body
    if client == "responses":
        body = {"model": model, "input": [USER], "max_output_tokens": 900, "stream": stream}
        if tools:
            body["tools"] = [{"type": "function", "strict": False, **function}]
        return "/v1/responses", body
    if client == "messages":
        body = {"model": model, "messages": [USER], "max_tokens": 900, "stream": stream}
        if tools:
            body["tools"] = [{"name": "add", "input_schema": ADD}]
        return "/v1/messages", body
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    body = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 900},
    }
    if tools:
        body["tools"] = [{"functionDeclarations": [{"name": "add", "parametersJsonSchema": ADD}]}]
    return f"/v1beta/models/{model}:{method}", body


def error_of(client: str, answer: httpx.Response) -> Any:
    """Return the error of an answer; fails where it has not the form of the client's wire."""
    assert answer.headers["content-type"].startswith("application/json"), answer.text
    said = answer.json()
    error = said["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    if client == "messages":
        assert said["type"] == "error"
        assert isinstance(error["type"], str)
    elif client == "gemini":
        assert error["code"] == answer.status_code
        assert isinstance(error["status"], str)
    else:
        assert isinstance(error["type"], str)
        assert error.keys() >= {"message", "type", "code", "param"}
    return error


def read_back(client: str, raw: bytes, *, stream: bool) -> UpstreamError | None:
    """Read an answer of ours as a client would, and judge it; gives the error event in it."""
    host = WIRES[client].host
    if not stream:
        host.read(raw, Dialect(), "r/m")
        return None
    reader = host.reader(Dialect(), "r/m", False)
    events: list[ir.Event] = [*reader.events(raw), *reader.close()]
    fault = reader.fault
    assert fault is None or fault.kind not in BROKEN, (fault.message, raw[-600:])
    clean(events, whole=fault is None)
    return fault
