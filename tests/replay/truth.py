"""What a recorded answer says, read straight from its bytes by the rules of its wire.

These readers are slow, simple and know nothing of the gateway's codecs: they are what the gateway's
answers are held against. They take a recording as it is and repair nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

from tests.replay.corpus import Case
from tests.replay.readers import END_MARK, READERS, Json
from tests.replay.said import CHOICES, THOUGHTS, Alternative, Truth, is_json

# Host and maker's word whose prompts are counted without what was cached of them: recorded with
# more cached than the whole prompt had.
CACHED_BESIDE = frozenset({("azure", "grok")})


def truth(case: Case) -> Truth:
    """Return what ``case`` says."""
    if case.status != 200:
        return Truth(fault="status", words=words_of(case.body))
    found = Truth()
    for body in bodies(case):
        if error := error_in(body, case.wire):
            found.fault, found.words = "error in the answer", error
            return found
    READERS[case.wire](list(bodies(case)), case.is_stream, found)
    if found.usage is not None and (case.provider, case.model.split("-")[0]) in CACHED_BESIDE:
        found.usage = found.usage[0] + found.cached, found.usage[1]
    if len(found.choices) > 1:
        found.shows.add(CHOICES)
    if any(one.thought.strip() for one in found.choices):
        found.shows.add(THOUGHTS)
    if not found.fault:
        found.fault = _unusable(found.choices)
    return found


def _unusable(choices: list[Alternative]) -> str:
    for one in choices:
        for _, arguments in one.calls:
            if one.finish != "length" and arguments and not is_json(arguments):
                return "arguments that do not parse"
        if one.finish == "fault":
            return "an end that is a fault"
    if not any(one.finish for one in choices):
        return "no end"
    return ""


def bodies(case: Case) -> Iterator[Any]:
    """Yield the JSON values of an answer: one, or one an event (with its type, on Converse)."""
    if not case.is_stream:
        try:
            yield json.loads(case.body)
        except ValueError:
            return
    elif case.wire == "converse":
        yield from frames(case.body)
    else:
        for block in case.body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n\n"):
            lines = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
            text = "\n".join(lines)
            if text == "[DONE]":
                yield END_MARK
            elif text:
                yield json.loads(text)


def frames(raw: bytes) -> Iterator[Json]:
    """Yield the events of a binary stream as ``{type: payload}``."""
    at = 0
    while at < len(raw):
        size, head = struct.unpack_from("!II", raw, at)
        place, headers = at + 12, {}
        while place < at + 12 + head:
            named = raw[place]
            name = raw[place + 1 : place + 1 + named].decode()
            place += 1 + named + 1
            length = struct.unpack_from("!H", raw, place)[0]
            headers[name] = raw[place + 2 : place + 2 + length].decode()
            place += 2 + length
        payload = json.loads(raw[at + 12 + head : at + size - 4] or b"{}")
        yield {headers.get(":event-type") or headers.get(":exception-type", "error"): payload}
        at += size


def error_in(body: Any, wire: str) -> str:
    """Return the words of an error that stands in a good answer's place, "" where none does."""
    if not isinstance(body, dict):
        return "no object"
    if wire == "responses":
        inner = body.get("response")
        said = inner if isinstance(inner, dict) else body
        if body.get("type") == "error" or said.get("status") == "failed":
            return words_in(body.get("error") or said.get("error") or body) or "failed"
        return ""
    if wire == "cohere":
        delta = body.get("delta")
        if isinstance(delta, dict) and delta.get("finish_reason") in ("ERROR", "TIMEOUT"):
            return words_in(delta.get("error")) or "ERROR"
        return ""
    if wire == "converse":
        return next((words_in(v) for k, v in body.items() if k.endswith("Exception")), "")
    if body.get("error"):
        return words_in(body["error"]) or "an error"
    for choice in body.get("choices") or ():
        if isinstance(choice, dict) and choice.get("error"):
            return words_in(choice["error"]) or "an error"
    return ""


def words_of(raw: bytes) -> str:
    """Return the words of a recorded error body, "" where it has none."""
    try:
        body = json.loads(raw)
    except ValueError:
        return ""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return ""
    return words_in(body.get("error") or body)


def words_in(error: Any) -> str:
    """Return the message in an error of any form."""
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    for name in ("message", "detail", "error", "msg"):
        if isinstance(error.get(name), str):
            return str(error[name])
    return ""
