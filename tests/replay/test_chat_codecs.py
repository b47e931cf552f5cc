"""Real hosts' recorded chat traffic through the codecs, both ways."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from providers.assemble import Collector
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.ir import Choice, Event, Reasoning, Text, ToolCall, text_of
from providers.wires.chat import WIRE
from providers.wires.chat.read import read
from providers.wires.chat.response import read as read_answer
from providers.wires.chat.response import tap, write
from providers.wires.chat.stream import StreamReader
from providers.wires.chat.write import NO_PARAMETERS
from providers.wires.chat.write import write as write_request
from providers.wires.chat.writer import StreamWriter
from providers.wires.wire import BadRequestError, CannotExpressError, Context
from tests.replay import corpus
from tests.replay.corpus import Case

PLAIN = Dialect()
CONTEXT = Context(id="req_1", model="alias", body={}, created=1, prompt_tokens=1)
# Arguments that the host itself garbled: they do not parse, and the finish does not say "length".
GARBLED = 3
# What some requests ask of a host that this wire has no general words for.
CANNOT = {"video_url", "a document by URL"}


@cache
def cases() -> tuple[Case, ...]:
    return tuple(case for case in corpus.chat_cases() if case.status == 200)


def events_in(body: bytes) -> Iterator[Any]:
    for line in body.decode("utf-8", "replace").splitlines():
        if line.startswith("data:") and line[5:].strip().startswith("{"):
            yield json.loads(line[5:])


def has_error(case: Case) -> bool:
    said = list(events_in(case.body)) if case.is_stream else [json.loads(case.body)]
    return any(
        not isinstance(one, dict)
        or one.get("error")
        or any(choice.get("error") for choice in one.get("choices") or ())
        for one in said
    )


def streamed(body: bytes, dialect: Dialect = PLAIN) -> tuple[list[Event], StreamReader]:
    reader = StreamReader(dialect, "host/m", False)
    return [*reader.events(body), *reader.close()], reader


def choices_of(events: list[Event]) -> tuple[Choice, ...]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.choices()


def words_in(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join([part.get("text") or "" for part in parts if isinstance(part, dict)])


def raw_choices(case: Case) -> dict[int, tuple[str, list[tuple[str, str]]]]:
    """Add up the chunks by the rules: text, and name and arguments of each call by its index."""
    texts: dict[int, str] = {}
    calls: dict[int, dict[Any, list[str]]] = {}
    for body in events_in(case.body):
        for choice in body.get("choices") or ():
            place = choice.get("index") or 0
            delta = choice.get("delta") or {"content": choice.get("text")}
            texts[place] = texts.get(place, "") + words_in(delta.get("content"))
            of_choice = calls.setdefault(place, {})
            for said in delta.get("tool_calls") or ():
                call = of_choice.setdefault(said.get("index"), ["", ""])
                call[0] = call[0] or said["function"].get("name") or ""
                call[1] += said["function"].get("arguments") or ""
    return {
        place: (texts[place], [(name, text) for name, text in calls[place].values()])
        for place in texts
    }


def test_streams_become_the_events_that_their_chunks_add_up_to() -> None:
    garbled = 0
    seen = 0
    for case in cases():
        if not case.is_stream or has_error(case):
            continue
        events, reader = streamed(case.body)
        tapped = StreamReader(PLAIN, "", False)
        assert tapped.feed(case.body) + tapped.end() == case.body, case.id
        assert tapped.usage == reader.usage, case.id
        if reader.fault is not None:
            garbled += reader.fault.kind is ErrorKind.MALFORMED
            assert reader.fault.kind in (ErrorKind.MALFORMED, ErrorKind.CUT), case.id
            assert reader.fault.kind is ErrorKind.MALFORMED or tapped.fault is not None, case.id
            continue
        seen += 1
        assert reader.done or reader.finish, case.id
        expected = raw_choices(case)
        got = choices_of(events)
        assert len(got) == len(expected), case.id
        for choice, (text, calls) in zip(got, [expected[n] for n in sorted(expected)], strict=True):
            assert text_of(choice.parts) == text, case.id
            made = [(p.name, p.arguments) for p in choice.parts if isinstance(p, ToolCall)]
            empty = "" if choice.finish == "length" else "{}"
            assert made == [(name, said or empty) for name, said in calls], case.id
            if choice.finish == "tool":
                assert all(isinstance(json.loads(said), dict) for _, said in made), case.id
    assert seen > 500
    assert garbled <= GARBLED


def test_cuts_change_no_events() -> None:
    chance = random.Random(4)
    some = [case for case in cases() if case.is_stream and len(case.body) < 20_000]
    for case in some[::6]:
        expected, reader = streamed(case.body)
        for size in (1, 7, 0):
            again = StreamReader(PLAIN, "host/m", False)
            got: list[Event] = []
            at = 0
            while at < len(case.body):
                step = size or chance.randint(1, 300)
                got += again.events(case.body[at : at + step])
                at += step
            got += again.close()
            assert got == expected, case.id
            assert (again.fault is None) == (reader.fault is None), case.id
            if size == 1 and len(case.body) > 3000:
                break


def test_a_good_stream_passes_the_repair_untouched() -> None:
    repairing = Dialect(repair_tool_calls=True)
    repaired = 0
    for case in cases():
        if not case.is_stream or has_error(case) or b'"tool_calls"' not in case.body:
            continue
        reader = StreamReader(repairing, "", False)
        out = reader.feed(case.body) + reader.end()
        repaired += reader.repaired
        if reader.fault is None:
            assert reader.repaired or out == case.body, case.id
            before, _ = streamed(case.body)
            after, _ = streamed(out)
            assert choices_of(after) == choices_of(before), case.id
    assert repaired


def test_whole_answers_are_read_and_written() -> None:
    garbled = []
    for case in cases():
        if case.is_stream or has_error(case) or not json.loads(case.body).get("choices"):
            continue
        seen = tap(case.body, PLAIN)
        try:
            answer = read_answer(case.body, PLAIN, "host/m")
        except UpstreamError as fault:
            garbled.append(fault.kind)
            continue
        assert answer.usage == seen.usage, case.id
        raw = json.loads(case.body)["choices"]
        for choice, said in zip(answer.choices, raw, strict=True):
            message = said.get("message") or {}
            assert text_of(choice.parts) == words_in(message.get("content")), case.id
            names = [call["function"]["name"] for call in message.get("tool_calls") or ()]
            made = [part for part in choice.parts if isinstance(part, ToolCall)]
            assert [part.name for part in made] == names, case.id
            assert bool(made) <= (choice.finish in ("tool", "length", "filter")), case.id
        written = write(answer, CONTEXT)
        if b'"bytes":"' not in written:  # One host writes them in base64.
            ChatCompletion.model_validate_json(written, strict=True)
        again = read_answer(written, PLAIN, "host/m")
        for one, other in zip(again.choices, answer.choices, strict=True):
            assert words_of(one) == words_of(other), case.id
            assert one.finish == other.finish, case.id
        assert again.usage.completion_tokens == answer.usage.completion_tokens, case.id
    assert len(garbled) <= GARBLED
    assert set(garbled) <= {ErrorKind.MALFORMED}


def words_of(choice: Choice) -> list[Any]:
    """What a chat client can tell of a choice: texts as one, calls, thoughts."""
    thoughts = "".join([part.text for part in choice.parts if isinstance(part, Reasoning)])
    calls = [
        (part.id, part.name, part.arguments) for part in choice.parts if isinstance(part, ToolCall)
    ]
    return [text_of(choice.parts), calls, thoughts.replace("\n", "")]


def test_events_become_a_stream_that_the_sdks_types_take() -> None:
    for case in cases()[::12]:
        if not case.is_stream:
            continue
        events, reader = streamed(case.body)
        if reader.fault is not None:
            continue
        writer = StreamWriter(CONTEXT)
        out = b"".join([writer.write(event) for event in events]) + writer.end()
        state: Any = ChatCompletionStreamState()
        for body in events_in(out):
            state.handle_chunk(ChatCompletionChunk.model_validate(body, strict=True))
        if all(choice.finish in ("end", "tool") for choice in choices_of(events)):
            final = state.get_final_completion().choices
            for choice, sdk in zip(choices_of(events), final, strict=True):
                assert (sdk.message.content or "") == text_of(choice.parts), case.id
                calls = [part.arguments for part in choice.parts if isinstance(part, ToolCall)]
                made = [call.function.arguments for call in sdk.message.tool_calls or ()]
                assert made == calls, case.id
        again, judge = streamed(out)
        assert judge.fault is None, case.id
        before, after = choices_of(events), choices_of(again)
        assert [words_of(one) for one in after] == [words_of(one) for one in before], case.id
        assert [one.finish for one in after] == [
            "end" if one.finish == "stop_sequence" else one.finish for one in before
        ], case.id


def test_recorded_requests_are_read_and_written_again() -> None:
    assert WIRE.client is not None
    seen = 0
    cannot = set()
    for case in corpus.chat_cases():
        asked = case.request
        if not asked or not asked.get("messages") or case.status != 200:
            continue
        body = {"model": "m", **asked}
        try:
            WIRE.client.peek(body, 1, "")
            request = read(body)
            written = write_request(request, request.model, Dialect(takes=frozenset({"top_k"})))
        except BadRequestError as fault:
            cannot.add(fault.message.partition("'")[2].partition("'")[0] or fault.message)
            continue
        except CannotExpressError as fault:
            cannot.add(fault.what)
            continue
        seen += 1
        again = read({**written.body, "model": request.model})
        assert shape(again) == shape(request), case.id
        asked_for = [tool for tool in request.tools if tool.kind != "hosted"]
        assert [(tool.name, tool.description, tool.parameters) for tool in again.tools] == [
            (tool.name, tool.description, tool.parameters or NO_PARAMETERS) for tool in asked_for
        ]
        assert again.max_output == request.max_output
    assert cannot <= CANNOT
    assert seen > 1500


def shape(request: Any) -> list[Any]:
    """What of a conversation is the same for any host: roles, words, calls.

    Pictures in results move to a message of the user, so the user's are left out.
    """
    out: list[Any] = []
    for message in request.messages:
        texts = [part.text for part in message.parts if isinstance(part, Text)]
        joined = ("\n\n" if message.role in ("system", "developer") else "").join(texts)
        calls = [
            (part.id, part.name, part.arguments)
            for part in message.parts
            if isinstance(part, ToolCall)
        ]
        if message.role != "user":
            out.append((message.role, joined, calls))
    return out
