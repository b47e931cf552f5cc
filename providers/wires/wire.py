"""What a wire is to the gateway: a record of functions, so that no code asks which wire it has.

A wire's folder has three codecs without I/O and its errors:

- ``request.py``: ``peek`` (what the gateway must know before the call goes anywhere), ``patch`` (a
  client's own body made ready for a host of the same wire), ``read`` (body → ``ir.Request``),
  ``write`` (``ir.Request`` → body);
- ``response.py``: ``tap`` (usage and finish of a host's whole answer), ``read`` (→ ``ir.Answer``),
  ``write`` (``ir.Answer`` → the client's body);
- ``stream.py``: ``StreamReader`` (a host's stream: passed through and tapped, or as events),
  ``StreamWriter`` (events → the client's stream);
- ``errors.py``: ``read_error`` (a host's), ``write_error`` and ``write_stream_error`` (ours).

Wires that no client speaks to us (Converse, Cohere) have the host's half only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from providers import ir
from providers.dialect import Dialect
from providers.errors import UpstreamError
from providers.usage import Usage
from providers.wires.kept import Kept

Json = dict[str, Any]
PutBack = Callable[[Json, str, Callable[[str], str | None]], tuple[Json, int]]


class BadRequestError(Exception):
    """The body is not a request of its client's wire; ``param`` is the path of the fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class CannotExpressError(Exception):
    """The target cannot say a part of the request that has no field of its own, such as sound.

    ``what`` names it for the client: "audio in a message".
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Peek(Struct, frozen=True):
    """What the gateway needs to know of a request before it goes anywhere.

    ``text_bytes`` is the size of the body, an upper bound for its prompt. ``max_output`` is the
    client's own limit of output tokens for one choice. ``needs`` is what a route must be able to
    do: ``tools``, ``schema`` (an answer by a JSON schema), ``forced_tool``, ``images``, ``files``,
    ``audio``. ``json_stream``: the client wants its stream as one JSON array, which hosts are not
    asked for, so that it is written here. ``user`` is for whom the client says that it asks, ""
    where it does not. ``tier`` is the tier of service that it asks for, "" for the usual one,
    ``searches`` how often the host may search at most, 0 where the body does not say.
    """

    model: str
    stream: bool
    wants_usage: bool
    max_output: int | None
    n: int
    text_bytes: int
    needs: frozenset[str] = frozenset()
    json_stream: bool = False
    user: str = ""
    tier: str = ""
    searches: int = 0


def named_user(said: Json, *names: str) -> str:
    """Return for whom a client says that it asks, "" where it does not; no text counts as none."""
    for name in names or ("user", "safety_identifier"):
        user = said.get(name)
        if user and isinstance(user, str):
            return user
    return ""


def searches_most(tools: Any, limit: Any = None) -> int:
    """Return how often a host may search for the tools of a body, as far as that is bounded.

    By what each search tool says itself (``max_uses``), else by ``limit``, that of all tools.
    """
    found = 0
    for tool in tools if isinstance(tools, list) else ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if isinstance(kind, str) and kind.startswith("web_search"):
            most = tool.get("max_uses", limit)
            found += most if type(most) is int and most > 0 else 0
    return found


class Tap(Struct, frozen=True):
    """What the gateway reads out of one whole answer that it passes on.

    ``text_bytes`` is the size of what the model wrote, counted only where no usage came.
    ``states`` are the opaque states and ``calls`` the tool-call ids in it, so that it is known
    later who issued them.
    """

    usage: Usage
    finish: str
    model: str
    text_bytes: int
    states: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A body for a host, and what of the request is not in it.

    ``lost`` names fields: those of ``ir.Request`` by their name there ("stop"), marks on parts as
    "cache", and everything in ``extras`` by the client's own name.
    """

    body: Json
    lost: tuple[str, ...] = ()


class Reader(Protocol):
    """A host's stream. One of the two ways of reading is used for the whole of it.

    ``content`` turns True with the first event that holds content or ends an answer; ``done`` with
    the wire's own end mark; ``fault`` is set by an error event, by broken JSON, or by an end that
    is none, and after it nothing more comes out. ``text_bytes`` counts what the client has been
    given, for an estimate where no usage comes, and ``kept`` has it where it is to be counted (None
    unless somebody put it there; what ``events`` gives is not kept). ``states`` and ``calls`` as in
    ``Tap``.
    """

    content: bool
    done: bool
    fault: UpstreamError | None
    finish: str
    model: str
    text_bytes: int
    states: list[str]
    calls: list[str]
    kept: Kept | None

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far; MISSING where it reported none."""

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that ``data`` completes, byte for byte, to pass on."""

    def end(self) -> bytes:
        """Return what was left at the end of the body; sets ``fault`` where it was cut."""

    def events(self, data: bytes) -> list[ir.Event]:
        """Return what ``data`` completes in the neutral form, clean."""

    def close(self) -> list[ir.Event]:
        """Return what was left at the end of the body; sets ``fault`` where it was cut."""


@runtime_checkable
class Mending(Protocol):
    """A reader that may repair what passes, and collects the reasoning for hosts that want it back.

    ``repaired``: the stream is no longer byte for byte.
    """

    repaired: bool
    thoughts: list[str]


class Writer(Protocol):
    """A client's stream. Give it clean events, then ``end``; or ``fail`` at any point."""

    def write(self, event: ir.Event) -> bytes:
        """Return the bytes of whole events that ``event`` makes on this wire; b"" for none yet."""

    def end(self) -> bytes:
        """Return what closes a whole answer."""

    def fail(self, message: str, kind: str, code: str) -> bytes:
        """Return the wire's own error event in mid-stream; nothing may follow it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a writer of answers may know beside the events.

    ``id`` is the gateway's own id of the call, ``model`` what to call the model where the host does
    not say, ``body`` the client's request (for fields that an answer repeats), ``created`` seconds
    since 1970, ``prompt_tokens`` an estimate where a wire states a count before the host does.
    ``wants_usage`` is False where the client did not ask for usage on a wire where it must.
    """

    id: str
    model: str
    body: Json
    created: int
    prompt_tokens: int
    wants_usage: bool = True


