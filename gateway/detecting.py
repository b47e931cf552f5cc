"""Which texts of a client's body the detectors look at, and which detectors a config asks for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from gateway.config import Config
from gateway.problems import Fault
from providers.wires.wire import Json
from routing.detectors import presidio
from routing.detectors.finding import KINDS, Detectors, compiled
from routing.policy import Policy
from routing.policy_form import nearest

# A value this short is looked at together with its name, which may be the cue that it needs.
BESIDE_NAME_CHARS = 200
NUMBER_LEAST = 100_000
NESTED_MOST = 8  # JSON within a string within JSON; deeper is looked at as the text that it is
PIECE_CHARS, OVERLAP_CHARS = 64 * 1024, 512
BINARY_LEAST = 512  # characters; fewer are looked at whatever they are
BINARY_LOOKED_AT = 4096
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-\r\n"
_MEDIA_FIELDS = ("media_type", "mime_type", "mimeType", "mediaType")
_TEXT_MEDIA = ("text/", "application/json", "application/xml", "application/yaml")
_OPENS = ("{", "[", '"')

_decode = msgspec.json.Decoder().decode


def detectors(config: Config, policy: Policy) -> Detectors | None:
    """Return what the config asks for; None where it asks for nothing, and nothing is made then.

    Presidio takes seconds to make. Raises ``ImportError`` where it lacks.
    """
    return compiled(config.detect, policy.labels) if config.detect else None


def words(found: Mapping[str, int]) -> str:
    """Say what was found: kinds and counts, for errors and `explain`; no word of the text."""
    return ", ".join(f"{kind} ({count})" for kind, count in found.items()) or "nothing"


def faults(config: Config, policy: Policy | None) -> Iterator[Fault]:
    """Give what is wrong with the config's ``detect``."""
    for kind, label in config.detect.items():
        place = ("detect", kind)
        if kind not in KINDS:
            yield Fault(place, f"there is no detector {kind!r}", nearest(kind, KINDS))
        elif kind == presidio.KIND and (lack := presidio.missing()):
            yield Fault(place, f"needs the extra `{presidio.KIND}`", lack)
        if policy is not None and label not in policy.labels:
            what = f"the policy has no label {label!r}"
            yield Fault(place, what, nearest(label, policy.labels))


def texts(body: Json) -> Iterator[str]:
    """Give every text of a decoded body in its order: names of fields, strings, long numbers.

    Arguments of tools and other JSON in strings are read as JSON, documents in base64 that say they
    are text are decoded, other binary data is passed over. At any depth, without recursion.
    """
    # What is still to be looked at, the next last: the name before a value, the value, its media
    # type, and how many strings of JSON it lies in.
    waiting: list[tuple[str, Any, str, int]] = [("", body, "", 0)]
    while waiting:
        name, value, media, nested = waiting.pop()
        if isinstance(value, dict):
            if name:
                yield name
            kind = _media(value)
            inner = [(str(key), held, kind, nested) for key, held in value.items()]
            waiting.extend(reversed(inner))
        elif isinstance(value, list):
            if name:
                yield name
            waiting.extend(("", held, media, nested) for held in reversed(value))
        elif isinstance(value, str):
            text = _readable(value, media)
            parsed = _parsed(text) if nested < NESTED_MOST else None
            if parsed is not None:
                waiting.append((name, parsed, media, nested + 1))
            elif name and len(text) <= BESIDE_NAME_CHARS:
                yield f"{name}: {text}"
            else:
                yield from filter(None, (name, *_pieces(text)))
        elif number := _number(value):
            yield f"{name}: {number}" if name else number
        elif name:
            yield name


def _pieces(text: str) -> Iterator[str]:
    """Give a long text piece by piece, each with the beginning of the next one.

    Between two of them others get their turn. What stands in a beginning may be counted twice.
    """
    for start in range(0, max(1, len(text)), PIECE_CHARS):
        yield text[start : start + PIECE_CHARS + OVERLAP_CHARS]


def _media(value: Mapping[str, Any]) -> str:
    for field in _MEDIA_FIELDS:
        said = value.get(field)
        if isinstance(said, str):
            return said
    return ""


def _number(value: object) -> str:
    """Return a number that is long enough to be looked at in digits, else ""."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    # A number of over 2^64 comes as one with a fraction; infinity is none.
    if not NUMBER_LEAST <= abs(value) < 1e40 or value != int(value):
        return ""
    return str(int(value))


def _readable(text: str, media: str) -> str:
    """Return the text itself, the text that it is in base64, or "" for other binary data."""
    if text.startswith("data:"):
        head, comma, data = text.partition(",")
        if comma and len(head) <= BESIDE_NAME_CHARS:
            if not head.endswith(";base64"):
                return unquote(data)
            if head.removeprefix("data:").startswith(_TEXT_MEDIA) or not _is_base64(data):
                return _decoded(data) or data
            return ""
    if media.startswith(_TEXT_MEDIA) and _is_base64(text):
        return _decoded(text) or text
    return "" if _is_binary(text) else text


def _is_base64(text: str) -> bool:
    return text.isascii() and not text.encode("ascii").translate(None, _BASE64)


def _is_binary(text: str) -> bool:
    """Whether a long text has no sign that base64 has not, and of all sorts that it has."""
    if len(text) < BINARY_LEAST or not text.isascii() or " " in text[:BINARY_LOOKED_AT]:
        return False
    head = text[:BINARY_LOOKED_AT]
    sorts = (str.isupper, str.islower, str.isdigit)
    return all(any(map(sort, head)) for sort in sorts) and _is_base64(text)


def _decoded(text: str) -> str:
    """Return the text that stands in base64, "" where it is none."""
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "==").decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _parsed(text: str) -> Any:
    """Return the value of JSON in a string, None where it is none."""
    if not text.lstrip()[:1].startswith(_OPENS):
        return None
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
