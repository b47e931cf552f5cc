"""Tool calls put together from their fragments, however badly a host labels them.

Hosts leave ``index`` out, count it from 1 or say 0 for every call; they send ids that are empty or
twice the same, the name again with every fragment, all calls in one chunk, or one call twice. What
comes out has an index that counts from 0, an id of its own and a name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.ir import Opaque
from providers.wires.chat.callids import new_id
from providers.wires.chat.reasoning import opened, signature_of
from providers.wires.wire import Json

EMPTY = "{}"
# More than any honest answer writes; a host that goes on and on is cut off here.
ARGUMENTS_MAX_CHARS = 32 * 1024 * 1024

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Call:
    """One call. ``host_id`` is the id as the host said it, ``id`` is unlike all others."""

    __slots__ = ("host_id", "id", "index", "is_custom", "name", "opaque", "pieces", "state")

    def __init__(self, index: int) -> None:
        self.index = index
        self.host_id = ""
        self.id = ""
        self.name = ""
        self.is_custom = False
        self.opaque: tuple[Opaque, ...] = ()
        self.pieces: list[str] = []
        # new: nothing of it is out; started: its name is; open: it is given out as it comes; held:
        # it is kept back until it is whole, for it does not begin as an object; closed: all is out.
        self.state = "new"

    @property
    def text(self) -> str:
        """The arguments so far."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    def begun(self) -> str:
        """Return what of a started call's arguments can be given out; what cannot is held."""
        begun = self.text.lstrip()
        if not begun:
            return ""
        if self.is_custom or (begun[0] == "{" and not begun.startswith(EMPTY)):
            self.state = "open"
            return self.text
        self.state = "held"
        return ""

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are an object that is closed."""
        if self.is_custom or not self.pieces or not self.pieces[-1].rstrip().endswith("}"):
            return False
        return is_object(self.text)


class Calls:
    """The calls of one choice. ``used`` are the ids that the answer has, ``seed`` its own id."""

    __slots__ = ("_at", "_choice", "_used", "all", "seed", "size")

    def __init__(self, choice: int, used: set[str]) -> None:
        self._at: dict[int, Call] = {}
        self._choice = choice
        self._used = used
        self.all: list[Call] = []
        self.seed = ""
        self.size = 0

    def take(self, raw: Any, issuer: str, *, whole: bool = False) -> tuple[Call, str] | None:
        """Take one fragment; return its call and what it adds to the arguments.

        ``whole``: it is a call of an answer that does not stream. None: it says nothing new.
        """
        if not isinstance(raw, dict):
            return None
        body, is_custom = _body_of(raw)
        name = body.get("name")
        name = name if isinstance(name, str) else ""
        text = _arguments(body.get("input" if is_custom else "arguments"))
        host_id = raw.get("id")
        host_id = host_id if isinstance(host_id, str) else ""
        index = raw.get("index")
        index = index if isinstance(index, int) and not isinstance(index, bool) else None
        call = None if whole else self._known(index, host_id, name, text)
        if call is not None and _is_repeated(call, host_id, name, text):
            return None
        if call is None:
            call = self._new(index, is_custom)
        call.name = call.name or name
        if host_id and not call.host_id:
            call.host_id = host_id
            if host_id not in self._used and not call.id:
                call.id = host_id
                self._used.add(host_id)
        signature = signature_of(raw)
        if signature and not call.opaque:
            call.opaque = opened(signature, issuer)
        if text:
            call.pieces.append(text)
            self.size += len(text)
        return call, text

    def give_id(self, call: Call) -> None:
        """Give a call an id where the host gave none that is its own."""
        if not call.id:
            call.id = new_id(self.seed, self._choice, call.index)
            self._used.add(call.id)

    def _new(self, index: int | None, is_custom: bool) -> Call:
        call = Call(len(self.all))
        call.is_custom = is_custom
        if index is None and self.all:
            # Where the last one had an index, this one is another without.
            index = max(self._at, default=-1) + 1
        if index is not None or not self.all:
            self._at[index or 0] = call
        self.all.append(call)
        return call

    def _known(self, index: int | None, host_id: str, name: str, text: str) -> Call | None:
        """Return the call that a fragment goes on with, None where it begins one."""
        if not self.all:
            return None
        same_id = self._by_id(host_id) if host_id else None
        if index is None:
            known = same_id or (None if host_id and self.all[-1].host_id else self.all[-1])
        else:
            known = self._at.get(index)
            if known is None and not host_id and not name:
                known = self.all[-1]
            elif known is not None and host_id and known.host_id not in ("", host_id):
                # One index for all calls: the id tells them apart.
                known = same_id
        if known is None or not (name or host_id):
            return known
        renamed = bool(name) and name != known.name
        if not (renamed or text.lstrip().startswith("{")) or not known.is_whole:
            return known
        # The known one is complete: what begins now is another, or the same one over again.
        return known if _is_repeated(known, host_id, name, text) else None

    def _by_id(self, host_id: str) -> Call | None:
        return next((call for call in reversed(self.all) if call.host_id == host_id), None)


def _is_repeated(call: Call, host_id: str, name: str, text: str) -> bool:
    """Whether a fragment is a whole call once more, as some hosts send it with the finish."""
    return bool(
        name == call.name and host_id and host_id == call.host_id and text and text == call.text
    ) and is_object(text)


def _body_of(raw: Json) -> tuple[Json, bool]:
    custom = raw.get("custom")
    if isinstance(custom, dict) and raw.get("type") != "function":
        return custom, True
    function = raw.get("function")
    return (function if isinstance(function, dict) else {}), False


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    # Some hosts send the object itself.
    return _encode(value).decode() if isinstance(value, dict) else ""


def is_object(text: str) -> bool:
    """Whether ``text`` is one JSON object."""
    return isinstance(_read(text), dict)


def settled(call: Call, is_cut: bool) -> str | None:
    """Return a whole call's arguments; None where they are no JSON object and should be.

    ``is_cut``: the answer ended by length, so that what is there may be half an object.
    """
    text = call.text
    if call.is_custom:
        return text
    if not text.strip() or text.strip() == "null":
        return text if is_cut else "{}"
    value = _read(text)
    if isinstance(value, str) and is_object(value):
        # Encoded twice: the object as text within the text.
        return value
    if value is None and text.startswith(EMPTY) and is_object(text[len(EMPTY) :]):
        # Some parsers begin every call as an empty one.
        return text[len(EMPTY) :]
    return text if is_cut or isinstance(value, dict) else None


def _read(text: str) -> Any:
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
