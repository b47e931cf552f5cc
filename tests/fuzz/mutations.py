"""Makes a good stream, answer or body a bad one: bytes, events and values, each by a number.

A mutation is a triple of plain numbers, so that a failing one shrinks and can be written down:
``(what, where, how)``. None of it knows a wire; ``Piece`` only tells events from frames.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.fakes import spoken

DEEP = 300
# What stands where something else was promised.
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 7, 1.5, -0.0, 1e300, 2**53 + 1, 2**70, -(2**70), "", "x", "0",
    "\x00\r\nx-made-up: 1\r\n", "\u2028\ufeff\U0001f642", "stop", "tool_use", "error", [], [[]], {},
    [None], [1, "x", {}], {"": None}, {"type": None}, {"type": "text"}, {"error": {}},
    {"index": -1, "id": 0, "name": [], "arguments": {}}, "y" * 5000,
)  # fmt: skip
NOISE = (
    b"\x00", b"\xff\xfe", b"\n\n", b"\r\n", b"data: ", b"data: [DONE]\n\n", b"event: error\n", b'"',
    b"\\ud800", b"\\", b"{", b"}", b"[" * 2000, b": comment\n\n", b"retry: 1\n\n", b"id:\n",
    b"\xc3", b"data: null\n\n", b"data: 3\n\n", b"data: {}\n\n", b"1e999", b"-",
)  # fmt: skip

Mutation = tuple[int, int, int]
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 9999), st.integers(0, 9999)),
    min_size=1,
    max_size=4,
)


@dataclass(frozen=True)
class Piece:
    """One event of a stream: its bytes, or the value in it with the way to write it again."""

    raw: bytes
    value: Any = None
    again: Callable[[Any], bytes] | None = None

    def said(self, value: Any) -> Piece:
        """Return the same event with another value in it."""
        return Piece(self.again(value), value, self.again) if self.again else self


def pieces(raw: Sequence[bytes]) -> list[Piece]:
    """Return the events of a stream that came as one item of bytes each."""
    return [_piece(one) for one in raw]


def _piece(raw: bytes) -> Piece:
    head, mark, data = raw.partition(b"data: ")
    if mark and data[:1] == b"{":
        try:
            found = json.loads(data)
        except ValueError:
            # Several lines of data, or none that is JSON.
            return Piece(raw)
        return Piece(raw, found, lambda value: head + mark + text(value) + b"\n\n")
    if raw[:2] == b"\x00\x00":
        kind, message, value = _frame(raw)
        return Piece(raw, value, lambda value: spoken.frame(kind, value, message))
    return Piece(raw)


def _frame(raw: bytes) -> tuple[str, str, Any]:
    size, head = struct.unpack(">II", raw[:8])
    headers, at = raw[12 : 12 + head], 0
    found: dict[str, str] = {}
    while at < len(headers):
        name_end = at + 1 + headers[at]
        length = int.from_bytes(headers[name_end + 1 : name_end + 3])
        value = headers[name_end + 3 : name_end + 3 + length]
        found[headers[at + 1 : name_end].decode()] = value.decode()
        at = name_end + 3 + length
    kind = found.get(":event-type") or found[":exception-type"]
    return kind, found[":message-type"], json.loads(raw[12 + head : size - 4])


def text(value: Any) -> bytes:
    """Return a value as JSON, whatever numbers are in it."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def mutated(stream: Sequence[Piece], mutations: Sequence[Mutation]) -> list[bytes]:
    """Return the stream after ``mutations``, still in pieces."""
    made = list(stream)
    for what, where, how in mutations:
        if not made:
            break
        at = where % len(made)
        piece = made[at]
        if what < 5:
            if piece.value is not None:
                made[at] = piece.said(changed(piece.value, what, where, how))
        elif what == 5:
            del made[at]
        elif what == 6:
            made.insert(how % (len(made) + 1), piece)
        elif what == 7:
            made[at], made[how % len(made)] = made[how % len(made)], piece
        elif what == 8:
            del made[at + 1 :]
            made[at] = replace(piece, raw=piece.raw[: how % (len(piece.raw) + 1)], again=None)
        else:
            made[at] = replace(piece, raw=noisy(piece.raw, what, how), again=None)
    return [piece.raw for piece in made]


def noisy(raw: bytes, what: int, how: int) -> bytes:
    """Return bytes with one of them flipped, or with something put between."""
    at = how % (len(raw) + 1)
    if what % 2 and at < len(raw):
        return raw[:at] + bytes([raw[at] ^ (1 << how % 8)]) + raw[at + 1 :]
    return raw[:at] + NOISE[how % len(NOISE)] + raw[at:]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where something stands in a JSON value, the whole of it first."""
    found = [path]
    if isinstance(value, dict):
        for name, inner in value.items():
            found += places(inner, (*path, name))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            found += places(inner, (*path, at))
    return found


def changed(value: Any, what: int, where: int, how: int) -> Any:
    """Return a copy of a JSON value with one place in it replaced, left out, doubled or deep."""
    copy = json.loads(json.dumps(value))
    paths = places(copy)
    path = paths[(where * 31 + how) % len(paths)]
    odd = ODD[how % len(ODD)]
    if not path:
        return odd if how % 17 == 0 else copy
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    last = path[-1]
    if what == 1:
        del holder[last]
    elif what == 2:
        inner = holder[last]
        if isinstance(holder, list):
            holder.insert(last, inner)
        else:
            holder[f"{last}"] = [inner, inner]
    elif what == 3 and how % 5 == 0:
        holder[last] = deep(holder[last])
    elif what == 3 and isinstance(holder, dict):
        # A value where another field's should be.
        other = sorted(holder)[how % len(holder)]
        holder[last], holder[other] = holder[other], holder[last]
    else:
        holder[last] = odd
    return copy


def deep(value: Any) -> Any:
    """Return a value inside very many lists."""
    for _ in range(DEEP):
        value = [value]
    return value
