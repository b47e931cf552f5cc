"""Holds what a client got, and what the ledger says, against what a recording says."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from providers.usage import BUCKETS
from tests.replay import asking
from tests.replay.asking import Seen, seen
from tests.replay.corpus import Case
from tests.replay.exceptions import TWO_ANSWERS, Excuse
from tests.replay.said import CHOICES, Alternative, Truth, is_json

Manner = Literal["own", "plain", "cut", "bytes"]
State = Literal["passed", "lossy", "excepted", "failed"]
DONE = b"data: [DONE]\n\n"
# What stands once in an answer, at its end.
LAST_EVENTS = {"responses": b"event: response.completed\n", "messages": b"event: message_stop\n"}
THINKING = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)
PAUSE, CUT_CALL = "the pause", "a call that was cut off"


@dataclass
class Outcome:
    """How one recording fared with one client. ``why`` says what failed or why it is excepted."""

    case: Case
    client: str
    manner: Manner
    state: State = "passed"
    lost: tuple[str, ...] = ()
    why: str = ""
    excuse: Excuse | None = None

    @property
    def host(self) -> str:
        """The recorded host and its wire, as docs/accuracy.md names them."""
        return f"{self.case.provider} ({self.case.wire})"

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.case.id} from {self.client}, {self.manner}: {self.why}"


def event_ends(case: Case) -> list[int]:
    """Return where in a stream an event ends and another begins."""
    raw = case.body
    if case.wire == "converse":
        ends, at = [], 0
        while at < len(raw):
            at += int.from_bytes(raw[at : at + 4], "big")
            ends.append(at)
    else:
        ends = [match.end() for match in re.finditer(rb"\r?\n\r?\n", raw)]
    return [end for end in ends if end < len(raw)]


# What a client must read.


def judge(got: Seen, found: Truth, client: str) -> set[str]:
    """Hold what a client read against the recording; return what it cannot see of it."""
    assert not got.error, f"an error in a good answer: {got.error}"
    expected = found.choices
    if client in ("responses", "messages"):
        expected = expected[:1]  # these wires have one alternative only
    assert len(got.choices) == len(expected), f"{len(got.choices)} choices, not {len(expected)}"
    lost = set(found.shows - got.shows)
    for mine, theirs in zip(got.choices, expected, strict=True):
        lost |= _judge_choice(mine, theirs, client)
    if found.usage is not None:
        assert got.usage == found.usage, f"the client read usage {got.usage}, not {found.usage}"
    if CHOICES not in found.shows:
        lost.discard(CHOICES)
    return lost


def _judge_choice(mine: Alternative, theirs: Alternative, client: str) -> set[str]:
    said, meant = mine.text + mine.refusal, theirs.text + theirs.refusal
    if said != meant:
        stripped = THINKING.sub("", meant)
        assert "<think>" in meant, f"text {_differ(said, meant)}"
        assert said.strip() == stripped.strip(), f"text {_differ(said, stripped)}"
    lost = set()
    calls = theirs.calls
    if client == "gemini" and calls and theirs.finish == "length" and not is_json(calls[-1][1]):
        calls = calls[:-1]  # its arguments are an object, and half of one is none
        lost.add(CUT_CALL)
    names, wanted = [name for name, _ in mine.calls], [name for name, _ in calls]
    assert names == wanted, f"calls {names}, not {wanted}"
    for (name, got), (_, written) in zip(mine.calls, calls, strict=True):
        if theirs.finish == "length" and not is_json(written):
            continue  # cut in their midst: each wire has its own way to say so
        same = _value(got) == _value(written)
        assert same, f"arguments of {name}: {_differ(got, written)}"
    if theirs.finish == "pause" and client != "messages":
        assert mine.finish in ("stop", "pause", "tool"), f"finish {mine.finish}, not a pause"
        return {*lost, PAUSE}
    # Two wires have no word for a tool's call: that there is one says it.
    told = theirs.calls and theirs.finish == "stop" and client in ("gemini", "responses")
    finish = "tool" if told else theirs.finish
    assert mine.finish == finish, f"finish {mine.finish}, not {finish}"
    thought, meant = "".join(mine.thought.split()), "".join(theirs.thought.split())
    if thought and meant and "<think>" not in theirs.text:
        assert thought == meant, f"thoughts {_differ(mine.thought, theirs.thought)}"
    return lost


def _value(arguments: str) -> Any:
    return json.loads(arguments or "{}")


def _differ(mine: str, theirs: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), -1)
    at = min(len(mine), len(theirs)) if at < 0 else at
    return f"differs at {at}: {mine[at : at + 60]!r}, not {theirs[at : at + 60]!r}"


# The relay.


def without_unasked_usage(case: Case, asked: dict[str, Any]) -> bytes:
    """Return a recorded chat stream without the usage chunk that only the gateway asked for."""
    if case.wire != "chat" or not case.is_stream:
        return case.body
    if (asked.get("stream_options") or {}).get("include_usage"):
        return case.body
    ends = [0, *event_ends(case), len(case.body)]
    kept = []
    for a, b in itertools.pairwise(ends):
        event = case.body[a:b]
        data = [line[5:] for line in event.splitlines() if line.startswith(b"data:")]
        said = json.loads(data[0]) if data and data[0].strip()[:1] == b"{" else {}
        if not (said.get("choices") == [] and said.get("usage")):
            kept.append(event)
    return b"".join(kept)


def judge_sent(case: Case, asked: dict[str, Any], sent: dict[str, Any], route: str) -> None:
    """At a plain host every field of the recorded request must have arrived as it was."""
    if not route.startswith("plain-"):
        return
    added = {"stream_options", "model", "store"}
    arrived = {name: value for name, value in sent.items() if name not in added}
    meant = {name: value for name, value in asked.items() if name not in added}
    changed = sorted(
        name for name in arrived.keys() | meant.keys() if arrived.get(name) != meant.get(name)
    )
    assert not changed, f"the relay changed {changed}"


def judge_relayed(case: Case, got: bytes, meant: bytes) -> None:
    """Hold an answer that was passed on against the recording, byte for byte."""
    whole = [meant]
    if case.wire == "responses":
        # Some hosts send another wire's end mark after this wire's own, which ends the answer.
        whole.append(meant.removesuffix(DONE))
    twice = meant.count(LAST_EVENTS.get(case.wire, b"\0")) > 1 and meant.startswith(got)
    assert not twice, TWO_ANSWERS
    assert got in whole, first_difference(got, meant)


def first_difference(got: bytes, meant: bytes) -> str:
    at = next((n for n, (a, b) in enumerate(zip(got, meant, strict=False)) if a != b), -1)
    at = min(len(got), len(meant)) if at < 0 else at
    return f"not byte for byte, from {at}: {got[at : at + 80]!r}, not {meant[at : at + 80]!r}"


# What goes wrong.


NO_MODEL = re.compile(
    r"model .*(not exist|not found|decommission|no longer supported)|invalid model|"
    r"not a valid model|supported api model|model identifier|model:? not found|model_not_found|"
    r"on-demand throughput"
)
# The model spoiled its answer, which the host found out before we could.
SPOILED = ("tool_use_failed", "no valid response generated")
NO_CREDIT = ("insufficient_quota", "insufficient balance")
# What a host says of a request that it cannot take, under whatever status.
CANNOT_TAKE = (
    "input is not supported", "content violates", "moderation", "too large to process",
)  # fmt: skip


def statuses(case: Case, found: Truth) -> set[int]:
    """Return the statuses that a client may read for a recorded fault, by the host's own words.

    400 to 422 is the client's own fault, 429 a limit, 502 what our operator has to look at.
    """
    words = case.body.decode("utf-8", "replace").lower()
    if case.status == 200:
        return {400, 422, 429, 502, 503}
    if any(said in words for said in CANNOT_TAKE):
        return {400, case.status}
    if any(said in words for said in NO_CREDIT):
        return {429}
    if case.status in (400, 413, 422):
        if "api key" in words or "api_key" in words or NO_MODEL.search(words):
            return {502}
        if any(said in words for said in SPOILED):
            return {502}
        return {400, case.status}
    known = {401: {502}, 402: {429}, 403: {502}, 404: {502}, 429: {429}, 503: {503}}
    return known.get(case.status, {502})


# What the host's own wire says well enough: in the relay it is the client's SDK that sees it.
OF_THE_MODEL = ("arguments that do not parse", "an end that is a fault", "no end")


def judge_fault(
    outcome: Outcome, found: Truth, answer: Any, body: dict[str, Any], *, stream: bool
) -> None:
    assert "internal_error" not in answer.text, answer.text
    relayed = answer.headers.get("x-entrepot-lane") == "relay"
    if relayed and answer.status_code == 200 and found.fault in OF_THE_MODEL:
        expected = without_unasked_usage(outcome.case, body)
        assert answer.content == expected, first_difference(answer.content, expected)
        return
    if answer.status_code == 200:
        # Something of it was good, and the client has it: the error follows in the stream.
        assert stream, f"a fault was passed on as a whole answer: {answer.text}"
        assert outcome.case.status == 200
        if relayed:
            assert b"error" in answer.content
            return
        assert seen(outcome.client, answer.content, stream=True).error, "no error at the end"
        return
    allowed = statuses(outcome.case, found)
    assert answer.status_code in allowed, f"{answer.status_code}: {answer.text}"
    if outcome.client == outcome.case.wire and answer.content == outcome.case.body:
        assert answer.status_code < 500  # in the host's own words, byte for byte
        return
    message = asking.error_of(outcome.client, answer.content)
    auth = outcome.case.status in (401, 403) or "refused this gateway's credential" in message
    start = found.words[:40]
    assert auth or start in message, f"the host's words {start!r} are not in {message!r}"


# The ledger.


def ledger_problem(outcome: Outcome, found: Truth, row: dict[str, Any] | None) -> str:
    if row is None:
        return "no entry in the ledger"
    if found.fault:
        words = outcome.case.body.decode("utf-8", "replace").lower()
        # What the model spoiled it had written, and nobody says how much of that is billed.
        free = ("none", "missing") if any(said in words for said in SPOILED) else ("none",)
        if outcome.case.status != 200 and row["usage_state"] not in free:
            return f"an error that was billed: {row['usage_state']}"
        return "" if row["outcome"] != "completed" else _fault_taken(outcome, found)
    if row["outcome"] != "completed":
        return f"the ledger says {row['outcome']} ({row['error']})"
    written = BUCKETS.index("output")
    got = (
        sum(row[bucket] for bucket in BUCKETS[:written]),
        sum(row[bucket] for bucket in BUCKETS[written:]),
    )
    if found.usage is None:
        known = row["usage_state"] in ("estimated", "missing") or row["searches"]
        return "" if known else f"the ledger has usage {got} of {row['usage_state']}"
    if row["usage_state"] != "reported":
        return f"usage {found.usage} was {row['usage_state']}"
    return "" if got == found.usage else f"the ledger has usage {got}, not {found.usage}"


def _fault_taken(outcome: Outcome, found: Truth) -> str:
    # In the relay the client is given just what the host said; its SDK sees what is wrong with it.
    if outcome.client == outcome.case.wire and found.fault in OF_THE_MODEL:
        return ""
    return f"the ledger calls a fault completed ({found.fault})"