@dataclass(frozen=True, slots=True)
class ClientSide:
    """A wire as clients speak it to us.

    ``peek(body, text_bytes, path)`` gets the part of the URL that names the model where it is there
    (``models/m:streamGenerateContent``), else "". ``names`` leads from a field of ``ir.Request`` to
    the client's own name for it, ``advice`` holds the extras that change no meaning.
    ``write_error(status, message, code, param, request_id)`` gives a whole error body. ``ping``
    keeps a silent stream alive and means nothing. ``thinking_fields`` are those of a body without
    which it says nothing of thinking.
    """

    peek: Callable[[Json, int, str], Peek]
    read: Callable[[Json], ir.Request]
    names: Mapping[str, str]
    advice: frozenset[str]
    write: Callable[[ir.Answer, Context], bytes]
    writer: Callable[[Context], Writer]
    write_error: Callable[[int, str, str, str | None, str], bytes]
    thinking_fields: frozenset[str]
    ping: bytes = b": ping\n\n"


@dataclass(frozen=True, slots=True)
class HostSide:
    """A wire as hosts speak it.

    ``write(request, model, dialect)`` raises ``CannotExpressError``. ``reader(dialect, issuer,
    strip_usage)``: ``issuer`` is the route's name, for the state that it gives out. ``read`` and
    ``tap`` raise ``UpstreamError``: an error inside a 200, or no answer of this wire.
    ``read_error`` gets status, headers (names in lower case) and body of an answer that is no 2xx.
    """

    write: Callable[[ir.Request, str, Dialect], Written]
    read: Callable[[bytes, Dialect, str], ir.Answer]
    reader: Callable[[Dialect, str, bool], Reader]
    read_error: Callable[[int, Mapping[str, str], bytes, Dialect], UpstreamError]
    stream_type: str = "text/event-stream"


@dataclass(frozen=True, slots=True)
class RelaySide:
    """A wire spoken on both sides: a client's body goes to the host, the answer comes back as is.

    ``effort`` leads to the word in a body that says how much to think.

    ``patch(body, model, dialect)`` gives the bytes for the host. ``refused`` names the first field
    that the host would refuse. ``without_state(body, keep)`` takes out the opaque states that
    ``keep(state)`` is False of, leaving everything else as it was, and counts them; it need not be
    called for a body in which none of ``state_marks`` stands. ``with_reasoning(body, field, find)``
    puts the reasoning of turns that called tools back under ``field``: ``find(call_id)`` gives what
    is remembered of it, None for nothing, and ``thoughts(raw)`` reads it out of a whole answer;
    both are None for a wire whose clients keep it themselves. ``mended(raw)`` puts the tool calls
    of a whole answer right, of a host whose dialect says that they need it.
    """

    patch: Callable[[Json, str, Dialect], bytes]
    refused: Callable[[Json, Dialect], str | None]
    tap: Callable[[bytes, Dialect], Tap]
    without_state: Callable[[Json, Callable[[str], bool]], tuple[Json, int]]
    state_marks: tuple[bytes, ...] = ()
    with_reasoning: PutBack | None = None
    thoughts: Callable[[bytes], str] | None = None
    mended: Callable[[bytes], bytes] | None = None
    effort: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counting:
    """How a wire asks for the number of tokens in a prompt, without an answer.

    ``body(body, model)`` makes the question of a call's own body, ``read`` takes the count out of
    the host's answer (None where it is none), ``write`` gives a client's answer. ``prepare`` makes
    a client's question look like a call, so that it can be judged and translated as one.
    """

    prepare: Callable[[Json], Json]
    body: Callable[[Json, str], Json]
    read: Callable[[Json], int | None]
    write: Callable[[int], Json]


@dataclass(frozen=True, slots=True)
class Wire:
    """One format; a side that is None is not spoken.

    ``neutral`` False: it has no place in the neutral form, so that it is relayed or not served.
    ``custom_tools``: it has tools with free text and groups of tools; for the others they are put
    into functions (``providers/emulate``).
    """

    name: str
    host: HostSide
    client: ClientSide | None = None
    relay: RelaySide | None = None
    neutral: bool = True
    custom_tools: bool = False
    counting: Counting | None = None

    @property
    def front(self) -> ClientSide:
        """The client's side. Raises ``LookupError`` for a wire that clients do not speak to us."""
        if self.client is None:
            raise LookupError(f"no client speaks {self.name}")
        return self.client

    @property
    def passing(self) -> RelaySide:
        """The relay. Raises ``LookupError`` for a wire that is spoken on one side only."""
        if self.relay is None:
            raise LookupError(f"{self.name} is not relayed")
        return self.relay


CHARGE_MOST = Decimal(10) ** 30


def money(value: Any) -> Decimal | None:
    """Return a charge as a host stated it, exactly; None where it is no such figure.

    What is beyond ``CHARGE_MOST`` counts as that, which nobody believes (``pricing.cost``).
    """
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        # str() of a float is its shortest exact spelling: the figure that the host wrote.
        found = Decimal(str(value))
    except (ArithmeticError, ValueError):
        return None
    # What a host invents must not overflow where it is multiplied; the ledger believes far less.
    return min(found, CHARGE_MOST) if found.is_finite() and found >= 0 else None
