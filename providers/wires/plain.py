"""Endpoints that are the same wherever they exist: completions of a text, embeddings, reranking.

They have no place in the neutral form: a client's body goes to a host that has the endpoint, and
the answer comes back as it is. What is read of both is what policy, budget and ledger need. The
words for what is to be done (``suffix`` of a fill in the middle, ``dimensions``) pass unread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace as copied

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.json_body import kind_of
from providers.usage import Usage, tier_of
from providers.wires.chat.checks import MODEL_MAX_CHARS
from providers.wires.chat.counts import missing, usage_of
from providers.wires.chat.errors import error_of, read_error, write_error
from providers.wires.chat.finish import error_in
from providers.wires.chat.stream import StreamReader
from providers.wires.chat.writer import StreamWriter
from providers.wires.kept import size_of
from providers.wires.tolerant import count, mapping
from providers.wires.wire import (
    BadRequestError,
    CannotExpressError,
    ClientSide,
    Context,
    HostSide,
    Json,
    Peek,
    RelaySide,
    Tap,
    Wire,
    Written,
    named_user,
)

# field -> (types, in words, the least that a number may be).
Types = dict[str, tuple[tuple[type, ...], str, int | None]]
NUMBER = (int, float)
COMPLETION_TYPES: Types = {
    "prompt": ((str, list), "a string or a list", None),
    "suffix": ((str,), "a string", None),
    "stream": ((bool,), "true or false", None),
    "stream_options": ((dict,), "an object", None),
    # With `echo` none is asked for: the prompt is only to be scored.
    "max_tokens": ((int,), "a whole number", 0),
    "n": ((int,), "a whole number", 1),
    "best_of": ((int,), "a whole number", 1),
    "temperature": (NUMBER, "a number", None),
    "top_p": (NUMBER, "a number", None),
    "echo": ((bool,), "true or false", None),
    "stop": ((str, list), "a string or a list of strings", None),
}
EMBEDDING_TYPES: Types = {
    "input": ((str, list), "a string or a list", None),
    "dimensions": ((int,), "a whole number", 1),
    "encoding_format": ((str,), "a string", None),
}
RERANK_TYPES: Types = {
    "query": ((str, dict), "a string", None),
    "documents": ((list,), "a list of documents", None),
    "top_n": ((int,), "a whole number", 1),
}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class CompletionReader(StreamReader):
    """A stream of the completions endpoint: the chat wire's, with the words in ``text``."""

    __slots__ = ()

    def _read_choice(self, choice: Any) -> None:
        if choice.text:
            self.content = True
            self.text_bytes += size_of(choice.text)
            if self.kept is not None:
                self.kept.say(choice.text)
        super()._read_choice(choice)

    def _odd_chunk(self, data: bytes) -> Any:
        try:
            return super()._odd_chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # The typed decoder stops at the first wrong type, before the fault in the JSON.
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is not JSON")
            return None

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far; MISSING where it reported none."""
        return _usage(self._said, self._dialect, self._tier)


def peek_completion(body: Json, text_bytes: int, _path: str = "") -> Peek:
    """Return what a completion asks for. Raises ``BadRequestError`` naming the field at fault."""
    model = _checked(body, COMPLETION_TYPES, needed=("prompt",))
    options = body.get("stream_options") or {}
    prompts = body["prompt"]
    # A list of texts, or of lists of tokens, is as many prompts; a list of tokens is one.
    many = isinstance(prompts, list) and bool(prompts) and not isinstance(prompts[0], int)
    choices = max(body.get("n") or 1, body.get("best_of") or 1)
    return Peek(
        model=model,
        stream=bool(body.get("stream")),
        wants_usage=bool(options.get("include_usage")),
        max_output=body.get("max_tokens"),
        n=choices * (len(prompts) if many else 1),
        text_bytes=text_bytes,
        user=named_user(body),
        tier=tier_of(body.get("service_tier")),
    )


def peek_embedding(body: Json, text_bytes: int, _path: str = "") -> Peek:
    """Return what a call for embeddings asks for. Raises ``BadRequestError``."""
    model = _checked(body, EMBEDDING_TYPES, needed=("input",))
    return _no_output(model, text_bytes, named_user(body))


def peek_rerank(body: Json, text_bytes: int, _path: str = "") -> Peek:
    """Return what a call for an order of documents asks for. Raises ``BadRequestError``.

    The query is read by the model once with each document.
    """
    model = _checked(body, RERANK_TYPES, needed=("query", "documents"))
    again = len(_encode(body["query"])) * max(0, len(body["documents"]) - 1)
    return _no_output(model, text_bytes + again)


def _no_output(model: str, text_bytes: int, user: str = "") -> Peek:
    return Peek(
        model=model,
        stream=False,
        wants_usage=True,
        max_output=0,
        n=1,
        text_bytes=text_bytes,
        user=user,
    )


def _checked(body: Json, types: Types, needed: tuple[str, ...]) -> str:
    model = body.get("model")
    if not model:
        raise BadRequestError("`model` is missing: name one of GET /v1/models", "model")
    if not isinstance(model, str):
        raise BadRequestError(f"`model` must be a string, not {kind_of(model)}", "model")
    if len(model) > MODEL_MAX_CHARS or not model.isprintable():
        raise BadRequestError(
            f"`model` must be at most {MODEL_MAX_CHARS} printable characters", "model"
        )
    for name in needed:
        if body.get(name) is None:
            raise BadRequestError(f"`{name}` is missing", name)
    for name, (allowed, words, least) in types.items():
        value = body.get(name)
        if value is None:
            continue
        # bool is an int to Python, but not to any host.
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise BadRequestError(f"`{name}` must be {words}, not {kind_of(value)}", name)
        if least is not None and isinstance(value, int) and value < least:
            raise BadRequestError(f"`{name}` must be at least {least}, not {value}", name)
    return model


def patch(body: Json, model: str, dialect: Dialect) -> bytes:
    """Return the bytes for a host: the judged body under the host's name for the model."""
    del dialect
    return _encode({**body, "model": model})


