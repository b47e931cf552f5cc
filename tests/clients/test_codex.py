"""The real codex CLI finishes a small task over each host wire: run a test, edit, run it again."""

from __future__ import annotations

import json

import pytest

from tests.clients.agents import CODEX
from tests.clients.conftest import Office
from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.wires.hosts import path_of

pytestmark = pytest.mark.slow

WRONG = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
TEST = "from sums import add\n\nassert add(2, 3) == 5, add(2, 3)\nprint('the sums are right')\n"
PATCH = """\
*** Begin Patch
*** Update File: sums.py
@@
 def add(a, b):
-    return a - b
+    return a + b
*** End Patch
"""
RUN_TEST = json.dumps({"cmd": "python3 test_sums.py"})
END = "The test passes now: ü 世界."


@pytest.mark.parametrize("host", HOST_WIRES)
def test_codex_edits_and_tests(office: Office, host: str) -> None:
    """A model that codex does not know patches by a command."""
    edit = json.dumps({"cmd": f"apply_patch <<'EOF'\n{PATCH}EOF"})
    _play(office, host, f"m-{host}", _turn(host, 2, Call("call_b", "exec_command", edit)))


@pytest.mark.parametrize("host", HOST_WIRES)
def test_codex_edits_with_its_free_form_tool(office: Office, host: str) -> None:
    """A model that codex knows is given a free-form tool, whose calls hold plain text."""
    _play(office, host, office.known_model_on(host), _patch(host))


def _play(office: Office, host: str, model: str, edit: Behaviour) -> None:
    project = office.desk.project
    (project / "sums.py").write_text(WRONG)
    (project / "test_sums.py").write_text(TEST)
    office.upstream.on(
        path_of(host, stream=True),
        # Two calls at once, then the edit, then the test again, then the words.
        _turn(
            host,
            1,
            Call("call_a1", "exec_command", RUN_TEST),
            Call("call_a2", "exec_command", json.dumps({"cmd": "cat sums.py"})),
        ),
        edit,
        _turn(host, 3, Call("call_c", "exec_command", RUN_TEST)),
        spoken.answer(host, Said(END), stream=True),
    )
    done = office.desk.ask(CODEX, "Make the test pass.", model)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert (project / "sums.py").read_text() == RIGHT, said
    assert END in done.stdout, said
    assert office.upstream.unused == 0
    sent = [request.body.decode() for request in office.upstream.requests]
    assert len(sent) == 4
    # Each result went back to the host, and with it all that had gone before.
    assert "AssertionError" in sent[1]
    assert "return a - b" in sent[1]
    assert "the sums are right" in sent[3]
    assert all("Make the test pass." in body for body in sent)
    entries = office.gateway.entries(4)
    assert [entry["outcome"] for entry in entries] == ["completed"] * 4


def _turn(host: str, number: int, *calls: Call) -> Behaviour:
    state = spoken.opaque(f"{host} {number}")
    thought = "" if host in ("chat", "cohere") else f"Thinking about step {number}."
    said = Said(f"Step {number}.", calls, thought=thought, state=state if thought else "")
    return spoken.answer(host, said, stream=True)


def _patch(host: str) -> Behaviour:
    """Return a call of the free-form tool, elsewhere than on its own wire of a function for it."""
    if host == "responses":
        return _responses_patch()
    call = Call("call_b", "apply_patch", json.dumps({"input": PATCH}))
    return _turn(host, 2, call)


def _responses_patch() -> Behaviour:
    item = {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "call_id": "call_b",
        "name": "apply_patch",
        "input": PATCH,
        "status": "completed",
    }
    at = {"output_index": 0, "item_id": "ctc_1"}
    begun = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
    usage = {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 18,
    }
    whole = {**begun, "status": "completed", "output": [item], "usage": usage}
    events = [
        {"type": "response.created", "response": {**begun, "status": "in_progress"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "input": "", "status": "in_progress"},
        },
        *(
            {"type": "response.custom_tool_call_input.delta", **at, "delta": piece}
            for piece in spoken.pieces(PATCH)
        ),
        {"type": "response.custom_tool_call_input.done", **at, "input": PATCH},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    lines = [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"
        for number, event in enumerate(events)
    ]
    return answers.sse([line.encode() for line in lines], done=False)
