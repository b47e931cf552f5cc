"""Plays recordings through the running gateway and judges what each client makes of them.

    with replaying.stage(folder) as stage:
        outcomes = [stage.play(case, client, manner) for ...]
        stage.settle()          # the ledger is held against the recordings, all at once

A *manner* is how a recording is asked for and in which chunks it comes back: ``own`` sends the
recorded request itself, from the wire that it was recorded on; ``plain`` asks a plain question, and
the answer comes one event a chunk; ``cut`` is the same with cuts inside every event and every
character of several bytes; ``bytes`` sends byte by byte.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.upstream import Upstream
from tests.replay.asking import gemini_path, question, seen
from tests.replay.corpus import RELAYED, WIRES, Case, cases
from tests.replay.exceptions import excuse, why_not_spoken
from tests.replay.hosts import provider_of, recorded_hosts
from tests.replay.judging import (
    Manner,
    Outcome,
    event_ends,
    judge,
    judge_fault,
    judge_relayed,
    judge_sent,
    ledger_problem,
    without_unasked_usage,
)
from tests.replay.said import THOUGHTS, Truth
from tests.replay.truth import truth
from tests.running import Running, running
from tests.wires.clients import CLIENT_WIRES

PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank",
}
# Longer streams go byte by byte to one client only.
BYTES_FOR_ALL = 4000
WAIT_S = 60.0
# What a wrong answer may raise in whoever reads it.
FAULTS = (AssertionError, ValueError, LookupError, TypeError, AttributeError, RuntimeError,
          httpx.HTTPError)  # fmt: skip


@dataclass
class Stage:
    """A gateway with every recorded host, and the upstream that plays them."""

    gateway: Running
    upstream: Upstream
    _due: dict[str, tuple[Outcome, Truth]] = field(default_factory=dict)

    def play(self, case: Case, client: str, manner: Manner) -> Outcome:
        """Play one recording for one client, of a host that is well."""
        self.gateway.recover()
        outcome = Outcome(case, client, manner)
        found = truth(case)
        try:
            self._play(outcome, found)
        except FAULTS as fault:
            self.upstream.faults.clear()
            self._blame(outcome, f"{type(fault).__name__}: {fault}")
        return outcome

    def settle(self) -> None:
        """Hold the ledger against every recording that was played since the last time."""
        due, self._due = self._due, {}
        rows = self._rows(set(due))
        for request_id, (outcome, found) in due.items():
            if outcome.state not in ("passed", "lossy"):
                continue
            problem = ledger_problem(outcome, found, rows.get(request_id))
            if problem:
                self._blame(outcome, problem)

    def _blame(self, outcome: Outcome, problem: str) -> None:
        # pydantic's messages are pages long.
        problem = " ".join(problem.split())[:400]
        outcome.excuse = excuse(outcome.case, outcome.client, outcome.manner, problem)
        outcome.state = "excepted" if outcome.excuse else "failed"
        outcome.why, outcome.lost = problem, ()

    def _rows(self, ids: set[str]) -> dict[str, dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}

        def there() -> bool:
            rows.update({row["request_id"]: row for row in self.gateway.rows()})
            return ids <= rows.keys()

        # What is not there in time is said of its own recording.
        with contextlib.suppress(AssertionError):
            self.gateway.until(there, WAIT_S)
        return rows

    def _play(self, outcome: Outcome, found: Truth) -> None:
        case, client = outcome.case, outcome.client
        route = f"{provider_of(case, case.wire)}/{model_of(case)}"
        stream = case.is_stream or (case.status != 200 and case.asked_stream)
        if outcome.manner == "own":
            path, body = own_request(case, route, stream=stream)
        else:
            wanted = THOUGHTS in found.shows
            path, body = question(client, route, stream=stream, thoughts=wanted)
        self.upstream.requests.clear()
        self.upstream.default = case.in_pieces(pieces_of(case, outcome.manner))
        answer = self.gateway.client.post(path, json=body)
        assert not self.upstream.faults, self.upstream.faults
        assert self.upstream.requests, f"the host was not asked: {answer.text}"
        self._due[answer.headers["x-entrepot-request-id"]] = (outcome, found)
        if found.fault:
            judge_fault(outcome, found, answer, body, stream=stream)
            return
        assert answer.status_code == 200, answer.text
        if answer.headers["x-entrepot-lane"] == "relay":
            assert client == case.wire
            expected = case.body
            if outcome.manner == "own":
                expected = without_unasked_usage(case, body)
                judge_sent(case, body, self.upstream.requests[-1].json(), route)
            judge_relayed(case, answer.content, expected)
            return
        assert case.wire in WIRES.values(), "translated, where only the relay is"
        got = seen(client, answer.content, stream=stream)
        lost = judge(got, found, client)
        if outcome.manner == "plain" and client != case.wire:
            said = answer.headers.get("x-entrepot-lost", "")
            lost |= {f"`{name}` of the question" for name in said.split(",") if name}
        if lost:
            outcome.state, outcome.lost = "lossy", tuple(sorted(lost))


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Run a gateway with every recorded host for the length of a block."""
    # What a plain question asks beside its words (to see the thoughts) may be left out.
    rules = {"translate": {"on_unsupported": "drop"}}
    with Upstream() as upstream, running(recorded_hosts(folder, upstream, **rules)) as gateway:
        yield Stage(gateway, upstream)