def patch_completion(body: Json, model: str, dialect: Dialect) -> bytes:
    """Return the bytes for a host, as ``patch``; a stream asks for its usage where it may.

    The relay takes the answer to that out again, where the client did not ask for it.
    """
    out = {**body, "model": model}
    if out.get("stream"):
        if dialect.ask_stream_usage:
            out["stream_options"] = {**(out.get("stream_options") or {}), "include_usage": True}
        else:
            out.pop("stream_options", None)
    return _encode(out)


def refused(body: Json, dialect: Dialect) -> str | None:
    """Return the first field of ``body`` that the host would refuse, None where it takes all."""
    if not dialect.refuses:
        return None
    return next((name for name in body if name in dialect.refuses and body[name] is not None), None)


def tap_completion(raw: bytes, dialect: Dialect) -> Tap:
    """Return what a whole completion says. Raises ``UpstreamError``."""
    body, choices = _opened(raw, dialect, ("choices",))
    first = mapping(choices[0]) if choices else {}
    usage = _usage(body.get("usage"), dialect, body.get("service_tier"))
    texts = [mapping(choice).get("text") for choice in choices]
    return Tap(
        usage=usage,
        finish=str(first.get("finish_reason") or ""),
        model=str(body.get("model") or ""),
        text_bytes=(
            0
            if usage.state == "reported"
            else sum(size_of(text) for text in texts if isinstance(text, str))
        ),
    )


def tap_embedding(raw: bytes, dialect: Dialect) -> Tap:
    """Return what a whole answer with embeddings says. Raises ``UpstreamError``."""
    body, _ = _opened(raw, dialect, ("data", "embeddings"))
    return _told(body, dialect)


def tap_rerank(raw: bytes, dialect: Dialect) -> Tap:
    """Return what a whole answer with an order of documents says. Raises ``UpstreamError``.

    Some hosts count tokens (``usage``), others bill searches (``meta.billed_units``): where they
    say no number of tokens, none is charged.
    """
    body, _ = _opened(raw, dialect, ("results", "data"))
    return _told(body, dialect)


