"""Reads a host's whole answer, and writes one for a client."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.assemble import Collector
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.ir import Answer, Choice
from providers.usage import Usage
from providers.wires import kept
from providers.wires.gemini.errors import error_of
from providers.wires.gemini.events import AnswerEvents
from providers.wires.gemini.finish import FAULTS, WORDS, block_of, fault_of, native_finish
from providers.wires.gemini.parts import PartWriter
from providers.wires.gemini.signatures import plain
from providers.wires.gemini.usage import queries_in, usage_body, usage_of
from providers.wires.wire import Context, Json, Tap

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def body_of(raw: bytes) -> Json:
    """Return a whole answer's object. Raises ``UpstreamError``: an error in a 200, or no answer."""
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError(
            ErrorKind.MALFORMED, "the answer is not JSON", status=200, body=raw[:2048]
        ) from None
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if isinstance(body, dict) and body.get("error"):
        raise error_of(body["error"], 200)
    if not isinstance(body, dict) or not (answers(body) or block_of(body.get("promptFeedback"))):
        raise UpstreamError(ErrorKind.MALFORMED, "the answer has no candidates", status=200)
    return body


def answers(body: Json) -> list[Json]:
    """Return the candidates of an answer or of a chunk."""
    found = body.get("candidates")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def parts_of(candidate: Json) -> list[Json]:
    """Return the parts of a candidate that are objects."""
    content = candidate.get("content")
    found = content.get("parts") if isinstance(content, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def tap(raw: bytes, dialect: Dialect) -> Tap:
    """Return what a whole answer says that is passed on. Raises ``UpstreamError``."""
    body = body_of(raw)
    candidates = answers(body)
    parts = [part for candidate in candidates for part in parts_of(candidate)]
    finish = next(
        (word for item in candidates if (word := native_finish(item.get("finishReason")))), ""
    )
    if finish in FAULTS and not parts:
        raise fault_of(finish, candidates[0].get("finishMessage"))
    usage = usage_of(body.get("usageMetadata"), dialect, len(queries(candidates)))
    states, calls = states_of(parts)
    model = body.get("modelVersion")
    return Tap(
        usage=usage,
        finish=finish or block_of(body.get("promptFeedback")),
        model=model if isinstance(model, str) else "",
        text_bytes=0 if usage.state == "reported" else sum(map(size_of, parts)),
        states=tuple(states),
        calls=tuple(calls),
    )


def queries(candidates: list[Json]) -> set[str]:
    """Return what was searched for in all of an answer."""
    return {query for candidate in candidates for query in queries_in(candidate)}


def states_of(parts: list[Json]) -> tuple[list[str], list[str]]:
    """Return the signatures and the ids of calls in ``parts``."""
    states, calls = [], []
    for part in parts:
        signature = part.get("thoughtSignature")
        if isinstance(signature, str) and signature:
            states.append(plain(signature))
        call = part.get("functionCall")
        if isinstance(call, dict) and isinstance(call.get("id"), str):
            calls.append(call["id"])
    return states, calls


def size_of(part: Json) -> int:
    """Return how much a part says, for an estimate where no usage came."""
    text = part.get("text")
    if isinstance(text, str):
        return kept.size_of(text)
    return sum(len(str(value)) for name, value in part.items() if name != "thoughtSignature")


def read(raw: bytes, dialect: Dialect, issuer: str) -> Answer:
    """Return a whole answer in the neutral form. Raises ``UpstreamError``."""
    body = body_of(raw)
    usage = usage_of(body.get("usageMetadata"), dialect, len(queries(answers(body))))
    reading, collector = AnswerEvents(issuer), Collector()
    events = reading.chunk(body, raw)
    if reading.fault is None:
        events += reading.close()
    if reading.fault is not None:
        raise reading.fault
    for event in events:
        collector.add(event)
    tier = body.get("usageMetadata")
    tier = tier.get("serviceTier") if isinstance(tier, dict) else None
    return Answer(
        choices=collector.choices(),
        usage=usage,
        id=collector.id,
        model=collector.model,
        native_finish=collector.native_finish,
        service_tier=tier if isinstance(tier, str) else "",
    )


def write(answer: Answer, context: Context) -> bytes:
    """Return a whole answer as a client of this wire gets it."""
    out = shell(
        [_candidate(choice, place, context) for place, choice in enumerate(answer.choices)],
        answer.usage,
        answer.id or context.id,
        answer.model or context.model,
    )
    return _encode(out)


def shell(candidates: list[Json], usage: Usage | None, answer_id: str, model: str) -> Json:
    """Return one ``GenerateContentResponse``."""
    out: Json = {"candidates": candidates}
    counted = usage_body(usage)
    if counted is not None:
        out["usageMetadata"] = counted
    out["modelVersion"] = model
    out["responseId"] = answer_id
    return out


def ended(finish: Any, place: int, writer: PartWriter) -> Json:
    """Return what a candidate says at its end, without its parts."""
    out: Json = {"finishReason": WORDS[finish], "index": place}
    if finish == "pause":
        out["finishMessage"] = "the model paused: send its answer back to let it go on"
    return out | writer.beside()


def _candidate(choice: Choice, place: int, context: Context) -> Json:
    writer = PartWriter(context.body)
    parts = [made for part in choice.parts for made in writer.part(part)]
    parts += writer.rest()
    writer.logprobs += choice.logprobs or []
    # An end without parts would make a client's SDK throw the turn away.
    if not parts and choice.finish != "filter":
        parts = [{"text": ""}]
    content: Json = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    return {"content": content, **ended(choice.finish, place, writer)}
