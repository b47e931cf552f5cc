"""Recorded traffic of real hosts through the gateway, from every client wire.

What each client reads is held against the recording, and so is the ledger; see ``replaying``. The
everyday run takes one recording of each kind that a host gave, ``slow`` every one in every manner.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests import accuracy_page
from tests.fakes.upstream import Upstream
from tests.replay import accuracy, corpus
from tests.replay.asking import gemini_path
from tests.replay.corpus import Case
from tests.replay.exceptions import EXCUSES, why_not_spoken
from tests.replay.hosts import provider_of, recorded_hosts
from tests.replay.judging import Outcome
from tests.replay.replaying import everything, model_of, play_all, plays, stage
from tests.running import running
from tests.wires.clients import CLIENT_WIRES

# Of an everyday stream byte by byte is played to one client only, whatever its size.
EVERYDAY_BYTES = 6000


def told(outcomes: list[Outcome]) -> str:
    """Return what failed, a line each."""
    return "\n".join(str(one) for one in outcomes if one.state == "failed")


def sample() -> list[Case]:
    """One recording of each form that each host gave: whole, streamed, in error."""
    found: dict[tuple[str, str, bool, bool], Case] = {}
    for case in everything():
        form = case.kind, case.provider, case.is_stream, case.status == 200
        if len(case.body) <= EVERYDAY_BYTES or form not in found:
            found[form] = case
    return list(found.values())


def test_every_recording_has_its_place() -> None:
    every = list(corpus.cases({str(row["kind"]) for row in corpus.index()}))
    spoken = list(everything())
    assert len(every) == len(corpus.index())
    assert len(spoken) + sum(bool(why_not_spoken(case)) for case in every) == len(every)
    assert len(spoken) > 3600


def test_a_recording_of_each_kind_reaches_every_client(tmp_path: Path) -> None:
    cases = sample()
    assert len({case.provider for case in cases}) > 30
    with stage(tmp_path) as played:
        outcomes = [
            played.play(case, client, manner)
            for number, case in enumerate(cases)
            for client, manner in plays(number, case)
            if manner != "bytes" or number % len(CLIENT_WIRES) == CLIENT_WIRES.index(client)
        ]
        played.settle()
    assert not told(outcomes), told(outcomes)
    assert {outcome.client for outcome in outcomes} >= set(CLIENT_WIRES)
    assert {outcome.manner for outcome in outcomes} == {"own", "plain", "cut", "bytes"}


def test_recorded_counts_are_told_on_their_own_wire(tmp_path: Path, upstream: Upstream) -> None:
    # The clouds' own forms of the question are not asked: there a count is an estimate.
    wires = {"anthropic": "messages", "openai": "responses", "gemini": "gemini"}
    counted = 0
    with running(recorded_hosts(tmp_path, upstream)) as gateway:
        for case in corpus.cases({"count_tokens"}):
            wire = wires.get(case.provider)
            if wire is None or case.status != 200:
                continue
            route = f"{provider_of(case, wire)}/{model_of(case)}"
            upstream.default = case.in_pieces([case.body])
            path = {
                "messages": "/v1/messages/count_tokens",
                "responses": "/v1/responses/input_tokens",
                "gemini": gemini_path(route, stream=False).rpartition(":")[0] + ":countTokens",
            }[wire]
            answer = gateway.client.post(path, json={**(case.request or {}), "model": route})
            assert answer.status_code == 200, answer.text
            assert "x-entrepot-estimated" not in answer.headers, case.id
            name = "totalTokens" if wire == "gemini" else "input_tokens"
            assert f'"{name}": {answer.json()[name]}'.encode() in case.body, case.id
            counted += 1
    assert counted > 5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_recording_reaches_every_client(tmp_path: Path) -> None:
    with stage(tmp_path) as played:
        outcomes = play_all(played, everything())
    assert not told(outcomes), told(outcomes)
    used = Counter(outcome.excuse for outcome in outcomes)
    idle = [one for one in EXCUSES if not used[one]]
    assert not idle, f"they excuse nothing any more: {idle}"
    same = accuracy_page.page() == accuracy.page(outcomes)
    assert same, "docs/accuracy.md is of another run: `make accuracy`"