def _told(body: Json, dialect: Dialect) -> Tap:
    meta = mapping(body.get("meta"))
    billed = mapping(meta.get("billed_units"))
    usage = _usage(body.get("usage"), dialect)
    if usage.state == "missing":
        # What is billed stands before what was read.
        said = billed if "input_tokens" in billed else mapping(meta.get("tokens"))
        usage = _usage({"prompt_tokens": said.get("input_tokens")}, dialect)
    searches = count(billed.get("search_units")) or 0
    if searches:
        # What was read besides is not charged.
        charged = usage if "input_tokens" in billed else Usage()
        usage = copied(charged, searches=searches)
    return Tap(
        usage=usage,
        finish="stop",
        model=str(body.get("model") or ""),
        text_bytes=0,
    )


def _usage(said: Any, dialect: Dialect, tier: Any = None) -> Usage:
    """Return what the chat wire's reader makes of ``said``, where one of the counts may be absent.

    Embeddings and orders have no output, so that a total is the prompt.
    """
    if not isinstance(said, dict):
        return missing(tier)
    prompt, total = count(said.get("prompt_tokens")), count(said.get("total_tokens"))
    output = count(said.get("completion_tokens"))
    if prompt is None:
        prompt = max(0, total - (output or 0)) if total is not None else None
    if output is None:
        output = max(0, total - prompt) if total is not None and prompt is not None else 0
    return usage_of({**said, "prompt_tokens": prompt, "completion_tokens": output}, dialect, tier)


def _opened(raw: bytes, dialect: Dialect, fields: tuple[str, ...]) -> tuple[Json, list[Any]]:
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError(
            ErrorKind.MALFORMED, "the answer is not JSON", status=200, body=raw[:2048]
        ) from None
    error = error_in(body)
    if error is not None:
        raise error_of(error, 200, dialect)
    for name in fields:
        found = mapping(body).get(name)
        if isinstance(found, list | dict):
            return body, found if isinstance(found, list) else [found]
    raise UpstreamError(ErrorKind.MALFORMED, f"the answer has no {fields[0]}", status=200)


def _no_state(body: Json, _keep: Callable[[str], bool]) -> tuple[Json, int]:
    return body, 0


def _not_translated(name: str) -> Wire:
    # What a wire must have and this one is never asked for, as it is not neutral.
    what = f"{name}, which is only relayed"

    def write(_request: ir.Request, _model: str, _dialect: Dialect) -> Written:
        raise CannotExpressError(what)

    def read(_raw: bytes, _dialect: Dialect, _issuer: str) -> NoReturn:
        raise UpstreamError(ErrorKind.MALFORMED, f"an answer of {what}", status=200)

    def read_request(_body: Json) -> NoReturn:
        raise BadRequestError(f"a request of {what}")

    def write_answer(_answer: ir.Answer, _context: Context) -> NoReturn:
        raise CannotExpressError(what)

    return Wire(
        name=name,
        host=HostSide(write=write, read=read, reader=CompletionReader, read_error=read_error),
        client=ClientSide(
            peek=peek_completion,
            read=read_request,
            names={},
            advice=frozenset(),
            write=write_answer,
            # For an error in mid-stream.
            writer=StreamWriter,
            write_error=write_error,
            thinking_fields=frozenset(),
        ),
        relay=RelaySide(patch=patch, refused=refused, tap=tap_completion, without_state=_no_state),
        neutral=False,
    )


def _wire(
    name: str,
    peek: Callable[[Json, int, str], Peek],
    tap: Callable[[bytes, Dialect], Tap],
    write: Callable[[Json, str, Dialect], bytes] = patch,
) -> Wire:
    made = _not_translated(name)
    return replace(
        made,
        client=replace(made.front, peek=peek),
        relay=replace(made.passing, tap=tap, patch=write),
    )


COMPLETIONS = _wire("completions", peek_completion, tap_completion, patch_completion)
EMBEDDINGS = _wire("embeddings", peek_embedding, tap_embedding)
RERANK = _wire("rerank", peek_rerank, tap_rerank)
WIRES = (COMPLETIONS, EMBEDDINGS, RERANK)
