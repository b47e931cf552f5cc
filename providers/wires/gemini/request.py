"""A client's own body: what the gateway must know of it, and what makes it ready for a host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.usage import tier_of
from providers.wires.gemini import names as n
from providers.wires.gemini.media import type_by_name
from providers.wires.gemini.signatures import ESCAPE, ESCAPES, native, opened, plain
from providers.wires.wire import BadRequestError, Json, Peek

CONFIG = "generationConfig"
MODELS = "models/"
METHODS = {"generateContent": False, "streamGenerateContent": True}
MODEL_MAX_CHARS = 256
STATE_MARKS = (b"thoughtSignature", b"thought_signature")

_encode = msgspec.json.Encoder().encode


def peek(body: Json, text_bytes: int, path: str) -> Peek:
    """Return what a request asks for. Raises ``BadRequestError`` naming the field at fault.

    ``path`` is ``models/NAME:METHOD``.
    """
    model, stream = _addressed(path)
    top = n.obj(body, "")
    contents = n.listed(top.get("contents"), "contents")
    if not contents:
        raise BadRequestError(
            '`contents` must have at least one turn, such as {"role": "user", "parts": '
            '[{"text": "…"}]}',
            "contents",
        )
    config = n.obj(top.get(CONFIG), CONFIG)
    count = f"{CONFIG}.candidateCount"
    return Peek(
        model=model,
        stream=stream,
        wants_usage=True,
        max_output=n.whole(config.get("maxOutputTokens"), f"{CONFIG}.maxOutputTokens", 1),
        n=n.whole(config.get("candidateCount"), count, 1) or 1,
        text_bytes=text_bytes,
        needs=frozenset(_needs(top, config, contents)),
        json_stream=stream and top.get(n.ALT, "sse") != "sse",
        tier=tier_of(top.get("serviceTier")),
    )


def _addressed(path: str) -> tuple[str, bool]:
    name, _, method = path.rpartition(":")
    if not name.startswith(MODELS) and f"/{MODELS}" in name:
        name = MODELS + name.partition(f"/{MODELS}")[2]
    model = name.removeprefix(MODELS)
    if not name.startswith(MODELS) or not model:
        raise BadRequestError(f"`{name}` is no model here: the path must be models/NAME", "model")
    if method not in METHODS:
        raise BadRequestError(
            f"a model has no method `{method}` here; there are {' and '.join(METHODS)}", "model"
        )
    if len(model) > MODEL_MAX_CHARS or not model.isprintable():
        raise BadRequestError(
            f"a model's name must be at most {MODEL_MAX_CHARS} printable characters", "model"
        )
    return model, METHODS[method]


def _needs(top: Json, config: Json, contents: list[Any]) -> Iterator[str]:
    for place, entry in enumerate(n.listed(top.get("tools"), "tools")):
        if n.obj(entry, f"tools[{place}]").get("functionDeclarations"):
            yield "tools"
    chosen = n.obj(top.get("toolConfig"), "toolConfig")
    calling = "toolConfig.functionCallingConfig"
    mode = n.obj(chosen.get("functionCallingConfig"), calling).get("mode")
    if isinstance(mode, str) and mode.upper() == "ANY":
        yield "forced_tool"
    schemas = ("responseSchema", "responseJsonSchema", "_responseJsonSchema")
    if any(config.get(name) is not None for name in schemas):
        yield "schema"
    for place, content in enumerate(contents):
        path = f"contents[{place}]"
        parts = n.listed(n.obj(content, path).get("parts"), f"{path}.parts")
        for number, part in enumerate(parts):
            yield from _media_needs(n.obj(part, f"{path}.parts[{number}]"))


def _media_needs(part: Json) -> Iterator[str]:
    inner = part.get("functionResponse")
    if isinstance(inner, dict):
        held = inner.get("parts")
        for item in held if isinstance(held, list) else ():
            if isinstance(item, dict):
                yield from _media_needs(n.named(item))
    for name in ("inlineData", "fileData"):
        said = part.get(name)
        if isinstance(said, dict):
            said = n.named(said)
            media, uri = said.get("mimeType"), said.get("fileUri")
            if not isinstance(media, str):
                media = type_by_name(uri) if isinstance(uri, str) else ""
            kind = media.partition("/")[0].lower()
            yield {"image": "images", "audio": "audio"}.get(kind, "files")


def refused(body: Json, dialect: Dialect) -> str | None:
    """Return the first field of ``body`` that the host would refuse, None where it takes all.

    A dialect names a field of ``generationConfig`` with a dot: ``generationConfig.seed``.
    """
    if not dialect.refuses:
        return None
    top = n.named(body)
    for name in dialect.refuses:
        holder: Any = top
        *outer, last = name.split(".")
        for step in outer:
            holder = holder.get(step) if isinstance(holder, dict) else None
            holder = n.named(holder) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and holder.get(last) is not None:
            return name
    return None


def patch(body: Json, model: str, dialect: Dialect) -> bytes:
    """Return the bytes for a host; the model stands in the address. ``body`` is left as it was.

    Models that are told how much to think by a level want a signature on the first call of each
    step of this turn: where the client has none, it says so.
    """
    del model
    out = {name: value for name, value in body.items() if name not in (n.ALT, "model")}
    if dialect.thinking == "level":
        contents = out.get("contents")
        if isinstance(contents, list):
            out["contents"] = with_escapes(contents)
    return _encode(out)


def with_escapes(contents: list[Any]) -> list[Any]:
    """Return contents with the escape value on the calls of this turn that lack a signature."""
    begin = 0
    for place, content in enumerate(contents):
        if isinstance(content, dict) and content.get("role") != "model" and _speaks(content):
            begin = place
    out = contents
    for place in range(begin, len(contents)):
        content = contents[place]
        if not isinstance(content, dict) or content.get("role") != "model":
            continue
        parts = content.get("parts")
        if not isinstance(parts, list):
            continue
        number = _first_call(parts)
        if number is None or _signature(parts[number]):
            continue
        signed = [*parts]
        signed[number] = {**parts[number], "thoughtSignature": ESCAPE}
        out = [*out]
        out[place] = {**content, "parts": signed}
    return out


def _speaks(content: Json) -> bool:
    parts = content.get("parts")
    return isinstance(parts, list) and not any(
        isinstance(part, dict) and ("functionResponse" in part or "function_response" in part)
        for part in parts
    )


def _first_call(parts: list[Any]) -> int | None:
    for number, part in enumerate(parts):
        if isinstance(part, dict) and ("functionCall" in part or "function_call" in part):
            return number
    return None


def _signature(part: Json) -> Any:
    return part.get("thoughtSignature", part.get("thought_signature"))


def without_state(body: Json, keep: Callable[[str], bool]) -> tuple[Json, int]:
    """Return the body without the signatures that ``keep`` is False of, and how many went.

    A part of which nothing else is left goes too. The state of this wire inside a seal of ours
    comes out of it where it may be kept.
    """
    contents = body.get("contents")
    if not isinstance(contents, list):
        return body, 0
    removed = 0
    out = []
    for content in contents:
        parts = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(parts, list):
            out.append(content)
            continue
        left: list[Any] = []
        before = removed
        for part in parts:
            kept, gone = _without(part, keep)
            removed += gone
            if kept is not None:
                left.append(kept)
        if removed == before:
            out.append(content)
        elif left:
            out.append({**content, "parts": left})
    return (body, 0) if not removed else ({**body, "contents": out}, removed)


def _without(part: Any, keep: Callable[[str], bool]) -> tuple[Any, int]:
    found = _signature(part) if isinstance(part, dict) else None
    if not isinstance(found, str) or not found or found in ESCAPES or keep(plain(found)):
        return part, 0
    _, own = opened(found)
    inner = native(own)
    rest = {
        name: value
        for name, value in part.items()
        if name not in ("thoughtSignature", "thought_signature")
    }
    if inner and inner != plain(found) and keep(inner):
        return {**rest, "thoughtSignature": inner}, 1
    empty = rest.keys() <= {"thought"} or (
        rest.keys() <= {"thought", "text"} and not rest.get("text")
    )
    return (None if empty else rest), 1
