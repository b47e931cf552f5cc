"""What a do-nothing pass-through in the same stack costs: no key, no policy, no ledger."""

from __future__ import annotations

import sys
from typing import Any

import aiohttp
import uvicorn


class Floor:
    """Forwards every call to one host, path and all."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Relay one call."""
        if scope["type"] != "http":
            return
        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        body = (await receive())["body"]
        headers = {"content-type": "application/json", "authorization": "Bearer x"}
        url = self.upstream + scope["path"]
        async with self.session.post(url, data=body, headers=headers) as answer:
            media = answer.headers["content-type"].encode()
            await send({"type": "http.response.start", "status": answer.status,
                        "headers": [(b"content-type", media)]})  # fmt: skip
            while data := await answer.content.readany():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    app = Floor(sys.argv[2])
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False,
                log_level="error", lifespan="off")  # fmt: skip
