"""An answer of our own client: what its connection has read so far, and who waits for more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from providers.client_answer import Answer, cut, too_large
from providers.client_decoding import READABLE, UNREADABLE, Decoder
from providers.errors import UpstreamError

Ending = tuple[Callable[[str], UpstreamError], str]  # makes the fault, of these words


class Source(Protocol):
    """What an answer needs of its connection.

    ``pieces`` are those of the body that were not taken yet, ``held`` is how many bytes they are,
    and ``is_paused``, that no more are read until they are taken.
    """

    loop: asyncio.AbstractEventLoop
    pieces: list[bytes]
    held: int
    is_paused: bool

    def taken(self) -> None:
        """Read on: what had arrived was taken."""

    def abort(self) -> None:
        """Close it at once, whatever is under way."""


class OwnAnswer(Answer):
    """An answer of our own client. ``waiter`` is who waits for more; ``is_given``: to the caller.

    ``fault`` is what it ends with instead of its end, and how that is said. ``sink`` takes what
    comes as soon as it does, until it returns False.
    """

    __slots__ = ("_connection", "_decoder", "_fields", "_pieces", "_values", "fault", "is_given",
                 "sink", "waiter")  # fmt: skip

    def __init__(self, connection: Source) -> None:
        self.status = 0
        self.waiter: asyncio.Future[None] | None = None
        self.sink: Callable[[bytes], bool] | None = None
        self.is_given = False
        self.fault: Ending | None = None
        self._connection: Source | None = connection
        self._pieces = connection.pieces
        self._decoder: Decoder | None = None
        self._values: dict[bytes, bytes] | None = None

    def begin(self, status: int, fields: dict[bytes, bytes]) -> str:
        """Take status and headers; return what of them cannot be dealt with, "" mostly."""
        self.status = status
        self._fields = fields
        if b"nt-encoding" in b"".join(fields).lower():
            encoding = (self.header("content-encoding") or "").lower()
            if encoding in UNREADABLE:
                return f"its body is encoded as {encoding}"
            if encoding in READABLE:
                self._decoder = Decoder(encoding)
        self._wake()
        return ""

    def end(self, pieces: list[bytes], fault: Ending | None) -> None:
        """Take what is left of the body: nothing more will come."""
        self._connection = None
        self._pieces = pieces
        self.fault = fault
        self._wake()

    @property
    def is_framed(self) -> bool:
        """Whether the body says where it ends; else it ends with the connection."""
        if self.header("content-length") is not None:
            return True
        coding = self.header("transfer-encoding") or ""
        return coding.rpartition(",")[2].strip().lower() == "chunked"

    def header(self, name: str) -> str | None:
        """One response header, the first of its name."""
        said = self._lower().get(name.lower().encode("latin-1"))
        return None if said is None else said.strip(b" \t").decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        """All response headers, names in lower case."""
        return {
            name.decode("latin-1"): said.strip(b" \t").decode("latin-1")
            for name, said in self._lower().items()
        }

    @property
    def limits(self) -> dict[str, str]:
        """The headers that tell of limits, names in lower case; mostly none, and then at once."""
        if b"imit" not in b"".join(self._fields):
            return {}
        return {
            name.decode("latin-1"): said.decode("latin-1").strip()
            for name, said in self._lower().items()
            if b"limit" in name
        }

    @property
    def content_type(self) -> str:
        """The media type as sent, with its parameters."""
        fields = self._fields
        said = fields.get(b"Content-Type") or fields.get(b"content-type")
        return self.header("content-type") or "" if said is None else said.decode("latin-1").strip()

    @property
    def is_here(self) -> bool:
        """Whether all of the body has arrived."""
        return self._connection is None and self.fault is None

    def take(self) -> bytes | None:
        """Return what has arrived without waiting: b"" at the end, None if there is nothing yet.

        Raises ``UpstreamError``.
        """
        return self._raw() if self._decoder is None else self._decoded(self._decoder)

    async def chunk(self) -> bytes:
        """Return what has arrived, at least one byte; b"" at the end. Raises ``UpstreamError``.

        Whoever is cancelled here has cut the connection.
        """
        while True:
            data = self._raw() if self._decoder is None else self._decoded(self._decoder)
            if data is not None:
                return data
            try:
                await self.more()
            except asyncio.CancelledError:
                self.close()
                raise

    def more(self) -> asyncio.Future[None]:
        """Return what is done once there is something new: headers, a piece of body, the end."""
        connection = self._connection
        if self.waiter is not None and not self.waiter.done():
            raise RuntimeError("an answer is read by one at a time")
        if connection is None:
            over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            over.set_result(None)
            return over
        waiter = self.waiter = connection.loop.create_future()
        return waiter

    async def pour(self, sink: Callable[[bytes], bool]) -> bool:
        """Give ``sink`` what arrives right as it is read, in no task: as ``Answer.pour``."""
        if self._decoder is not None:
            return await super().pour(sink)
        while True:
            data = self._raw()
            if data is None:
                self.sink = sink
                try:
                    await self.more()
                except asyncio.CancelledError:
                    self.close()
                    raise
                finally:
                    stopped, self.sink = self.sink is None, None
                if stopped:
                    return True
            elif not data:
                return False
            elif not sink(data):
                return True

    async def read(self, most_bytes: int) -> bytes:
        """Return the whole body. Raises ``UpstreamError`` when it breaks or is over the bound."""
        if self._connection is None and self.fault is None and self._decoder is None:
            data = self._raw() or b""
            if len(data) <= most_bytes:
                return data
            raise too_large(most_bytes)
        return await super().read(most_bytes)

    def close(self) -> None:
        """Let the answer be: cut the connection at once, unless the whole body has come."""
        connection = self._connection
        if connection is not None:
            connection.abort()
            self.end([], (cut, "it was given up"))

    def _raw(self) -> bytes | None:
        pieces = self._pieces
        connection = self._connection
        if not pieces:
            if connection is not None:
                return None
            if self.fault is not None:
                raise self.fault[0](self.fault[1])
            return b""
        if len(pieces) == 1:
            data = pieces.pop()
        else:
            data = b"".join(pieces)
            pieces.clear()
        if connection is not None:
            connection.held = 0
            if connection.is_paused:
                connection.taken()
        return data

    def _decoded(self, decoder: Decoder) -> bytes | None:
        try:
            out = decoder.decoded(b"") if decoder.has_more else b""
            while not out:
                data = self._raw()
                if data is None:
                    return None
                if not data:
                    if not decoder.is_whole:
                        raise cut("its end is missing")
                    return b""
                out = decoder.decoded(data)
        except ValueError as fault:
            self.close()
            raise cut(str(fault)) from fault
        return out

    def _lower(self) -> dict[bytes, bytes]:
        found = self._values
        if found is None:
            found = self._values = {}
            for name, said in self._fields.items():
                found.setdefault(name.lower(), said)
        return found

    def _wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)
