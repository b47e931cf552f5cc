"""Answers that nobody waits for: ``background: true`` on the Responses wire, over the store.

The call runs on by itself and its answer is kept under an id that the client gets at once; it is
asked for with GET and stopped with cancel. Everything but the key is judged while it runs, so a
refusal is found in the kept answer, as a failed one. Its label is that of the call, which is known
when it has been answered: what never was answered can be read, and no request can go on from it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import msgspec

from gateway import auth, exchange
from gateway.call import decode
from gateway.entrance import Entrance
from gateway.errors import Refusal
from gateway.front import (
    JSON,
    ClientGoneError,
    Message,
    Receive,
    Send,
    read_body,
    send_body,
    send_refusal,
)
from gateway.house import House
from gateway.stored import Stored
from providers.wires.responses.stored import input_items
from providers.wires.wire import Json

RUNNING_MAX = 256
MARK = b'"background"'

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


async def run(
    house: House,
    entrance: Entrance,
    scope: MutableMapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    """Answer one call at a door that may be asked for an answer in the background."""
    setup, headers = house.setup, dict(scope["headers"])
    try:
        key = auth.principal(headers, setup.principals, setup.local).name
        raw = await read_body(receive, setup.body_max_bytes, headers.get(b"content-length"))
        body = decode(raw) if MARK in raw else {}
        if body.get("background") is not True:
            await exchange.run(house, entrance, scope, _again(raw, receive), send)
            return
        begun = _begin(house, entrance, scope, body, key)
    except Refusal as refusal:
        await send_refusal(send, entrance.wire, refusal, "", [])
    except ClientGoneError:
        return
    else:
        await send_body(send, 200, [JSON], _encode(begun))


def _again(raw: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body once more, and then what comes."""
    unread = [raw]

    async def receive_again() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop()}
        return await receive()

    return receive_again


def _begin(
    house: House, entrance: Entrance, scope: MutableMapping[str, Any], body: Json, key: str
) -> Json:
    """Start the call and return what the client gets now. Raises ``Refusal``."""
    stored = house.stored
    if not stored.on:
        raise Refusal(
            "unsupported_parameter",
            "`background` needs answers to be kept: set `store` in the gateway's config",
            param="background",
        )
    if body.get("stream"):
        raise Refusal(
            "unsupported_parameter",
            "`background` is not streamed here; ask for the answer with GET /v1/responses/{id}",
            param="stream",
        )
    if len(stored.running) >= RUNNING_MAX:
        raise Refusal(
            "rate_limited", f"{RUNNING_MAX} answers are in the background now", retry_after_s=5
        )
    name = f"resp_{house.ids.new()}"
    begun: Json = {
        "id": name,
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": True,
        "model": body.get("model"),
        "output": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
    }
    stored.put(key, begun, (), len(_encode(begun)), None)
    task = asyncio.ensure_future(_work(house, entrance, dict(scope), body, key, begun))
    stored.running[(key, name)] = task
    task.add_done_callback(lambda _: stored.running.pop((key, name), None))
    return begun


async def _work(
    house: House,
    entrance: Entrance,
    scope: MutableMapping[str, Any],
    body: Json,
    key: str,
    begun: Json,
) -> None:
    answered: list[Message] = []
    given, label = body, None

    async def stay() -> Message:
        return await asyncio.Future()

    async def collect(message: Message) -> None:
        answered.append(message)

    def note(_stored: Stored, _key: str, whole: Json, _answer: bytes, under: str) -> None:
        # The body with what it refers to put in, and the label that this may have raised.
        nonlocal given, label
        given, label = whole, under

    # What is kept is kept below, under the id that the client has.
    raw = _encode({**body, "background": False, "store": False})
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
    end = begun
    try:
        await exchange.run(house, replace(entrance, keep=note), scope, _again(raw, stay), collect)
        said = _decode(b"".join(message.get("body", b"") for message in answered[1:]))
        end = {**begun, **_ended(said, answered[0]["status"])}
    except asyncio.CancelledError:
        end = {**begun, "status": "cancelled"}
        raise
    finally:
        # An answer that was deleted meanwhile stays so.
        if (key, begun["id"]) in house.stored.running:
            size = len(_encode(given)) + sum(len(message.get("body", b"")) for message in answered)
            house.stored.put(key, end, tuple(input_items(given)), size, label)


def _ended(said: Json, status: int) -> Json:
    """What of an answer, or of an error, belongs into the kept response."""
    if status == 200:
        kept = {name: value for name, value in said.items() if name != "id"}
        return {**kept, "background": True, "store": True}
    error = said.get("error") or {}
    return {
        "status": "failed",
        "error": {"code": error.get("code"), "message": error.get("message")},
    }