def model_of(case: Case) -> str:
    """Return the model that a recording was asked of, "m" where nobody kept it."""
    asked = case.request.get("model") if isinstance(case.request, dict) else None
    return case.model or (asked if isinstance(asked, str) else "") or "m"


def own_request(case: Case, route: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """Return where the recorded request goes, and its body for ``route``."""
    asked = dict(case.request or {})
    if case.wire == "gemini":
        return gemini_path(route, stream=stream), asked
    if stream and case.kind == "vertex_anthropic":
        asked["stream"] = True  # there it stands in the address
    return PATHS[case.wire], {**asked, "model": route}


def plays(number: int, case: Case) -> Iterator[tuple[str, Manner]]:
    """Yield for which clients recording ``number`` is played, and in which manners."""
    own = isinstance(case.request, dict)
    if case.kind in RELAYED:
        if own:
            yield case.wire, "own"
        return
    for place, client in enumerate(CLIENT_WIRES):
        if own and client == case.wire:
            yield client, "own"
        yield client, "plain"
        if case.is_stream:
            yield client, "cut"
            if len(case.body) <= BYTES_FOR_ALL or number % len(CLIENT_WIRES) == place:
                yield client, "bytes"


def everything() -> Iterator[Case]:
    """Yield every recording of a wire that the gateway speaks."""
    for case in cases((*WIRES, *RELAYED)):
        if not why_not_spoken(case):
            yield case


def play_all(stage: Stage, recordings: Iterable[Case]) -> list[Outcome]:
    """Play ``recordings`` for every client in every manner, the ledger included."""
    outcomes = [
        stage.play(case, client, manner)
        for number, case in enumerate(recordings)
        for client, manner in plays(number, case)
    ]
    stage.settle()
    return outcomes


def pieces_of(case: Case, manner: Manner) -> Sequence[bytes]:
    """Return the chunks in which an answer comes back."""
    raw = case.body
    if not case.is_stream:
        return (raw,)
    if manner == "bytes":
        return [raw[at : at + 1] for at in range(len(raw))]
    places = event_ends(case)
    if manner == "cut":
        middles = [(a + b) // 2 for a, b in zip([0, *places], [*places, len(raw)], strict=True)]
        # 10xxxxxx is the second byte of a character, or a later one. No cut stands where an event
        # ends, so that every chunk holds the end of one and half of the next.
        inside = [at for at, byte in enumerate(raw) if byte & 0xC0 == 0x80]
        places = sorted({*middles, *inside} - {0, len(raw)})
    return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]
