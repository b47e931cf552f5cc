"""What every client gives back: status and headers, a body that is yet to come, and faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.errors import ErrorKind, UpstreamError

ERROR_BODY_MAX_BYTES = 64 * 1024


class StaleConnectionError(UpstreamError):
    """The connection was closed before one byte of answer, as a stale pooled one is.

    It may be tried once more on the same route.
    """


class Answer:
    """An answer whose status and headers are here and whose body is still to be read.

    It is read by one at a time. Whoever has it closes it in the end.
    """

    __slots__ = ("status",)

    status: int

    def header(self, name: str) -> str | None:
        """One response header, the first of its name."""
        raise NotImplementedError

    @property
    def headers(self) -> dict[str, str]:
        """All response headers, names in lower case."""
        raise NotImplementedError

    @property
    def limits(self) -> dict[str, str]:
        """The headers that tell of limits, names in lower case; mostly none, and then at once."""
        raise NotImplementedError

    @property
    def content_type(self) -> str:
        """The media type as sent, with its parameters."""
        raise NotImplementedError

    @property
    def is_here(self) -> bool:
        """Whether all of the body has arrived, as far as that is known."""
        return False

    def take(self) -> bytes | None:
        """Return what has arrived without waiting: b"" at the end, None if there is nothing yet.

        Raises ``UpstreamError``.
        """
        raise NotImplementedError

    async def chunk(self) -> bytes:
        """Return what has arrived, at least one byte; b"" at the end. Raises ``UpstreamError``.

        Whoever is cancelled here has cut the connection.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let the answer be: cut the connection at once, unless the whole body has come."""
        raise NotImplementedError

    async def pour(self, sink: Callable[[bytes], bool]) -> bool:
        """Give ``sink`` what arrives until it returns False, or to the end.

        Returns whether there may be more: ``sink`` wanted nothing further for now. It is called
        where nothing may be awaited and must not fail. Whoever is cancelled here has cut the
        connection. Raises ``UpstreamError``.
        """
        while data := await self.chunk():
            if not sink(data):
                return True
        return False

    async def read(self, most_bytes: int) -> bytes:
        """Return the whole body. Raises ``UpstreamError`` when it breaks or is over the bound."""
        parts: list[bytes] = []
        size = 0
        while data := await self.chunk():
            parts.append(data)
            size += len(data)
            if size > most_bytes:
                raise too_large(most_bytes)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def read_some(self, most_bytes: int = ERROR_BODY_MAX_BYTES) -> bytes:
        """Return the body up to a bound and leave the rest; a broken body gives what came."""
        parts: list[bytes] = []
        size = 0
        try:
            while size < most_bytes and (data := await self.chunk()):
                parts.append(data)
                size += len(data)
        except UpstreamError:
            pass
        return b"".join(parts)[:most_bytes]


def stale() -> StaleConnectionError:
    """Return the fault of a connection that was closed before one byte of answer."""
    return StaleConnectionError(ErrorKind.CONNECT, "the connection was closed before any answer")


def cut(why: str) -> UpstreamError:
    """Return the fault of an answer that ended before its end."""
    return UpstreamError(ErrorKind.CUT, f"the connection broke while answering ({why})")


def not_http(why: str) -> UpstreamError:
    """Return the fault of an answer that cannot be read."""
    return UpstreamError(ErrorKind.MALFORMED, f"the answer is not HTTP ({why})")


def too_large(most_bytes: int) -> UpstreamError:
    """Return the fault of an answer over the caller's bound."""
    return UpstreamError(ErrorKind.MALFORMED, f"the answer is larger than {most_bytes} bytes")


def unmade(why: str) -> UpstreamError:
    """Return the fault of a call that could not even be sent."""
    return UpstreamError(ErrorKind.CONNECT, f"the call could not be made ({why})")


def words(fault: BaseException) -> str:
    """Return what the system says of a fault, or its class, and never what stands in a header."""
    # str() of some client errors shows the request's headers; the class and errno never do.
    os_error: Any = getattr(fault, "os_error", fault)
    text = getattr(os_error, "strerror", None)
    return text or type(fault).__name__
