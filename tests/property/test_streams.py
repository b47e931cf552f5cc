"""An answer is the same whole and streamed, however its bytes are cut, on every pair of wires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.translate import Translated
from providers import ir
from providers.assemble import Collector, events_of
from providers.carrier import open_seal
from providers.dialect import Dialect
from providers.wires.registry import WIRES
from providers.wires.wire import Context, Reader
from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.property.conversations import ARGUMENTS, IDS, NAMES, TEXTS, answers

CLIENT_WIRES = ("chat", "responses", "messages", "gemini")
PLAIN = Dialect()
# The fields by which a client of each wire asks to see thoughts and to get their state.
ASKING: dict[str, dict[str, Any]] = {
    "chat": {},
    "responses": {"include": ["reasoning.encrypted_content"]},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    "gemini": {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
}
EXAMPLES = [8, pytest.param(2000, marks=pytest.mark.slow)]
examples = pytest.mark.parametrize("examples", EXAMPLES)
each_client = pytest.mark.parametrize("client", CLIENT_WIRES)
CUTS = st.lists(st.integers(1, 90), min_size=1, max_size=5) | st.just([1])


def context(client: str) -> Context:
    return Context("req_1", "alias", ASKING[client], 1, 5)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces of the sizes that come round again."""
    found, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return found


def collected(reader: Reader, pieces: list[bytes]) -> tuple[Collector, list[ir.Event]]:
    collector = Collector()
    events = [event for piece in pieces for event in reader.events(piece)] + reader.close()
    assert reader.fault is None, reader.fault.message
    for event in events:
        collector.add(event)
    return collector, events


def gist(parts: tuple[ir.Part, ...], finish: str) -> dict[str, Any]:
    """What every wire can say of an answer: state and the borders of texts are judged elsewhere."""
    calls = [part for part in parts if isinstance(part, ir.ToolCall)]
    return {
        "text": "".join([part.text for part in parts if isinstance(part, ir.Text)]),
        "thoughts": thought("".join([p.text for p in parts if isinstance(p, ir.Reasoning)])),
        "calls": [(call.id, call.name, call.kind, _value(call)) for call in calls],
        "finish": finish,
    }


def thought(text: str) -> str:
    """Thoughts without the blank lines that some wires put between two of them."""
    return text.replace("\n", "")


def _value(call: ir.ToolCall) -> Any:
    return call.arguments if call.kind == "custom" else msgspec.json.decode(call.arguments)


def own_ids(client: str, found: dict[str, Any]) -> dict[str, Any]:
    """Put back the ids that a wire has to wrap: what its client sends back is what was given."""
    if client == "messages":
        from providers.wires.messages.ids import unwrapped

        found["calls"] = [(unwrapped(call[0]), *call[1:]) for call in found["calls"]]
    return found


@each_client
@examples
def test_an_answer_is_the_same_whole_and_streamed(client: str, examples: int) -> None:
    wire = WIRES[client]
    # Wires without custom tools get them as functions (``providers/emulate``), before they write.
    custom = client in ("chat", "responses")

    @settings(max_examples=examples, deadline=None)
    @given(answer=answers(custom=custom), sizes=CUTS)
    def holds(answer: ir.Answer, sizes: list[int]) -> None:
        writer = wire.front.writer(context(client))
        raw = b"".join([writer.write(event) for event in events_of(answer)]) + writer.end()
        streamed, events = collected(wire.host.reader(PLAIN, "r/m", False), [raw])
        again, pieces = collected(wire.host.reader(PLAIN, "r/m", False), cut(raw, sizes))
        assert pieces == events
        whole = wire.host.read(wire.front.write(answer, context(client)), PLAIN, "r/m")
        (choice,) = streamed.choices()
        assert again.choices() == (choice,)
        (read,) = whole.choices
        expected = gist(answer.choices[0].parts, answer.choices[0].finish)
        assert own_ids(client, gist(choice.parts, choice.finish)) == expected
        assert own_ids(client, gist(read.parts, read.finish)) == expected
        given_out = set(states(answer.choices[0]))
        # States, sealed or not, are the same ones both ways.
        assert [s for s in states(choice) if s in given_out] == [
            s for s in states(read) if s in given_out
        ]
        for usage in (streamed.usage, whole.usage):
            assert usage is not None
            assert usage.prompt_tokens == answer.usage.prompt_tokens
            assert usage.completion_tokens == answer.usage.completion_tokens
            assert usage.cache_read == answer.usage.cache_read
            assert usage.reconciled

    holds()


def states(choice: ir.Choice) -> list[str]:
    """The states in an answer, out of their seals, without what a seal says of their places."""
    found: list[str] = []
    for part in choice.parts:
        if isinstance(part, ir.Reasoning | ir.Text | ir.ToolCall):
            for state in part.opaque:
                data = state.data
                if state.kind == "chat.details":
                    item = msgspec.json.decode(data)
                    data = item.get("signature") or item.get("data") or ""
                inner = open_seal(data)
                found += [data] if inner is None else [one.data for one in inner if one.data]
    return found


SAYINGS = st.builds(
    Said,
    TEXTS,
    st.lists(
        st.builds(Call, IDS, NAMES, ARGUMENTS), max_size=2, unique_by=lambda call: call.id
    ).map(tuple),
    st.just("") | TEXTS,
    st.sampled_from(["", "c3RhdGU="]),
)


@pytest.mark.parametrize("host", HOST_WIRES)
@each_client
@examples
def test_cuts_never_change_what_a_client_gets(client: str, host: str, examples: int) -> None:
    """Every host's stream, written for every client: the very same bytes however it came."""
    wire = WIRES[client]

    def translated(pieces: list[bytes]) -> bytes:
        reader = WIRES[host].host.reader(PLAIN, "r/m", False)
        lane = Translated(reader, wire.front.writer(context(client)), ())
        out = []
        for piece in pieces:
            out.append(lane.feed(piece))
            if lane.done:
                break
        else:
            out.append(lane.end())
        assert lane.fault is None
        assert lane.content
        return b"".join(out)

    @settings(max_examples=max(6, examples // 6), deadline=None)
    @given(said=SAYINGS, sizes=CUTS)
    def holds(said: Said, sizes: list[int]) -> None:
        data = b"".join(spoken.answer(host, said, stream=True).pieces)
        out = translated([data])
        assert translated(cut(data, sizes)) == out
        found, _ = collected(wire.host.reader(PLAIN, "r/m", False), cut(out, sizes))
        (choice,) = found.choices()
        got = own_ids(client, gist(choice.parts, choice.finish))
        assert got["text"] == said.text
        assert got["thoughts"] == thought(said.thought)
        assert [call[1] for call in got["calls"]] == [call.name for call in said.calls]
        assert [call[3] for call in got["calls"]] == [
            msgspec.json.decode(call.arguments) for call in said.calls
        ]
        assert got["finish"] == ("tool" if said.calls else "end")

    holds()
