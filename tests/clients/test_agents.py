"""Real agents are set up by `entrepot connect` and get their answer, whatever stands behind."""

from __future__ import annotations

import pytest

from tests.clients.agents import AGENTS, Agent
from tests.clients.conftest import Office
from tests.fakes import spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import Said
from tests.fakes.upstream import Request
from tests.wires.hosts import path_of

pytestmark = pytest.mark.slow
WORD = "quay-no-seven"
# One is enough to pass by translation for each agent; all pairs of wires are in tests/wires.
HOSTS = ("chat", "messages")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_an_agent_gets_its_answer(office: Office, agent: Agent, host: str) -> None:
    for stream in (False, True):
        office.upstream.always(path_of(host, stream=stream), _speaker(host, stream))
    done = office.desk.ask(agent, "Say the word.", f"m-{host}")
    assert WORD in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    assert office.upstream.requests
    assert all(
        request.headers["authorization"] == f"Bearer sk-canary-{host}"
        for request in office.upstream.requests
    )
    entries = office.gateway.entries(len(office.upstream.requests))
    assert {entry["key"] for entry in entries} == {"agent"}
    assert {entry["outcome"] for entry in entries} == {"completed"}


def _speaker(host: str, stream: bool) -> object:
    def speak(request: Request) -> Behaviour:
        # Where one path serves both, the body says which; elsewhere the path does.
        asked = request.json().get("stream", stream)
        return spoken.answer(host, Said(f"The word is {WORD}."), stream=bool(asked))

    return speak
