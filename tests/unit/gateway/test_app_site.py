"""The site is built by whoever asks first, once, and not by calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import app
from gateway.app import Gateway
from gateway.house import House

PAGE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}


class Builder:
    """Stands in for the module; ``go`` lets the building end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built = 0
        self.faults = 0
        self.go = threading.Event()
        self.served: list[str] = []
        monkeypatch.setattr(app, "import_module", lambda name: SimpleNamespace(site=self.site))

    def site(self, house: House) -> app.Application:
        self.go.wait(10)
        self.built += 1
        if self.faults:
            self.faults -= 1
            raise OSError("no file")
        return self.serve

    async def serve(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.served.append(scope["path"])


async def nothing(*_: Any) -> Any:
    return None


def page(gateway: Gateway, path: str) -> asyncio.Task[None]:
    return asyncio.ensure_future(gateway({**PAGE, "path": path}, nothing, nothing))


async def test_it_is_built_once_for_all_who_wait_even_if_the_first_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    builder = Builder(monkeypatch)
    gateway = Gateway(cast(House, None))
    first, second, third = (page(gateway, path) for path in ("/1", "/2", "/3"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    builder.go.set()
    await asyncio.gather(second, third)
    await page(gateway, "/4")
    assert builder.built == 1
    assert builder.served == ["/2", "/3", "/4"]


async def test_what_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder(monkeypatch)
    builder.go.set()
    builder.faults = 1
    gateway = Gateway(cast(House, None))
    with pytest.raises(OSError, match="no file"):
        await page(gateway, "/1")
    await page(gateway, "/2")
    assert (builder.built, builder.served) == (2, ["/2"])
