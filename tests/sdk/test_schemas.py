"""An answer by a JSON schema: kept, or checked here where the config allows it, or refused."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as gerrors
from google.genai import types as g
from pydantic import BaseModel

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.sdk.house import SHORT, Sdk
from tests.wires.clients import CLIENT_WIRES

each_host = pytest.mark.parametrize("host", HOST_WIRES)
each_client = pytest.mark.parametrize("client", CLIENT_WIRES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
USER = [{"role": "user", "content": "Who is it?"}]
REFUSED = (openai.BadRequestError, anthropic.BadRequestError, gerrors.ClientError)
PERSON = '{"name":"Ada","age":36}'
WRONG = '{"name":"Ada","age":"old"}'


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def parsed(sdk: Sdk, client: str, model: str, *, stream: bool = False) -> Person | None:
    """Ask for a ``Person`` in the SDK's own way and return what it made of the answer."""
    found: Any
    if client == "chat":
        given: Any = {"model": model, "messages": USER, "response_format": Person}
        if stream:
            with sdk.openai.chat.completions.stream(**given) as events:
                found = events.get_final_completion().choices[0].message.parsed
        else:
            found = sdk.openai.chat.completions.parse(**given).choices[0].message.parsed
    elif client == "responses":
        given = {"model": model, "input": USER, "text_format": Person}
        if stream:
            with sdk.openai.responses.stream(**given) as events:
                found = events.get_final_response().output_parsed
        else:
            found = sdk.openai.responses.parse(**given).output_parsed
    elif client == "messages":
        given = {"model": model, "messages": USER, "max_tokens": 100, "output_format": Person}
        if stream:
            with sdk.anthropic.messages.stream(**given) as events:
                found = events.get_final_message().parsed_output
        else:
            found = sdk.anthropic.messages.parse(**given).parsed_output
    else:
        config = g.GenerateContentConfig(
            response_mime_type="application/json", response_schema=Person
        )
        if stream:
            chunks = sdk.gemini.models.generate_content_stream(
                model=model, contents="Who?", config=config
            )
            found = Person.model_validate_json("".join(chunk.text or "" for chunk in chunks))
        else:
            found = sdk.gemini.models.generate_content(
                model=model, contents="Who?", config=config
            ).parsed
    assert found is None or isinstance(found, Person)
    return found


def schema_in(host: str, body: Any) -> Any:
    """Return the schema that a host was given, from where its wire has it."""
    places: dict[str, Any] = {
        "chat": lambda: body["response_format"]["json_schema"]["schema"],
        "responses": lambda: body["text"]["format"]["schema"],
        "messages": lambda: body["output_config"]["format"]["schema"],
        "gemini": lambda: (
            body["generationConfig"].get("responseJsonSchema")
            or body["generationConfig"]["responseSchema"]
        ),
        "converse": lambda: json.loads(
            body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
        ),
        "cohere": lambda: body["response_format"]["json_schema"],
    }
    return places[host]()


@each_client
@each_host
@both_ways
def test_parse_works_on_every_wire(sdk: Sdk, client: str, host: str, stream: bool) -> None:
    sdk.says(host, Said(PERSON), stream=stream)
    assert parsed(sdk, client, f"m-{host}", stream=stream) == Person(name="Ada", age=36)
    schema = schema_in(host, sdk.sent)
    assert set(schema["properties"]) == {"name", "age"}
    assert set(schema["required"]) == {"name", "age"}
    assert "Who" in json.dumps(sdk.sent)


@each_client
def test_a_route_that_keeps_no_schema_is_not_chosen(sdk: Sdk, client: str) -> None:
    sdk.says("chat", Said(PERSON), stream=False)
    assert parsed(sdk, client, "keeps-second") == Person(name="Ada", age=36)
    assert [request.path for request in sdk.upstream.requests] == ["/at-chat/chat/completions"]


@each_client
def test_with_no_other_route_it_is_refused_by_the_fields_name(sdk: Sdk, client: str) -> None:
    names = {
        "chat": "response_format",
        "responses": "text.format",
        "messages": "output_config.format",
        "gemini": "generationConfig.responseSchema",
    }
    with pytest.raises(REFUSED) as caught:
        parsed(sdk, client, "keeps-none")
    said = str(caught.value)
    assert "keeps no JSON schema" in said
    assert names[client].rpartition(".")[0] in said
    assert not sdk.upstream.requests


def emulated(name: str, text: str, *, stream: bool) -> Any:
    """What a host says that was asked in another way: as text, or as a call's arguments."""
    if name == "json-only":
        return spoken.answer("chat", Said(text), stream=stream)
    return spoken.answer("chat", Said("", (Call("c1", "answer", text),)), stream=stream)


@each_client
@pytest.mark.parametrize("name", SHORT)
@both_ways
def test_emulated_where_the_config_allows_it(
    lenient: Sdk, client: str, name: str, stream: bool
) -> None:
    """The answer is checked here, and the entry says that the schema was emulated."""
    lenient.upstream.on(f"/at-{name}/chat/completions", emulated(name, PERSON, stream=stream))
    assert parsed(lenient, client, name, stream=stream) == Person(name="Ada", age=36)
    body = lenient.sent
    if name == "json-only":
        assert body["response_format"] == {"type": "json_object"}
        assert '\\"age\\"' in json.dumps(body["messages"])
    else:
        assert body["tool_choice"]["function"]["name"] == "answer"
    entry = lenient.entries()[0]
    assert "emulated" in entry["notes"]
    assert entry["lane"] == "translate"


@each_client
@pytest.mark.parametrize("name", SHORT)
@both_ways
def test_an_emulated_answer_that_breaks_the_schema_is_none(
    lenient: Sdk, client: str, name: str, stream: bool
) -> None:
    """Alone it is a 502; with another route that one answers. Never passed on as if it kept it."""
    path = f"/at-{name}/chat/completions"
    lenient.upstream.on(path, emulated(name, WRONG, stream=stream))
    with pytest.raises(Exception, match="does not keep the JSON schema") as caught:
        parsed(lenient, client, name, stream=stream)
    fault: Any = caught.value
    assert (fault.code if client == "gemini" else fault.status_code) == 502
    # Where the second route breaks it too, the third keeps it by itself.
    for short in SHORT:
        lenient.upstream.on(f"/at-{short}/chat/completions", emulated(short, WRONG, stream=stream))
    lenient.says("chat", Said(PERSON), stream=stream)
    assert parsed(lenient, client, "keeps-second", stream=stream) == Person(name="Ada", age=36)
    errors = [entry["error"] for entry in lenient.entries(4)]
    assert errors == ["malformed", "malformed", "malformed", ""]
