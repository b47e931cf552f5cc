"""Answers that are named later: only where the config keeps them, and only for whose they are."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest

from tests.fakes import answers, spoken
from tests.fakes.answers import Gate
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.sdk.house import Sdk, declared, text_of, tool
from tests.wires.hosts import path_of

each_host = pytest.mark.parametrize("host", HOST_WIRES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def respond(sdk: Sdk, model: str, stream: bool, **given: Any) -> Any:
    """Ask with the SDK, whole or by its stream helper."""
    if stream:
        with sdk.openai.responses.stream(model=model, **given) as events:
            return events.get_final_response()
    return sdk.openai.responses.create(model=model, **given)


@each_host
@both_ways
def test_a_conversation_goes_on_by_its_last_id(lenient: Sdk, host: str, stream: bool) -> None:
    """A call, its result, and another question: each turn sends only what is new."""
    tools = declared("responses", tool())
    call = Said("Adding.", (Call("call_1", "add", '{"a":1,"b":2}'),), "hm", spoken.opaque(host))
    lenient.says(host, call, Said("It is 3."), Said("Also 3."), stream=stream)
    model = f"m-{host}"
    first = respond(lenient, model, stream, input="What is 1 + 2?", tools=tools)
    result = {"type": "function_call_output", "call_id": "call_1", "output": "three"}
    second = respond(
        lenient, model, stream, input=[result], previous_response_id=first.id, tools=tools
    )
    assert second.output_text == "It is 3."
    third = respond(
        lenient, model, stream, input="And 2 + 1?", previous_response_id=second.id, tools=tools
    )
    assert third.output_text == "Also 3."
    told = text_of(lenient.last)
    words = ["What is 1 + 2?", "Adding.", "three", "It is 3.", "And 2 + 1?"]
    places = [told.index(text) for text in words]
    assert places == sorted(places)
    if host in ("responses", "messages", "gemini", "converse"):
        assert spoken.opaque(host) in told
    assert "previous_response_id" not in lenient.sent
    if host == "responses":
        assert lenient.sent["store"] is False


@both_ways
def test_a_kept_answer_is_read_and_forgotten(lenient: Sdk, stream: bool) -> None:
    lenient.says("chat", Said("Kept."), stream=stream)
    made = respond(lenient, "m-chat", stream, input="Hi")
    again = lenient.openai.responses.retrieve(made.id)
    assert (again.id, again.output_text, again.status) == (made.id, "Kept.", "completed")
    given: Any = list(lenient.openai.responses.input_items.list(made.id))
    assert [item.role for item in given] == ["user"]
    lenient.openai.responses.delete(made.id)
    for missing in (lenient.openai.responses.retrieve, lenient.openai.responses.delete):
        with pytest.raises(openai.NotFoundError):
            missing(made.id)
    with pytest.raises(openai.NotFoundError) as caught:
        respond(lenient, "m-chat", stream, input="Hi", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"


def test_store_false_keeps_nothing(lenient: Sdk) -> None:
    lenient.says("chat", Said("Gone."), stream=False)
    made = lenient.openai.responses.create(model="m-chat", input="Hi", store=False)
    with pytest.raises(openai.NotFoundError):
        lenient.openai.responses.retrieve(made.id)


def ended(sdk: Sdk, name: str) -> Any:
    """Wait until an answer in the background is no longer made."""
    end = time.monotonic() + 5
    while (found := sdk.openai.responses.retrieve(name)).status in ("queued", "in_progress"):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@each_host
def test_an_answer_in_the_background(lenient: Sdk, host: str) -> None:
    lenient.says(host, Said("Done."), stream=False)
    begun = lenient.openai.responses.create(model=f"m-{host}", input="Hi", background=True)
    assert begun.status in ("queued", "in_progress")
    found = ended(lenient, begun.id)
    assert (found.status, found.output_text) == ("completed", "Done.")
    assert found.usage is not None
    assert found.usage.total_tokens == 18
    lenient.says(host, Said("More."), stream=False)
    more = lenient.openai.responses.create(
        model=f"m-{host}", input="Go on", previous_response_id=begun.id
    )
    assert more.output_text == "More."
    assert "Done." in text_of(lenient.last)


def test_an_answer_in_the_background_is_cancelled(lenient: Sdk) -> None:
    """The host's connection is cut, and the kept answer says so."""
    lenient.upstream.on(path_of("chat", stream=False), answers.stall())
    begun = lenient.openai.responses.create(model="m-chat", input="Hi", background=True)
    lenient.upstream.until(lambda: lenient.upstream.requests)
    assert lenient.openai.responses.cancel(begun.id).status == "cancelled"
    assert lenient.last.connection.closed.wait(2)
    assert ended(lenient, begun.id).status == "cancelled"
    assert lenient.entries()[0]["outcome"] == "cancelled"
    lenient.says("chat", Said("Whole."), stream=False)
    made = lenient.openai.responses.create(model="m-chat", input="Hi")
    with pytest.raises(openai.BadRequestError, match="background"):
        lenient.openai.responses.cancel(made.id)


def test_an_answer_that_is_deleted_while_it_is_made_stays_deleted(lenient: Sdk) -> None:
    gate = Gate()
    lenient.upstream.on(
        path_of("chat", stream=False),
        answers.late(spoken.answer("chat", Said("Late."), stream=False), gate=gate),
    )
    begun = lenient.openai.responses.create(model="m-chat", input="Hi", background=True)
    lenient.upstream.until(lambda: lenient.upstream.requests)
    stored = lenient.gateway.house.stored
    task = next(task for (_, name), task in stored.running.items() if name == begun.id)
    lenient.openai.responses.delete(begun.id)
    gate.open()
    lenient.gateway.until(task.done)
    with pytest.raises(openai.NotFoundError):
        lenient.openai.responses.retrieve(begun.id)


def test_a_failure_in_the_background_is_told_there(lenient: Sdk) -> None:
    lenient.does("chat", answers.error(503, "no room"), stream=False)
    begun = lenient.openai.responses.create(model="m-chat", input="Hi", background=True)
    found = ended(lenient, begun.id)
    assert found.status == "failed"
    assert found.error is not None
    assert "no room" in found.error.message


def test_by_itself_the_gateway_keeps_nothing(sdk: Sdk) -> None:
    sdk.says("chat", Said("Hi."), stream=False)
    made = sdk.openai.responses.create(model="m-chat", input="Hi", store=True)
    assert sdk.gateway.house.stored.size == 0
    with pytest.raises(openai.NotFoundError, match="keeps no answers"):
        sdk.openai.responses.retrieve(made.id)
    every: list[dict[str, Any]] = [{"previous_response_id": made.id}, {"background": True}]
    for given in every:
        with pytest.raises(openai.BadRequestError) as caught:
            sdk.openai.responses.create(model="m-chat", input="Hi", **given)
        assert caught.value.param == next(iter(given))
    with pytest.raises(openai.BadRequestError, match="conversation"):
        sdk.openai.responses.create(model="m-chat", input="Hi", conversation="conv_1")
    assert len(sdk.upstream.requests) == 1
