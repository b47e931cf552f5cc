"""The ASGI edge of the hot path: headers in, body in, answers out. Functions, no framework."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from gateway.errors import Refusal
from providers.wires.wire import Wire

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
# How much of a body that is already refused is read and thrown away, so that a client that is
# still writing gets to read the answer; past it the connection is closed on it.
DISCARD_MAX_BYTES = 64 * 1024 * 1024
BODY_WITHIN_S = 60.0
# What our own server says of a request beside ASGI: its whole body, where that is there already,
# and by whom to be told that the client has gone.
BODY, GONE = "entrepot.body", "entrepot.gone"


# What raises a label: where one of them comes twice, none is passed over.
RAISING = (b"x-entrepot-label", b"x-entrepot-tags")


def headers_of(pairs: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return a request's headers by name, of those that came twice the last.

    But for those that raise its label: they are one list (RFC 9110 §5.3), so that a proxy's or an
    SDK's own word is not lost beside another. Two different labels make one that is none.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        for name in RAISING:
            given = dict.fromkeys(value for header, value in pairs if header == name)
            if len(given) > 1:
                found[name] = b",".join(given)
    return found


class ClientGoneError(Exception):
    """The client closed its connection in the middle of its request, or takes no more answer."""


def body_at_hand(scope: Message) -> bytes | None:
    """Return the request's body where the server has it whole already; else None."""
    extensions = scope.get("extensions")
    return extensions.get(BODY) if extensions else None


async def read_body(receive: Receive, most_bytes: int, declared: bytes | None) -> bytes:
    """Return the request's body. Raises ``Refusal`` over ``most_bytes`` or after 60 s."""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            if declared is not None and declared.isdigit() and int(declared) > most_bytes:
                await _discard(receive)
                raise _too_large(most_bytes)
            message = await receive()
            body: bytes = message.get("body", b"")
            if not message.get("more_body"):
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
                return body
            return await _read_rest(receive, body, most_bytes)
    except TimeoutError:
        raise Refusal(
            "request_timeout", f"the request's body did not arrive within {BODY_WITHIN_S:.0f} s"
        ) from None


async def _read_rest(receive: Receive, first: bytes, most_bytes: int) -> bytes:
    parts = [first]
    size = len(first)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        data: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(data)
        if size > most_bytes:
            if more:
                await _discard(receive)
            raise _too_large(most_bytes)
        parts.append(data)
    return b"".join(parts)


async def _discard(receive: Receive) -> None:
    size = 0
    while size < DISCARD_MAX_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return
        size += len(message.get("body", b""))


def _too_large(most_bytes: int) -> Refusal:
    return Refusal(
        "request_too_large",
        f"the request's body is larger than {most_bytes // (1024 * 1024)} MB, the limit of this "
        "gateway (server.body_max_mb in its config)",
    )


def plain_header(text: str) -> bytes:
    """Return ``text`` as a header's value: printable ASCII, "?" for every other sign."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join([sign if " " <= sign <= "~" else "?" for sign in text]).encode()


async def send_body(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send one whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_refusal(
    send: Send, wire: Wire, refusal: Refusal, request_id: str, headers: Headers
) -> None:
    """Send ``refusal`` in the form of the asker's wire."""
    if refusal.retry_after_s is not None:
        wait = str(max(1, math.ceil(refusal.retry_after_s))).encode()
        headers = [*headers, (b"retry-after", wait)]
    if refusal.code in ("request_too_large", "request_timeout"):
        headers = [*headers, (b"connection", b"close")]
    if not refusal.may_retry:
        headers = [*headers, (b"x-should-retry", b"false")]
    if refusal.upstream_id:
        told = plain_header(refusal.upstream_id[:200])
        headers = [*headers, (b"x-entrepot-upstream-request-id", told)]
    if refusal.code == "invalid_key":
        headers = [*headers, (b"www-authenticate", b"Bearer")]
    if refusal.passed_on is not None:
        status, media, body = refusal.passed_on
        await send_body(send, status, [*headers, (b"content-type", media.encode("latin-1"))], body)
        return
    body = wire.front.write_error(
        refusal.status, refusal.message, refusal.code, refusal.param, request_id
    )
    await send_body(send, refusal.status, [*headers, JSON], body)
