"""Reads the parts inside a client's items: words, pictures, documents, sound, thoughts."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from providers.carrier import open_seal
from providers.ir import Audio, Citation, File, Image, Opaque, Part, Reasoning, Refused, Text
from providers.wires.responses.fields import entry, members, text, whole, wrong
from providers.wires.wire import BadRequestError, Json

NATIVE = "responses.encrypted"
# A seal holds the state of a call or of a text under its kind with one of these before it.
OF_CALL = "call:"
OF_TEXT = "text:"
TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})


def read_content(content: Any, path: str) -> tuple[Part, ...]:
    """Return the parts of an item's content, which is a string or a list."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise wrong(path, "a string or a list of parts", content)
    return tuple(
        _part(entry(part, f"{path}[{at}]"), f"{path}[{at}]") for at, part in enumerate(content)
    )


def _part(part: Json, path: str) -> Part:
    kind = text(part, "type", path)
    if kind in TEXTS:
        return Text(whole(part, "text", path), _mark(part, path), _citations(part))
    if kind == "input_image":
        return _image(part, path)
    if kind == "input_file":
        return _file(part, path)
    if kind == "refusal":
        return Refused(whole(part, "refusal", path))
    if kind == "input_audio":
        sound = members(part, "input_audio", path)
        return Audio(text(sound, "format", path), whole(sound, "data", path))
    raise BadRequestError(f"`{path}.type` is no part that can be read: {kind!r}", f"{path}.type")


def _mark(part: Json, path: str) -> str:
    asked = members(part, "prompt_cache_breakpoint", path)
    if not asked:
        return ""
    # Two lifetimes have names in the neutral form; this wire's are all nearer to the longer one.
    return "1h" if asked.get("ttl") else "5m"


def _citations(part: Json) -> tuple[Citation, ...]:
    said = part.get("annotations")
    return citations_of(said) if said else ()


def citations_of(said: Any) -> tuple[Citation, ...]:
    """Return the annotations of a text as citations; what is none is left out."""
    found = []
    for note in said if isinstance(said, list) else ():
        if not isinstance(note, dict):
            continue
        url, title = note.get("url"), note.get("title") or note.get("filename")
        if isinstance(url, str) or isinstance(title, str):
            found.append(
                Citation(
                    url if isinstance(url, str) else "",
                    title if isinstance(title, str) else "",
                    start=_place(note.get("start_index")),
                    end=_place(note.get("end_index")),
                )
            )
    return tuple(found)


def _place(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _image(part: Json, path: str) -> Image:
    said = part.get("image_url")
    # The chat wire's form, an object with the address, is common enough.
    url = text(said, "url", f"{path}.image_url") if isinstance(said, dict) else None
    url = text(part, "image_url", path) if url is None else url
    detail, cache = text(part, "detail", path), _mark(part, path)
    detail = "" if detail == "auto" else detail
    file_id = text(part, "file_id", path)
    if not url and not file_id:
        raise BadRequestError(f"`{path}` has neither `image_url` nor `file_id`", path)
    if url.startswith("data:"):
        media_type, data = _data_url(url, f"{path}.image_url")
        return Image(media_type, data, detail=detail, cache=cache)
    return Image(url=url, file_id=file_id, detail=detail, cache=cache)


def _file(part: Json, path: str) -> File:
    name, cache = text(part, "filename", path), _mark(part, path)
    data, url = text(part, "file_data", path), text(part, "file_url", path)
    file_id = text(part, "file_id", path)
    if not data and not url and not file_id:
        words = f"`{path}` has neither `file_data` nor `file_url` nor `file_id`"
        raise BadRequestError(words, path)
    if not data:
        return File(url=url, file_id=file_id, name=name, cache=cache)
    media_type = "application/pdf" if name.lower().endswith(".pdf") else ""
    if data.startswith("data:"):
        media_type, data = _data_url(data, f"{path}.file_data")
    if media_type.startswith("text/"):
        try:
            words = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, ValueError):
            pass
        else:
            return File(media_type, text=words, name=name, cache=cache)
    return File(media_type, data, name=name, cache=cache)


def _data_url(url: str, path: str) -> tuple[str, str]:
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise BadRequestError(f"`{path}` must be a data URL in base64", path)
    return head[5:-7].partition(";")[0], data


def thoughts(item: Json) -> tuple[str, bool]:
    """Return what may be read of a reasoning item, and whether it is a summary."""
    words = _words(item.get("content"))
    return (words, False) if words else (_words(item.get("summary")), True)


def _words(parts: Any) -> str:
    if not isinstance(parts, list):
        return ""
    found = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n\n".join([words for words in found if isinstance(words, str) and words])


def read_reasoning(item: Json, path: str) -> tuple[Reasoning | None, tuple[Opaque, ...]]:
    """Return the thoughts of a client's reasoning item, and states that belong to other parts.

    The kinds of those begin with ``OF_CALL`` (of the call that follows) or ``OF_TEXT`` (of the text
    before).
    """
    words, summary = thoughts(item)
    sealed = text(item, "encrypted_content", path)
    opened = open_seal(sealed) if sealed else None
    if sealed and opened is None:
        own: tuple[Opaque, ...] = (Opaque(NATIVE, sealed, id=text(item, "id", path)),)
        return Reasoning(words, summary and bool(words), own), ()
    # Only a host of this wire gives summaries in place of its thoughts.
    states = opened or ()
    others = tuple(state for state in states if state.kind.startswith((OF_CALL, OF_TEXT)))
    own = tuple(state for state in states if state not in others)
    return (Reasoning(words, False, own) if words or own else None), others
