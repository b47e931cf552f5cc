"""The floor: what a pass-through costs in Python that checks nothing, counts nothing, writes nothing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

SESSION = web.AppKey("session", aiohttp.ClientSession)
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-bench"}


async def relay(request: web.Request) -> web.StreamResponse:
    """Send a call on, and its answer back as it comes."""
    url, body = sys.argv[2] + request.path_qs, await request.read()
    async with request.app[SESSION].post(url, data=body, headers=HEADERS) as answer:
        media = answer.headers["content-type"]
        if answer.content_length is not None:
            whole = await answer.read()
            return web.Response(body=whole, status=answer.status, headers={"content-type": media})
        said = web.StreamResponse(status=answer.status, headers={"content-type": media})
        await said.prepare(request)
        async for data in answer.content.iter_any():
            await said.write(data)
        await said.write_eof()
        return said


async def session(app: web.Application) -> AsyncIterator[None]:
    """Keep one session open for as long as the application runs."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as app[SESSION]:
        yield


if __name__ == "__main__":
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/{path:.*}", relay)
    app.cleanup_ctx.append(session)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
