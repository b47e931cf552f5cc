"""How our own client comes to a new connection: the name looked up, connected to, TLS on it."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

from providers import addresses, guard
from providers.client_answer import words
from providers.client_connection import Connection
from providers.client_target import Way
from providers.errors import ErrorKind, UpstreamError
from providers.guard import EgressRefusedError

KNOWN_S = 60.0
KNOWN_MAX = 1024
# How long one address is waited for before the next is tried beside it.
NEXT_ADDRESS_S = 0.25

T = TypeVar("T")


class Dialler:
    """Opens connections within ``connect_s`` seconds each. Make it inside a running loop.

    Names are looked up once in a minute, for all who ask meanwhile.
    """

    def __init__(self, connect_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect_s = connect_s
        self._known: dict[tuple[str, int], tuple[float, list[AddrInfoType]]] = {}
        self._asking: dict[tuple[str, int], _Shared[list[AddrInfoType]]] = {}
        self._context: _Shared[ssl.SSLContext] | None = None

    async def dial(self, way: Way, made: Callable[[], Connection]) -> Connection:
        """Return a new connection, whose protocol is ``made``. Raises ``UpstreamError``."""
        limit = asyncio.timeout(self._connect_s)
        try:
            async with limit:
                return await self._dialled(way, made)
        except (OSError, RuntimeError) as fault:
            if limit.expired():
                what = "no connection within the connect limit"
                raise UpstreamError(ErrorKind.TIMEOUT, what) from fault
            raise _fault_of(fault) from fault

    def close(self) -> None:
        """Give up what is being looked up."""
        for one in (*self._asking.values(), *((self._context,) if self._context else ())):
            one.cancel()

    async def _dialled(self, way: Way, made: Callable[[], Connection]) -> Connection:
        infos = list(await self._addresses(way.host, way.port))
        context = await self._verifying() if way.tls else None
        name = way.host if way.tls else None
        while True:
            opened = await start_connection(
                infos, happy_eyeballs_delay=NEXT_ADDRESS_S, loop=self._loop
            )
            others = [info for info in infos if info[-1] != _peer(opened)]
            try:
                _, connection = await self._loop.create_connection(
                    made, sock=opened, ssl=context, server_hostname=name
                )
            except OSError:
                # One machine of several may be ill in its TLS alone.
                if not others or len(others) == len(infos):
                    raise
                infos = others
            else:
                return connection

    async def _verifying(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = _Shared(asyncio.to_thread(_verifying))
        return await self._context.result()

    async def _addresses(self, host: str, port: int) -> list[AddrInfoType]:
        """Return where ``host`` is, each time beginning with another. Raises ``OSError``."""
        address = addresses.read(host)
        if address is not None:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            at: Any = (host, port, 0, 0) if ":" in host else (host, port)
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", at)]
        place = (host, port)
        until, infos = self._known.get(place, (0.0, []))
        if until <= self._loop.time():
            asking = self._asking.get(place)
            if asking is None:
                asking = self._asking[place] = _Shared(self._look_up(place))
            infos = await asking.result()
        if len(infos) > 1:
            infos.append(infos.pop(0))
        return infos

    async def _look_up(self, place: tuple[str, int]) -> list[AddrInfoType]:
        host, port = place
        try:
            # An event loop's look-ups are no audit events.
            sys.audit(guard.LOOKUP, host, port)
            found = await self._loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
            infos: list[AddrInfoType] = list(found)
            if not infos:
                raise OSError(errno.ENOENT, "the name leads nowhere")
            sys.audit(guard.RESOLVED, host, port, [info[4][0] for info in infos])
        finally:
            del self._asking[place]
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[place] = (self._loop.time() + KNOWN_S, infos)
        return infos


class _Shared(Generic[T]):
    """A piece of work that several wait for, none of whom takes it from the others by leaving."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._task = asyncio.ensure_future(work)

    async def result(self) -> T:
        """Wait for what comes of it. Raises ``OSError`` where it was given up."""
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if self._task.cancelled() and waiting is not None and not waiting.cancelling():
                raise OSError(errno.ECANCELED, "the client was closed") from None
            raise

    def cancel(self) -> None:
        """Take it from everybody."""
        self._task.cancel()


def _peer(opened: socket.socket) -> Any:
    try:
        return opened.getpeername()
    except OSError:
        return None  # gone again already


def _verifying() -> ssl.SSLContext:
    # Half a tenth of a second's work over the certificates of all authorities: for a thread.
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


def _fault_of(fault: Exception) -> UpstreamError:
    if isinstance(fault, EgressRefusedError):
        return UpstreamError(ErrorKind.CONNECT, words(fault))
    if isinstance(fault, ssl.SSLCertVerificationError):
        return UpstreamError(ErrorKind.CONNECT, f"TLS failed ({fault.verify_message})")
    if isinstance(fault, ssl.SSLError):
        return UpstreamError(ErrorKind.CONNECT, f"TLS failed ({fault.reason or words(fault)})")
    return UpstreamError(ErrorKind.CONNECT, f"cannot connect ({words(fault)})")
