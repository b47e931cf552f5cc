"""The piece of Python that instructions are measured against: fixed, of no package, no sockets.

What a gateway does for a call, in small: bytes looked through and cut, JSON read and written, tables
looked up, objects made, a task woken. So another build of the interpreter moves both alike. Never
edit it without recording anew.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

EVENT = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)
HEAD = {"content-type": "application/json", "accept": "*/*", "user-agent": "sdk 1.0"}


class Tap:
    """Reads an event beside its passing."""

    __slots__ = ("model", "size", "words")

    def __init__(self) -> None:
        self.size = 0
        self.words: list[str] = []
        self.model = ""

    def feed(self, data: bytes) -> bytes:
        """Return ``data`` once it has been looked at."""
        start = data.find(b"{")
        said: dict[str, Any] = json.loads(data[start:-2])
        for choice in said["choices"]:
            delta = choice["delta"]
            for name, value in delta.items():
                if name != "role" and isinstance(value, str):
                    self.size += len(value)
        return data


class Call:
    """What is known of one call."""

    def __init__(self, number: int, headers: dict[str, str]) -> None:
        self.number = number
        self.name = f"call-{number:06x}"
        self.headers = {name.lower(): value for name, value in headers.items() if value != "*/*"}
        self.routes = tuple(sorted((number % 7, -place, f"route {place}") for place in range(5)))


async def turn(number: int, table: dict[str, Call], out: list[bytes]) -> int:
    """Do one call's worth of things; return a figure that depends on all of them."""
    loop = asyncio.get_running_loop()
    call = Call(number, HEAD)
    table[call.name] = call
    waiting: asyncio.Future[int] = loop.create_future()
    loop.call_soon(waiting.set_result, number)
    tap = Tap()
    found = await waiting
    out.extend([b"%x\r\n%b\r\n" % (len(EVENT), tap.feed(EVENT)) for _ in range(4)])
    line = json.dumps({"call": call.name, "status": 200, "routes": call.routes, "size": tap.size})
    del table[call.name]
    whole = b"".join(out)
    out.clear()
    return found + len(line) + len(whole)


async def turns(count: int) -> int:
    """Do ``count`` of them, one after the other, each in a task of its own."""
    table: dict[str, Call] = {}
    out: list[bytes] = []
    return sum([await asyncio.create_task(turn(number, table, out)) for number in range(count)])


if __name__ == "__main__":
    asyncio.run(turns(int(sys.argv[1])))
